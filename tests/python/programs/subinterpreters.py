# SPDX-License-Identifier: MIT
"""subinterpreters - callbacks of several interpreters in one process"""

from __future__ import annotations

import ctypes
from typing import Any

import ffi_static
from tests.python.programs import fresh
from tests.python.programs.caller import caller, holder
from tests.support.programs import case

marker = "of the main interpreter"
made: list[ffi_static.Callback] = []


def inside() -> None:
    """Make a callback of this interpreter, and have C call it."""
    global marker  # noqa: PLW0603 - each interpreter has this module, and a marker, of its own
    cb = ffi_static.callback("int(int)", lambda x: x + len(marker))
    marker = "sub"
    made.append(cb)
    assert caller.call(cb.address, 1) == 4
    assert holder.call(cb.address, 1) == 4
    assert caller.in_threads(cb.address, 10, 2) == 45 * 2 + 60


def call_inside(address: int, answer: int) -> None:
    assert caller.call(address, 1) == answer
    assert holder.call(address, 1) == answer


def close_inside() -> None:
    made.pop().close()


@case()
def subinterpreter_runs_its_own_callbacks() -> None:
    sub, number = interpreter = fresh.new_interpreter()
    fresh.call_in(interpreter, inside)
    mine = ffi_static.callback("int(int)", lambda x: x + len(marker))
    answer = 1 + len("of the main interpreter")
    assert caller.call(mine.address, 1) == answer
    fresh.call_in(interpreter, call_inside, mine.address, answer)
    fresh.call_in(interpreter, close_inside)
    sub.destroy(number)
    assert caller.call(mine.address, 1) == answer


@case()
def ended_subinterpreter_leaves_the_others_working() -> None:
    sub, number = interpreter = fresh.new_interpreter()
    cb = ffi_static.callback("int(int)", lambda x: x)
    thread = caller.start(cb.address)
    fresh.call_in(interpreter, inside)
    assert caller.step(thread) == 1
    sub.destroy(number)
    assert caller.step(thread) == 1
    caller.stop(thread)
    sub, number = interpreter = fresh.new_interpreter()
    fresh.call_in(interpreter, inside)
    sub.destroy(number)


def with_ctypes_types() -> None:
    class Box(ctypes.Structure):
        _fields_ = (("x", ctypes.c_int),)

    kind = ctypes.CFUNCTYPE(ctypes.c_bool, Box, ctypes.c_wchar, use_errno=True)

    def is_right(box: Any, char: str) -> bool:
        return bool(box.x == 5 and char == "c")

    cb = ffi_static.callback(kind, is_right)
    assert cb.as_ctypes()(Box(5), "c") is True
    cb.close()


@case()
def ctypes_types_in_a_subinterpreter() -> None:
    sub, number = interpreter = fresh.new_interpreter()
    with_ctypes_types()
    fresh.call_in(interpreter, with_ctypes_types)
    sub.destroy(number)
    with_ctypes_types()


@case()
def interpreter_with_its_own_gil_is_refused_clearly() -> None:
    fresh.call_in(fresh.new_interpreter_with_its_own_gil(), fresh.import_is_refused)
