# SPDX-License-Identifier: MIT
"""test_like_ctypes - the same value through ctypes' own callback and through ours

One difference is on purpose: where ctypes leaves the result undefined after an exception (it is
whatever the stack held), ours is `error`.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import warnings
from ctypes import CFUNCTYPE, POINTER, PYFUNCTYPE, Structure
from typing import Any

import pytest

import ffi_static


class Point(Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))


class Longer(Point):
    _fields_ = (("z", ctypes.c_short * 3), ("p", Point))  # type: ignore[assignment]


class MyInt(ctypes.c_int):
    pass


class MyString(ctypes.c_char_p):
    pass


class MyObject(ctypes.py_object):
    pass


CALL = CFUNCTYPE(ctypes.c_int, ctypes.c_int)
NUMBER = ctypes.c_int(77)
BUFFER = ctypes.create_string_buffer(b"buffer")
TEXT = ctypes.create_unicode_buffer("wide")

INTEGERS = [
    getattr(ctypes, f"c_{sign}{name}")
    for sign in ("", "u")
    for name in ("byte", "short", "int", "long", "longlong", "int8", "int16", "int32", "int64")
] + [ctypes.c_size_t, ctypes.c_ssize_t]
VALUES: dict[Any, list[Any]] = {
    **{cls: [0, 1, -1, 127, 2**31 - 1, 2**63 - 1, 2**64 - 1] for cls in INTEGERS},
    ctypes.c_bool: [True, False, 2],
    ctypes.c_char: [b"x", b"\0", 200],
    ctypes.c_wchar: ["x", "\U00012345"],
    ctypes.c_float: [0.0, 1.5, 3],
    ctypes.c_double: [0.0, 0.1, 3],
    ctypes.c_longdouble: [0.0, 1.5],
    ctypes.c_void_p: [None, 0, 12345, 2**64 - 1],
    ctypes.c_char_p: [None, b"bytes"],
    ctypes.c_wchar_p: [None, "text"],
    ctypes.py_object: [object(), None, "text"],
    MyInt: [MyInt(5)],
    MyString: [MyString(b"mine")],
    MyObject: [MyObject([1])],
    POINTER(ctypes.c_int): [ctypes.pointer(NUMBER), None],
    Point: [Point(3, 4.5)],
    Longer: [Longer(1, 2.0, (3, 4, 5), Point(6, 7.0))],
    CALL: [CALL(abs)],
}


class Index:
    def __index__(self) -> int:
        return 2**40 + 41


class Floating:
    def __float__(self) -> float:
        return 2.5


ODD: list[Any] = [
    None, "text", "", "x", b"bytes", b"", b"y", bytearray(b"z"), 1.0, 1.5, -1, 2, 255, 256, 2**31,
    2**32 + 5, 2**63, 2**64 + 9, -(2**63), -(2**70), True, False, [], {}, object, NUMBER, BUFFER,
    TEXT, ctypes.byref(NUMBER), Point(1, 2), MyInt(4), Index(), Floating(), 1j,
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (ctypes._SimpleCData, Structure)):
        return type(value), bytes(value)
    if isinstance(value, ctypes._Pointer):
        return type(value), ctypes.cast(value, ctypes.c_void_p).value
    if isinstance(value, CALL):
        return type(value), bytes(value)
    return type(value), value if value == value else "nan"  # noqa: PLR0124


def name_of(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize("cls", list(VALUES), ids=name_of)
@pytest.mark.parametrize("make_type", [CFUNCTYPE, PYFUNCTYPE])
def test_argument(cls: Any, make_type: Any) -> None:
    functype = make_type(None, ctypes.c_int, cls, ctypes.c_double)
    for value in VALUES[cls]:
        seen: list[Any] = []

        def function(*given: Any) -> None:
            seen.append([plain(v) for v in given])  # noqa: B023

        ours = ffi_static.callback(functype, function)
        for pointer in (functype(function), ours.as_ctypes()):
            pointer(1, value, 2.5)
        assert seen[0] == seen[1]


def test_structure_argument_is_a_copy() -> None:
    functype = CFUNCTYPE(None, Point)
    kept: list[Point] = []
    ffi_static.callback(functype, kept.append).as_ctypes()(Point(1, 2.0))
    gc.collect()
    assert (kept[0].x, kept[0].y) == (1, 2.0)


def test_object_argument_null(unraisable: list[Any]) -> None:
    functype = CFUNCTYPE(ctypes.c_int, ctypes.py_object)
    raw = CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    callback = ffi_static.callback(functype, lambda _: 1, error=8)
    assert raw(callback.address)(None) == 8
    assert unraisable[0][2] is ValueError


def result_of(pointer: Any, seen: list[Any]) -> Any:
    seen.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = pointer()
    reported = [(msg, name_of(obj), kind, text) for msg, obj, kind, text in seen]
    return plain(result), reported, [str(w.message) for w in caught]


RESULTS = [c for c in VALUES if isinstance(c, type) and issubclass(c, ctypes._SimpleCData)]


@pytest.mark.parametrize("cls", [*RESULTS, None], ids=name_of)
def test_result(cls: Any, unraisable: list[Any]) -> None:
    functype = CFUNCTYPE(cls)
    # read back as bits: a failed conversion leaves garbage that ctypes may crash on
    reading = functype
    if cls in (ctypes.c_char_p, ctypes.c_wchar_p, MyString, MyObject, ctypes.py_object):
        reading = CFUNCTYPE(ctypes.c_void_p)
    elif cls is ctypes.c_wchar:
        reading = CFUNCTYPE(ctypes.c_uint32)
    for value in [*VALUES.get(cls, []), *ODD]:

        def function() -> Any:
            return value  # noqa: B023

        theirs_pointer = functype(function)
        theirs = result_of(ctypes.cast(theirs_pointer, reading), unraisable)
        callback = ffi_static.callback(functype, function)
        ours = result_of(reading(callback.address), unraisable)
        assert ours[1:] == theirs[1:], (cls, value)
        if theirs[1]:
            continue  # undefined in ctypes
        if theirs[2]:
            continue  # a leaked buffer, different each time
        assert ours[0] == theirs[0], (cls, value)


@pytest.mark.parametrize("cls", [POINTER(ctypes.c_int), CALL, ctypes.c_int * 3], ids=name_of)
def test_result_types_that_ctypes_refuses(cls: Any) -> None:
    functype = CFUNCTYPE(cls)
    with pytest.raises(TypeError, match="invalid result type for callback function"):
        functype(lambda: None)
    with pytest.raises(TypeError, match="invalid result type for callback function"):
        ffi_static.callback(functype, lambda: None)


def test_exception_report(unraisable: list[Any]) -> None:
    functype = CFUNCTYPE(ctypes.c_int, ctypes.c_int)

    def function(x: int) -> Any:
        return "bad" if x else 1 // x

    for pointer in (functype(function), ffi_static.callback(functype, function).as_ctypes()):
        pointer(0)
        pointer(1)
    assert unraisable[:2] == unraisable[2:]


def test_error_value(unraisable: list[Any]) -> None:
    functype = CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    pointer = ffi_static.callback(functype, lambda x: 1 // x, error=-5).as_ctypes()
    assert [pointer(0), pointer(1)] == [-5, 1]


def test_error_of_a_wrong_type_fails_at_once() -> None:
    with pytest.raises(TypeError):
        ffi_static.callback(CFUNCTYPE(ctypes.c_int), lambda: 1, error="x")


def test_object_as_error_value_keeps_its_references(unraisable: list[Any]) -> None:
    marker = object()

    def function() -> None:
        raise KeyError

    pointer = ffi_static.callback(CFUNCTYPE(ctypes.py_object), function, error=marker).as_ctypes()
    before = sys.getrefcount(marker)
    for _ in range(100):
        assert pointer() is marker
    unraisable.clear()
    assert sys.getrefcount(marker) == before


def test_onerror(unraisable: list[Any]) -> None:
    functype = CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    callback = ffi_static.callback(
        functype, lambda x: 1 // x, onerror=lambda kind, _v, _t: len(kind.__name__)
    )
    assert callback.as_ctypes()(0) == len("ZeroDivisionError")
    assert unraisable == []


def test_use_errno(caller: Any) -> None:
    for use in (True, False):
        kind = CFUNCTYPE(ctypes.c_int, ctypes.c_int, use_errno=use)
        answers = []
        for make in (kind, lambda f: ffi_static.callback(kind, f).as_ctypes()):  # noqa: B023
            seen = []

            def function(_: int) -> int:
                seen.append(ctypes.get_errno())  # noqa: B023
                ctypes.set_errno(31)
                return 0

            ctypes.set_errno(22)
            pointer = make(function)
            address = ctypes.cast(pointer, ctypes.c_void_p).value
            after = caller.call_errno(address, 11) if use else None
            if not use:
                caller.call_errno(address, 11)
            answers.append((seen, after, ctypes.get_errno()))
        assert answers[0] == answers[1]


def test_foreign_thread(caller: Any) -> None:
    callback = ffi_static.callback(CALL, lambda x: x)
    assert caller.in_threads(callback.address, 100, 4) == 4 * 4950


@pytest.mark.parametrize("cls", [Point, Longer], ids=name_of)
def test_structure_result_which_ctypes_refuses(cls: Any) -> None:
    functype = CFUNCTYPE(cls, cls)
    with pytest.raises(TypeError, match="invalid result type for callback function"):
        functype(lambda p: p)
    value = VALUES[cls][0]
    assert plain(ffi_static.callback(functype, lambda p: p).as_ctypes()(value)) == plain(value)


def test_array_argument_is_refused() -> None:
    with pytest.raises(ffi_static.SignatureError, match="POINTER"):
        ffi_static.callback(CFUNCTYPE(None, ctypes.c_int * 3), print)


def test_byte_swapped_types_are_refused() -> None:
    # ctypes crashes on a call that passes one
    swapped: Any = ctypes.c_int
    swapped = swapped.__ctype_be__ if sys.byteorder == "little" else swapped.__ctype_le__
    for functype in (CFUNCTYPE(None, swapped), CFUNCTYPE(swapped)):
        with pytest.raises(ffi_static.SignatureError, match="byte order"):
            ffi_static.callback(functype, print)


def test_structures_from_c(caller: Any) -> None:
    class Mixed(Structure):
        _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_char * 3), ("c", ctypes.c_double))

    class Large(Structure):
        _fields_ = (("v", ctypes.c_long * 8),)

    mixed = ffi_static.callback(
        CFUNCTYPE(ctypes.c_double, Mixed), lambda m: m.a + ord(m.b[2:]) + m.c
    )
    assert caller.take_mixed(mixed.address, 1, b"abc", 0.5) == 1 + ord("c") + 0.5
    large = ffi_static.callback(
        CFUNCTYPE(ctypes.c_long, Large, ctypes.c_int), lambda large, i: large.v[i]
    )
    assert caller.take_large(large.address, 100, 5) == 105


def test_not_a_function_type() -> None:
    wrong: tuple[Any, ...] = (ctypes.c_int, int, 5, CALL(abs), Point)
    for given in wrong:
        with pytest.raises(ffi_static.SignatureError):
            ffi_static.callback(given, abs)
