# SPDX-License-Identifier: MIT
"""ending - callbacks that C calls while and after Python goes away

What C got is printed by handlers of caller.c, which exit() runs when Python has gone.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import Any, Callable

import _cffi_backend

import ffi_static
from tests.python.programs import fresh
from tests.python.programs.caller import caller, holder, keep, leave
from tests.python.programs.tools import Made, address_of, ffi
from tests.support.programs import case

ffi.cdef("struct three { long v[3]; };")
#: By the letter that call_when_gone() of caller.c takes.
DECLARATIONS = {"i": "int(int)", "v": "void(int)", "s": "struct three(int)"}


def with_api(signature: Any, function: Callable[..., Any], **error: Any) -> Made:
    made = ffi_static.callback(signature, function, ffi=ffi, **error)
    return made, made.address


def with_ctypes(declaration: str, function: Callable[..., Any]) -> Made:
    result = {"int(int)": ctypes.c_int, "void(int)": None}[declaration]
    made = ctypes.CFUNCTYPE(result, ctypes.c_int)(function)
    return made, address_of(made)


def with_cffi(declaration: str, function: Callable[..., Any], **error: Any) -> Made:
    made: Any = ffi.callback(declaration, function, **error)
    return made, int(ffi.cast("uintptr_t", made))


def maker(name: str) -> Any:
    """Prepare one of the makers of callbacks, and give it."""
    if name == "api":
        return with_api
    ffi_static.install(keep_thread_state=name == "ctypes kept")
    return with_cffi if name == "cffi" else with_ctypes


def call_when_gone(made: Made, where: str, *, left: bool = True, kind: str = "i") -> None:
    """Have C call a callback when Python is gone; kind, where: as call_when_gone() takes them.

    left: the callback's object is there then; otherwise finalization frees it before.
    """
    (leave if left else keep)(made[0])
    assert caller.call_when_gone(made[1], kind.encode(), where.encode()) == 0


def called_when_gone(
    name: str, where: str, left: bool, kind: str, at_exit: str, error: dict[str, Any]
) -> None:
    """Have C call the callback of a maker; `error`: onerror=print and error=, in JSON."""
    make = maker(name)
    if at_exit:
        ffi_static.install(at_exit=at_exit)
    if error.get("onerror"):
        error["onerror"] = print
    if kind == "s":
        error["error"] = ffi.new("struct three *", error["error"])[0]
    call_when_gone(make(DECLARATIONS[kind], abs, **error), where, left=left, kind=kind)


# ---- other threads


def threads_call_on(name: str) -> None:
    made, address = maker(name)("int(int)", lambda x: x + 1)
    keep(made)
    assert caller.call_to_the_end(address, 4) == 0
    time.sleep(0.05)
    sys.exit(0)


def daemon_threads_call_on(name: str) -> None:
    made, address = maker(name)("int(int)", lambda x: x + 1)
    keep(made)
    assert caller.call_to_the_end(address, 0) == 0
    for _ in range(3):
        threading.Thread(target=caller.call_without_end, args=(address,), daemon=True).start()
    time.sleep(0.05)


def threads_call_up_to_os_exit(name: str) -> None:
    made, address = maker(name)("int(int)", lambda x: x + 1)
    assert caller.call_strictly(address, 4) == 0
    time.sleep(0.05)
    os._exit(7)


# ---- the user's error result


class Other:
    """What has the FFI class of cffi's extension, where cffi.FFI is the one in Python."""

    ffi: Any = _cffi_backend.FFI()


def each_way_to_make_a_cffi_callback(how: str, error: dict[str, Any]) -> None:
    if error.get("onerror"):
        error["onerror"] = print
    maker("cffi")
    ways: dict[str, Callable[[], Any]] = {
        "ffi": lambda: ffi.callback("int(int)", abs, **error),
        "other.ffi": lambda: Other.ffi.callback("int(int)", abs, **error),
        "decorator": lambda: Other.ffi.callback("int(int)", **error)(abs),
    }
    made = ways[how]()
    call_when_gone((made, int(ffi.cast("uintptr_t", made))), "t")


def a_callback_made_while_an_error_result_is_converted() -> None:
    make = maker("cffi")
    others: list[Made] = []

    class Error:
        def __int__(self) -> int:
            others.append(make("int(int)", abs))
            return 0

        __index__ = __int__

    first = make("int(int)", len, error=Error())
    call_when_gone(others[-1], "t")
    keep(first)


