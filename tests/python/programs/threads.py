# SPDX-License-Identifier: MIT
"""threads - foreign threads and fork() with callbacks alive"""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import signal
import sys
import threading
import time
import types
import warnings
import weakref
from typing import Any, Callable

import ffi_static
from ffi_static import _lib
from ffi_static._callback import shape, signature_of
from tests.python.programs.caller import caller, holder, keep
from tests.python.programs.fresh import run_with_the_gil
from tests.python.programs.tools import MAKERS, Made
from tests.support.programs import case

API = "api", "ctypes", "ctypes kept", "cffi"


def closed_under_waiting_threads(
    function: Callable[[int], int], tag: int, then: Callable[[], object]
) -> list[int]:
    """Close a callback in which three threads wait for the GIL; give what these get."""
    run_with_the_gil()
    cb = ffi_static.callback("int(int)", function, error=-1)
    assert holder.park(cb.address, tag) == 3  # inside cb, and waiting for the GIL
    cb.close()
    other = then()
    results = (ctypes.c_int * 3)()
    caller.unpark(results)
    del other
    return list(results)


@case()
def close_while_foreign_threads_wait_for_the_gil() -> None:
    sys.setswitchinterval(1000)  # nobody takes the GIL from the main thread
    ran: list[int] = []
    for tag in range(1, 11):
        assert closed_under_waiting_threads(ran_of(ran, tag), tag, lambda: None) == [-1, -1, -1]
    assert not ran, ran


@case()
def threads_that_waited_do_not_run_the_next_callback() -> None:
    # The callback made after close() gets the cell of the closed one: its function must not
    # run for the threads that called the old one, and they must not get its error= either.
    sys.setswitchinterval(1000)
    ran: list[int] = []
    for tag in range(1, 21):
        new = ran_of(ran, tag + 1000)
        got = closed_under_waiting_threads(
            ran_of(ran, tag),
            tag,
            functools.partial(ffi_static.callback, "int(int)", new, error=-2),
        )
        assert got == [0, 0, 0], ran
    assert not ran, ran


@case(*API)
def ended_while_calls_run(name: str) -> None:
    go = threading.Event()

    class Function:  # nothing but the callback refers to it: no frame either
        @staticmethod
        def __call__(x: int) -> int:
            go.wait()
            return x + 1

    function = Function()
    lives = weakref.ref(function)
    make = maker(name)
    box = [make(function)]
    del function
    assert caller.park(box[0][1], 7) == 3  # inside the function
    del box[:]
    others = [make(lambda x: x + 1000) for _ in range(50)]
    gc.collect()
    assert lives() is not None
    go.set()
    results = (ctypes.c_int * 3)()
    caller.unpark(results)
    assert list(results) == [8, 8, 8], list(results)
    del others
    gc.collect()
    assert lives() is None


def ran_of(ran: list[int], tag: int) -> Callable[[int], int]:
    def f(x: int) -> int:
        ran.append(tag)
        return tag

    return f


def fork_in_a_callback() -> None:
    def f(x: int) -> int:
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


@case()
def fork_in_a_foreign_thread() -> None:
    warnings.simplefilter("ignore")

    def f(x: int) -> int:
        pid = os.fork()
        if pid == 0:
            ok = ffi_static.callback("int(int)", lambda x: x + 1).cdata(1) == 2
            ok = ok and caller.in_threads(plain.address, 10, 2) == 90
            os._exit(0 if ok else 1)
        return os.waitpid(pid, 0)[1]

    plain = ffi_static.callback("int(int)", lambda x: x)
    cb = ffi_static.callback("int(int)", f, error=77)
    assert caller.in_threads(cb.address, 1, 1) == 0


@case()
def fork_while_foreign_threads_are_alive() -> None:
    warnings.simplefilter("ignore")
    cb = ffi_static.callback("int(int)", lambda x: x)
    threads = [caller.start(cb.address) for _ in range(3)]
    assert [caller.step(t) for t in threads] == [1, 1, 1]
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            ok = _lib.thread_counts() == (0, 0)
            ok = ok and caller.in_threads(cb.address, 10, 2) == 90
            del cb
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
    assert [caller.step(t) for t in threads] == [1, 1, 1]


@case()
def fork_while_a_thread_makes_a_signature() -> None:
    place: Any = shape  # its _lib is exchanged
    inside, done, make = threading.Event(), threading.Event(), place._lib.shape

    def slow(*given: Any) -> object:
        inside.set()
        done.wait()
        return make(*given)

    place._lib = types.SimpleNamespace(shape=slow)
    thread = threading.Thread(target=signature_of, args=("int(int, long, int)",))
    thread.start()
    inside.wait()
    place._lib = _lib
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(ffi_static.callback("int(long, int, long)", lambda *_: 5).cdata(1, 2, 3))
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


@case()
def closing_in_a_forked_child_leaves_the_parents() -> None:
    held = [ffi_static.callback("int(int)", lambda x, i=i: x + i) for i in range(1000)]
    pid = os.fork()
    if pid == 0:
        for cb in held:
            cb.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert [caller.call(cb.address, 1) for cb in held] == [1 + i for i in range(1000)]


@case()
def fork_while_foreign_threads_get_their_state() -> None:
    # a hang of a child is ended by the timeout of the test run
    warnings.simplefilter("ignore")
    cb = ffi_static.callback("int(int)", lambda x: x)
    done = threading.Event()

    def make_threads() -> None:
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


# ---- with each maker of callbacks


def wait(pid: int) -> None:
    for _ in range(6000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, status
            return
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    raise SystemExit("the child hangs")


def with_api(function: Callable[[int], int]) -> Made:
    made = ffi_static.callback("int(int)", function)
    return made, made.address


def maker(name: str) -> Callable[[Callable[[int], int]], Made]:
    """Give what makes callbacks of one kind of API."""
    if name == "api":
        return with_api
    ffi_static.install(keep_thread_state=name == "ctypes kept")
    return MAKERS["_cffi_backend" if name == "cffi" else "_ctypes"]


def adds_1(name: str) -> int:
    """Make a callback that adds 1; give its address."""
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
    f, address = maker(name)(lambda x: x + 1)
    keep(f)
    return address


@case(*API)
def fork_while_a_thread_gets_its_state(name: str) -> None:
    # Before 3.12 a child hangs that is forked while CPython holds the lock of its list of states.
    # CPython holds it for a moment only, so the test shows that no fork happens near that moment.
    address = adds_1(name)
    # Before 3.12 a child hangs that is forked while CPython holds the lock of its list of states.
    # CPython holds it for a moment only, so the test shows that no fork happens near that moment.
    assert caller.start_slowly(address) == 0
    pid = os.fork()
    if pid == 0:
        os._exit(0 if caller.call(address, 1) == 2 else 1)
    assert holder.has_got_its_state() or sys.version_info >= (3, 12)
    wait(pid)
    assert caller.end_slowly() == 8


@case(*API)
def forks_while_threads_call(name: str) -> None:
    address = adds_1(name)
    for _ in range(4):
        caller.spin(address)
    for _ in range(50):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if caller.call(address, 1) == 2 else 1)
        wait(pid)
    os._exit(0)
