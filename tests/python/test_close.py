# SPDX-License-Identifier: MIT
"""test_close - closing, collecting, and what a call from C does afterwards"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import weakref
from typing import Any

import pytest

import ffi_static
from ffi_static import _lib
from tests.python.conftest import Script
from tests.python.programs import callback as programs
from tests.support.programs import program


def live() -> int:
    stats = _lib.ffi.new("struct ffi_static_stats *")
    assert _lib.lib.ffi_static_get_stats(stats, _lib.ffi.sizeof(stats[0])) == 0
    return int(stats.live)


def test_close_ends_the_address() -> None:
    callback = ffi_static.callback("int(int)", abs)
    before = callback.closed
    callback.close()
    assert (before, callback.closed) == (False, True)
    for use in (lambda: callback.address, lambda: callback.cdata, lambda: int(callback)):
        with pytest.raises(ffi_static.ClosedError):
            use()


def test_close_twice_is_allowed() -> None:
    callback = ffi_static.callback("int(int)", abs)
    callback.close()
    callback.close()


def test_with_closes() -> None:
    with ffi_static.callback("int(int)", abs) as callback:
        assert callback.cdata(-2) == 2
    assert callback.closed
    with pytest.raises(ffi_static.ClosedError), callback:
        pass


def test_close_inside_the_call_lets_it_finish(caller: Any) -> None:
    @ffi_static.callback("int(int)")
    def once(x: int) -> int:
        once.close()
        return x + 1

    assert caller.call(once.address, 41) == 42
    assert once.closed


def test_dropping_the_last_reference_inside_the_call_lets_it_finish(caller: Any) -> None:
    kept: list[ffi_static.Callback] = []

    def once(x: int) -> int:
        kept.clear()
        gc.collect()
        return x + 1

    kept.append(ffi_static.callback("int(int)", once))
    assert caller.call(kept[0].address, 41) == 42
    assert not kept


def test_exception_after_close_inside_the_call_gives_the_error_value(
    caller: Any, unraisable: list[Any]
) -> None:
    @ffi_static.callback("int(int)", error=9)
    def once(x: int) -> int:
        once.close()
        raise KeyError(x)

    assert caller.call(once.address, 1) == 9
    assert len(unraisable) == 1


def test_close_while_another_thread_runs_the_call(caller: Any) -> None:
    entered, closed = threading.Event(), threading.Event()

    @ffi_static.callback("int(int)")
    def slow(x: int) -> int:
        entered.set()
        assert closed.wait(60)
        return x + 1

    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(caller.call(address, 1)))
    address = slow.address
    thread.start()
    assert entered.wait(60)
    slow.close()
    closed.set()
    thread.join()
    assert results == [2]


@pytest.mark.parametrize("how", ["close", "del", "collect"])
def test_call_of_a_closed_callback_aborts_with_one_line(script: Script, how: str) -> None:
    done = script(program(programs.call_of_a_closed_callback, how), status=-signal.SIGABRT)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "freed" in lines[0] and done.stdout.strip()[2:] in lines[0]


def test_last_reference_frees_at_once_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = live()
        callback = ffi_static.callback("long(long, short)", abs)  # parsed now, not before
        assert live() == before + 1
        del callback
        assert live() == before
    finally:
        gc.enable()


def test_cycles_are_collected() -> None:
    class Owner:
        def __init__(self) -> None:
            self.callback = ffi_static.callback("int(int)", self.method)

        def method(self, x: int) -> int:
            return x

    before = live()
    reference = weakref.ref(Owner())
    gc.collect()
    assert reference() is None
    assert live() == before


def test_slots_come_back() -> None:
    before = live()
    held = [ffi_static.callback("int(int)", abs) for _ in range(1000)]
    assert live() == before + 1000
    held.clear()
    gc.collect()
    assert live() == before


@pytest.mark.parametrize("signature", ["int(int)", "double(double, char *)", "void(void *)"])
def test_calls_leak_no_references(signature: str) -> None:
    marker = object()

    def function(*given: object) -> Any:
        return None if signature.startswith("void") else 12

    callback = ffi_static.callback(signature, function)
    ffi = _lib.ffi
    arguments = [ffi.NULL if "*" in t else 3 for t in signature[:-1].split("(")[1].split(",")]
    pointer = callback.cdata
    pointer(*arguments)
    counts = [sys.getrefcount(o) for o in (function, callback, callback.signature, marker, None)]
    for _ in range(1000):
        pointer(*arguments)
    after = [sys.getrefcount(o) for o in (function, callback, callback.signature, marker, None)]
    assert all(abs(a - b) < 50 for a, b in zip(counts, after)), (counts, after)


def test_failing_calls_leak_no_references(unraisable: list[Any]) -> None:
    class Payload:
        pass

    alive: weakref.WeakSet[Payload] = weakref.WeakSet()

    def function(x: int) -> object:
        payload = Payload()
        alive.add(payload)
        if x % 2:
            raise ValueError(payload)
        return payload  # does not convert

    pointer = ffi_static.callback("int(int)", function, error=-1).cdata
    for i in range(100):
        assert pointer(i) == -1
    unraisable.clear()
    gc.collect()
    assert len(alive) == 0