def error_of_one_callback_is_not_the_next_one_s(name: str) -> None:
    make = maker(name)
    for _ in range(200):
        made, _address = make("int(int)", abs, error=8)
        del made
    call_when_gone(make("int(int)", abs), "t")


@case("api", "cffi")
def error_holds_for_who_waits_while_the_callback_is_freed(name: str) -> None:
    fresh.run_with_the_gil()
    made, address = maker(name)("int(int)", lambda x: x, error=8)
    sys.setswitchinterval(1000)  # what waits for the GIL gets it in unpark()
    assert holder.park(address, 5) == 3
    del made
    results = (ctypes.c_int * 3)()
    caller.unpark.argtypes = [ctypes.c_void_p]
    caller.unpark(results)
    assert list(results) == [8, 8, 8], list(results)


# ---- zeros, for who asks for them


def uninstall_gives_the_word_back() -> None:
    ffi_static.install(at_exit="zero")
    ffi_static.uninstall()
    call_when_gone(with_api("int(int)", abs), "t")


@case()
def another_word_is_refused() -> None:
    try:
        ffi_static.install(at_exit="eight")
    except ValueError as error:
        assert str(error) == "at_exit is 'stop' or 'zero', not 'eight'"
    else:
        raise SystemExit("taken")
    assert ffi_static.installed() == ()


# ---- the thread that ends Python, interpreters that end


def the_finalizing_thread_calls_when_the_object_has_gone(name: str) -> None:
    make = maker(name)

    class Late:
        me: Any

        def __init__(self) -> None:
            self.made, self.address = make("int(int)", lambda x: x + 1)

        def __del__(self, call: Any = caller.call, write: Any = os.write) -> None:
            write(1, b"%d\n" % call(self.address, 20))
            del self.made
            call(self.address, 20)
            write(1, b"not reached\n")

    late = Late()
    late.me = late
    keep(late)


def make_and_leave(pipe: int, error: int | None) -> None:
    """In an interpreter that will end: tell the address of a callback that lives on."""
    made = ffi_static.callback("int(int)", abs, error=error)
    leave(made)
    os.write(pipe, str(made.address).encode())


def of_an_ended_interpreter(error: int | None = None) -> int:
    """Give the address of a callback whose interpreter has ended."""
    sub, number = interpreter = fresh.new_interpreter()
    read, write = os.pipe()
    fresh.call_in(interpreter, make_and_leave, write, error)
    address = int(os.read(read, 100))
    sub.destroy(number)
    return address


def the_callback_of_an_ended_interpreter(where: str) -> None:
    address = of_an_ended_interpreter()
    if where == "here":
        caller.call(address, 1)
    else:
        caller.in_threads(address, 1, 1)


@case()
def the_callback_of_an_ended_interpreter_gives_its_error() -> None:
    assert caller.call(of_an_ended_interpreter(error=8), 1) == 8


def an_ended_interpreter_is_not_taken_for_the_end_of_python() -> None:
    of_an_ended_interpreter(error=8)
    mine = ffi_static.callback("int(int)", lambda x: x + 1)
    thread = threading.Thread(target=lambda: print(caller.call(mine.address, 1)))
    thread.start()
    thread.join()


# ---- a handler that writes no result


def a_result_that_is_not_written(name: str, in_a_thread: bool) -> None:
    c = ctypes
    make = maker(name)
    signatures: list[Any] = [
        c.CFUNCTYPE(c.c_void_p, c.c_void_p),
        c.CFUNCTYPE(c.c_double, c.c_double, c.c_float),
        c.CFUNCTYPE(c.c_int, c.c_int),
        c.CFUNCTYPE(c.c_char, c.c_int),
        c.CFUNCTYPE(c.c_short, c.c_int),
    ]
    if make is with_cffi:
        texts = "void *(void *)", "double(double, float)", "int(int)", "char(int)", "short(int)"
        signatures = list(texts)
    sys.unraisablehook = lambda _: None

    def fails(*_: Any) -> Any:
        raise ValueError

    def one(signature: Any) -> Made:
        if make is with_ctypes:
            made = signature(fails)
            return made, address_of(made)
        return make(signature, fails)  # type: ignore[no-any-return]

    callers = [caller.dirty_pointer, caller.dirty_double] + [caller.dirty_wide] * 3

    def check() -> None:
        made = [one(signature) for signature in signatures]
        print([call(address) or 0 for call, (_, address) in zip(callers, made)])

    if in_a_thread:
        work = threading.Thread(target=check)
        work.start()
        work.join()
    else:
        check()
