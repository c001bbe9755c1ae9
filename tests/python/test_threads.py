# SPDX-License-Identifier: MIT
"""test_threads - foreign threads, their kept thread states, fork"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import ffi_static
from ffi_static import _lib


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


PARKED = """
sys.setswitchinterval(1000)  # nobody takes the GIL from the main thread
ran = []
def make(tag):
    def f(x):
        ran.append((tag, x))
        return tag
    return f
def closed_under_waiting_threads(tag, then):
    cb = ffi_static.callback("int(int)", make(tag), error=-1)
    assert holder.park(cb.address, tag) == 3  # inside cb, and waiting for the GIL
    cb.close()
    other = then()
    results = (ctypes.c_int * 3)()
    caller.unpark(results)
    return list(results)
"""


def test_close_while_foreign_threads_wait_for_the_gil(script: Any) -> None:
    code = """
for tag in range(1, 11):
    assert closed_under_waiting_threads(tag, lambda: None) == [-1, -1, -1]
assert not ran, ran
"""
    script(PARKED + code)


def test_threads_that_waited_do_not_run_the_next_callback(script: Any) -> None:
    # The callback made after close() gets the cell of the closed one: its function must not
    # run for the threads that called the old one, and they must not get its error= either.
    code = """
for tag in range(1, 21):
    new = lambda: ffi_static.callback("int(int)", make(tag + 1000), error=-2)
    assert closed_under_waiting_threads(tag, new) == [0, 0, 0], ran
assert not ran, ran
"""
    script(PARKED + code)


def test_fork_in_a_callback(script: Any) -> None:
    code = """
def f(x):
    pid = os.fork()
    if pid == 0:
        return 100
    assert os.waitpid(pid, 0)[1] == 0
    return 200
cb = ffi_static.callback("int(int)", f)
result = caller.call(cb.address, 1)
if result == 100:
    # the child goes on: old and new callbacks work
    assert ffi_static.callback("int(int)", lambda x: x + 1).cdata(1) == 2
    os._exit(0)
print(result)
"""
    assert script(code).stdout.strip() == "200"


def test_fork_in_a_foreign_thread(script: Any) -> None:
    code = """
import warnings; warnings.simplefilter("ignore")
def f(x):
    pid = os.fork()
    if pid == 0:
        ok = ffi_static.callback("int(int)", lambda x: x + 1).cdata(1) == 2
        ok = ok and caller.in_threads(plain.address, 10, 2) == 90
        os._exit(0 if ok else 1)
    return os.waitpid(pid, 0)[1]
plain = ffi_static.callback("int(int)", lambda x: x)
cb = ffi_static.callback("int(int)", f, error=77)
assert caller.in_threads(cb.address, 1, 1) == 0
"""
    script(code)


def test_fork_while_foreign_threads_are_alive(script: Any) -> None:
    code = """
import warnings; warnings.simplefilter("ignore")
cb = ffi_static.callback("int(int)", lambda x: x)
threads = [caller.start(cb.address) for _ in range(3)]
assert [caller.step(t) for t in threads] == [1, 1, 1]
for i in range(10):
    pid = os.fork()
    if pid == 0:
        ok = ffi_static._lib.thread_counts() == (0, 0)
        ok = ok and caller.in_threads(cb.address, 10, 2) == 90
        del cb
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
assert [caller.step(t) for t in threads] == [1, 1, 1]
"""
    script(code)


def test_closing_in_a_forked_child_leaves_the_parents(script: Any) -> None:
    code = """
held = [ffi_static.callback("int(int)", lambda x, i=i: x + i) for i in range(1000)]
pid = os.fork()
if pid == 0:
    for cb in held:
        cb.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert [caller.call(cb.address, 1) for cb in held] == [1 + i for i in range(1000)]
"""
    script(code)


def test_fork_while_foreign_threads_get_their_state(script: Any) -> None:
    # a hang of a child is ended by the timeout of the test run
    code = """
import warnings; warnings.simplefilter("ignore")
cb = ffi_static.callback("int(int)", lambda x: x)
done = threading.Event()
def make_threads():
    while not done.is_set():
        assert caller.in_threads(cb.address, 2, 4) == 4
makers = [threading.Thread(target=make_threads) for _ in range(3)]
for maker in makers:
    maker.start()
for _ in range(400):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
done.set()
for maker in makers:
    maker.join()
"""
    script(code)


WAIT = """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
def wait(pid):
    for _ in range(6000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, status
            return
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    raise SystemExit("the child hangs")
"""
MAKERS = {
    "api": "cb = ffi_static.callback('int(int)', lambda x: x + 1); address = cb.address",
    "ctypes": "ffi_static.install()",
    "ctypes kept": "ffi_static.install(keep_thread_state=True)",
    "cffi": "ffi_static.install()",
}


@pytest.fixture(params=MAKERS)
def calls(request: pytest.FixtureRequest, script: Any) -> Any:
    """Run code after `address`, that of a callback of each maker, which adds 1, and wait()."""

    def run(code: str) -> None:
        prepare = MAKERS[request.param]
        if request.param != "api":
            module = "_cffi_backend" if request.param == "cffi" else "_ctypes"
            prepare += f"\nf, address = MAKERS[{module!r}](lambda x: x + 1)"
        script(f"from dropin_tools import *\n{prepare}\n{WAIT}\n{code}")

    return run


def test_fork_while_a_thread_gets_its_state(calls: Any) -> None:
    # Before 3.12 a child hangs that is forked while CPython holds the lock of its list of states.
    # It does so for a moment only, so what is seen here is that no fork happens near that moment.
    calls("""
assert caller.start_slowly(address) == 0
pid = os.fork()
if pid == 0:
    os._exit(0 if caller.call(address, 1) == 2 else 1)
assert holder.has_got_its_state() or sys.version_info >= (3, 12)
wait(pid)
assert caller.end_slowly() == 8
""")


def test_forks_while_threads_call(calls: Any) -> None:
    calls("""
for _ in range(4):
    caller.spin(address)
for _ in range(50):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if caller.call(address, 1) == 2 else 1)
    wait(pid)
os._exit(0)
""")
