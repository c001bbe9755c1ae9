# SPDX-License-Identifier: MIT
"""test_threads - foreign threads, their kept thread states, fork"""

from __future__ import annotations

import threading
import time
from typing import Any

import ffi_static
from ffi_static import _lib
from tests.python.conftest import Script
from tests.python.programs import threads as programs
from tests.support.programs import cases, program


def settle(want: tuple[int, int]) -> None:
    """Run bytecode on the main thread until the exited threads' states are deleted."""
    deadline = time.monotonic() + 60
    while _lib.thread_counts() != want and time.monotonic() < deadline:
        ffi_static.callback("int(int)", abs).close()
    assert _lib.thread_counts() == want


def test_foreign_thread(caller: Any) -> None:
    callback = ffi_static.callback("int(int)", lambda x: x)
    assert caller.in_threads(callback.address, 1000, 1) == 499500
    settle((0, 0))


def test_many_foreign_threads(caller: Any) -> None:
    callback = ffi_static.callback("int(int)", lambda x: x)
    assert caller.in_threads(callback.address, 200, 32) == 32 * 19900
    settle((0, 0))


def test_thread_state_is_kept_until_the_thread_exits(caller: Any) -> None:
    local = threading.local()
    settle((0, 0))

    @ffi_static.callback("int(int)")
    def count(x: int) -> int:
        local.n = getattr(local, "n", 0) + x
        return int(local.n)

    thread = caller.start(count.address)
    assert [caller.step(thread) for _ in range(3)] == [1, 2, 3]
    assert _lib.thread_counts() == (1, 0)
    caller.stop(thread)
    settle((0, 0))


def test_thread_locals_of_a_foreign_thread_are_dropped_after_it(caller: Any) -> None:
    dropped = threading.Event()

    class Value:
        def __del__(self) -> None:
            dropped.set()

    local = threading.local()

    def keep(x: int) -> int:
        local.value = Value()
        return x

    callback = ffi_static.callback("int(int)", keep)
    caller.in_threads(callback.address, 1, 1)
    settle((0, 0))
    assert dropped.wait(60)


def test_python_threads_make_no_states_of_ours(caller: Any) -> None:
    settle((0, 0))
    callback = ffi_static.callback("int(int)", lambda x: x)
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(caller.loop(callback.address, 500)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [124750] * 8
    assert _lib.thread_counts() == (0, 0)


def test_call_from_a_thread_destructor(caller: Any) -> None:
    callback = ffi_static.callback("int(int)", lambda x: x * 3)
    assert caller.call_in_destructor(callback.address) == 21
    settle((0, 0))


def test_joining_a_foreign_thread_with_the_gil_held(caller: Any, holder: Any) -> None:
    callback = ffi_static.callback("int(int)", lambda x: x)
    thread = caller.start(callback.address)
    assert caller.step(thread) == 1
    holder.stop(thread)  # would hang if an exiting thread needed the GIL
    settle((0, 0))


@cases(programs)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


def test_fork_in_a_callback(script: Script) -> None:
    assert script(program(programs.fork_in_a_callback)).stdout.strip() == "200"
