# SPDX-License-Identifier: MIT
"""dropin_interrupted - exceptions and signals at every moment of install() and uninstall()"""

from __future__ import annotations

import builtins
import signal
import sys
import threading
import types
from itertools import product
from pathlib import Path
from typing import Any, Callable

import ffi_static
from ffi_static import _lib
from ffi_static._dropin import probe as real_probe
from tests.python.programs.caller import caller
from tests.python.programs.tools import (
    BOTH,
    MAKERS,
    ffi,
    ours,
    record,
    right,
    some,
    with_cffi,
)
from tests.support.programs import case

probe: Any = real_probe
FILES = {str(path) for path in Path(real_probe.__file__).parent.glob("*.py")}


class AtLine:
    """Raise at the n-th line of FILES that is run, once; `lines` is how many there were."""

    def __init__(self, n: int, error: BaseException) -> None:
        self.n, self.error, self.lines = n, error, 0
        self.seen: set[Any] = set()

    def trace(self, frame: Any, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        where = frame.f_code, frame.f_lineno
        if event == "line" and where not in self.seen:  # in a loop, the first time
            self.seen.add(where)
            self.lines += 1
            if self.lines == self.n:
                sys.settrace(None)
                raise self.error
        return self.trace

    def run(self, function: Callable[[], object]) -> None:
        sys.settrace(self.trace)
        try:
            function()
        finally:
            sys.settrace(None)


def all_work() -> None:
    # more than one page of blocks, so that all that cffi has is used
    for make in MAKERS.values():
        made = some(make, 10, 150)
        assert right(caller, made, 10)


def stock() -> None:
    for make in MAKERS.values():
        f, address = make(lambda x: x + 1)
        assert not ours(address) and caller.call(address, 1) == 2
        del f


def writable_code() -> int:
    size = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights = line.split()[:2]
        start, end = (int(each, 16) for each in span.split("-"))
        size += (end - start) * ("wx" in rights)
    return size


def an_exception_at_each_line(name: str, kind: str, served_before: bool) -> None:
    """In the first round of a process, and in each later one, with cffi's memory of each kind."""
    action = getattr(ffi_static, name)
    before = ffi_static.uninstall if action is ffi_static.install else ffi_static.install
    if served_before:
        ffi_static.install()
        all_work()
        ffi_static.uninstall()
        stock()
    n = 0
    while True:
        n += 1
        before()
        if n % 3 == 0:
            all_work()
        error: BaseException = getattr(builtins, kind)("planted")
        at = AtLine(n, error)
        try:
            at.run(action)
        except BaseException as seen:
            assert seen is error, (n, seen)
        else:
            # ran to its end, or Python was in a place from which nothing can be raised
            if at.lines < n:
                break
        all_work()
        states = {s.module: s.state for s in ffi_static.installed()}
        if action is ffi_static.install and "served" not in states.values():
            stock()
        ffi_static.uninstall()
        stock()
        all_work()
        ffi_static.install()
        for make in MAKERS.values():
            made = [make(abs) for _ in range(100)]
            assert all(ours(address) for _, address in made)
            del made
        ffi_static.uninstall()
    print(n)


@case()
def an_install_that_a_signal_interrupts_before_its_drain() -> None:
    ffi_static.install()
    made = some(with_cffi, 5, 200)
    del made
    ffi_static.uninstall()

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    real = probe._writable_code
    probe._writable_code = interrupted
    for _ in range(3):
        try:
            ffi_static.install()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError
        assert not [s for s in ffi_static.installed() if s.state == "served"]
        stock()
        all_work()
    probe._writable_code = real
    ffi_static.install()
    all_work()


@case(
    *product(
        MAKERS,
        ["KeyboardInterrupt", "TimeoutError", "RuntimeError"],
        ["dropin_call", "dropin_check", "dropin_confirm"],
    )
)
def a_signal_in_the_middle_of_the_probe(module: str, kind: str, place: str) -> None:
    # the signal arrives inside a C function of the package; its handler runs at Python's next step
    error: type[Exception] = getattr(builtins, kind)

    def handler(number: int, frame: Any) -> None:
        raise error("from the handler")

    signal.signal(signal.SIGUSR1, handler)
    real = getattr(_lib, place)

    class Lib:
        def __getattr__(self, name: Any) -> Any:
            return interrupted if name == place else getattr(_lib, name)

    def interrupted(*args: Any) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        return real(*args)

    probe._lib = Lib()
    only: Any = {"ctypes": module == "_ctypes", "cffi": module != "_ctypes"}
    try:
        ffi_static.install(**only)
    except error as seen:
        assert not isinstance(seen, ffi_static.InstallError), seen
        assert str(seen) == "from the handler"
    else:
        raise AssertionError("the signal is lost")
    assert ffi_static.installed() == (), ffi_static.installed()
    stock()
    probe._lib = _lib
    ffi_static.install(**only)
    f, address = MAKERS[module](abs)
    assert ours(address)


@case()
def what_c_calls_in_the_probe_has_no_step_at_which_a_handler_runs() -> None:
    # an exception there would end in the callback: printed, and not raised
    given: list[Any] = []

    def watched(maker: Any) -> Any:
        def other(module: Any) -> Any:
            make, address = maker(module)

            def watching(function: Any) -> Any:
                given.append(function)
                return make(function)

            return watching, address

        return other

    probe._ctypes_maker = watched(probe._ctypes_maker)
    probe._cffi_maker = watched(probe._cffi_maker)
    ffi_static.install()
    assert [type(each) for each in given] == [types.BuiltinFunctionType] * 2, given


@BOTH
def signals_at_any_moment_of_install(module: str) -> None:
    """At some moment of install(), 300 times: it is never lost."""
    signal.signal(signal.SIGUSR1, signal.default_int_handler)
    kind = "ctypes" if module == "_ctypes" else "cffi"
    lost = 0
    for _ in range(300):
        timer = threading.Timer(0, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
        # Not in the middle of start(), where threading would lose its own lock.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        timer.start()
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
            ffi_static.install(ctypes=kind == "ctypes", cffi=kind == "cffi")
            timer.join()
            for _ in range(1000):  # where it came after install()
                pass
        except KeyboardInterrupt:
            timer.join()
        else:
            lost += 1
        ffi_static.uninstall()
        f, address = MAKERS[module](lambda x: x + 1)
        assert caller.call(address, 1) == 2
        del f
    assert lost == 0, lost


@case(*product([0, 1], [1, 200]))
def rounds_of_install_and_uninstall_need_no_more_and_more_memory(kept: int, more: int) -> None:
    alive = some(with_cffi, 3, kept)

    def once() -> int:
        ffi_static.install()
        made = some(with_cffi, 1, 50)
        assert all(ours(address) for _, address in made) and right(caller, made, 1)
        del made
        ffi_static.uninstall()
        made = some(with_cffi, 2, more)
        assert not any(ours(address) for _, address in made) and right(caller, made, 2)
        assert right(caller, alive, 3)
        return writable_code()

    sizes = [once() for _ in range(60)]
    assert max(sizes[3:]) == min(sizes[3:]), sizes
    assert max(sizes) < 1 << 20, sizes
    ffi_static.install()
    assert record("_cffi_backend").leftover == kept
    assert kept or writable_code() == 0


@case()
def a_drain_asks_for_no_writable_code_and_leaves_cffis_count() -> None:
    # stock cffi asks for 1, 2, 3, 4, 6, 8, ... pages; what it asks for shows its count
    made = [with_cffi(abs) for _ in range(10)]  # one page
    assert writable_code() == 4096
    ffi_static.install()
    made += [with_cffi(abs) for _ in range(140)]  # on our closures, in two pages
    assert writable_code() == 4096
    ffi_static.uninstall()
    assert writable_code() == 4096
    made += [with_cffi(abs)]
    # ours was its second request, of two pages; this is its third
    assert not ours(made[-1][1]) and writable_code() == 4 * 4096, writable_code()


@case()
def memory_of_cffis_own_goes_when_nothing_is_left_in_it() -> None:
    ffi_static.install()
    ffi_static.uninstall()
    kept = with_cffi(lambda x: x + 1)
    ffi_static.install()
    assert record("_cffi_backend").leftover == 1
    size = writable_code()
    assert size > 0 and caller.call(kept[1], 1) == 2
    del kept
    assert record("_cffi_backend").leftover == 0
    ffi_static.uninstall()
    other = with_cffi(lambda x: x + 1)  # cffi reuses it
    ffi_static.install()
    assert record("_cffi_backend").leftover == 1 and caller.call(other[1], 1) == 2
    del other
    ffi_static.uninstall()
    last = with_cffi(lambda x: x + 1)
    assert not ours(last[1]) and caller.call(last[1], 1) == 2
    del last
    ffi_static.install()
    assert record("_cffi_backend").leftover == 0 and writable_code() == 0
    all_work()


@case()
def a_handle_is_not_taken_for_a_callback() -> None:
    ffi_static.install()
    ffi_static.uninstall()
    kept = [with_cffi(abs) for _ in range(5)]
    handles = [ffi.new_handle(object()) for _ in range(50)]
    owners = [ffi.gc(ffi.new("int[10]"), id) for _ in range(50)]
    buffers = [ffi.from_buffer(bytearray(10)) for _ in range(50)]
    del handles[::2], owners[::2], buffers[::2]
    ffi_static.install()
    assert record("_cffi_backend").leftover == 5
    del handles, owners, buffers
    assert record("_cffi_backend").leftover == 5
