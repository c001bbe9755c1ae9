# SPDX-License-Identifier: MIT
"""test_like_cffi - the same value through cffi's own callback and through ours

Both are called through the same cffi function pointer type, so that what differs can only be the
callback. (cffi's own needs writable and executable memory; these tests do not run under MDWE.)
"""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
import weakref
from typing import Any

import cffi
import pytest

import ffi_static

ffi: Any = cffi.FFI()
ffi.cdef(
    """
    enum colour { RED, GREEN = 5 };
    enum negative { BELOW = -3, ABOVE };
    struct point { int x; double y; };
    struct small { char c; short s; };
    struct nested { struct point p[2]; struct small s; };
    struct large { long v[12]; };
    typedef int (*operation)(int);
    """
)
X86_32 = platform.machine() in {"x86_64", "i686"} and sys.maxsize < 1 << 32
OPERATION = ffi.callback("int(int)", lambda x: x)
POINT = ffi.new("struct point *", (3, 4.5))
BUFFER = ffi.new("int[4]", [1, 2, 3, 4])

INTEGERS = (
    "signed char", "short", "int", "long", "long long", "unsigned char", "unsigned short",
    "unsigned int", "unsigned long", "unsigned long long", "int8_t", "uint8_t", "int16_t",
    "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t", "size_t", "ssize_t", "intptr_t",
    "uintptr_t", "ptrdiff_t", "int_fast16_t", "uint_least32_t", "intmax_t", "uintmax_t",
)  # fmt: skip
VALUES: dict[str, list[Any]] = {
    **{name: [0, 1, 100] for name in INTEGERS},
    "_Bool": [0, 1, True],
    "char": [b"a", b"\0", b"\xff"],
    "wchar_t": ["a", "\u1234", "\U00012345"],
    "char16_t": ["a", "\u1234"],
    "char32_t": ["a", "\U00012345"],
    "float": [0.0, 1.5, -2.25, float("inf"), 7],
    "double": [0.0, 0.1, -1e300, 7],
    "long double": [0.0, 1.5],
    "void *": [ffi.NULL, BUFFER],
    "int *": [ffi.NULL, BUFFER],
    "char *": [ffi.NULL],
    "operation": [OPERATION, ffi.NULL],
    "enum colour": [0, 5],
    "enum negative": [-3, -2],
    "struct point": [POINT[0]],
    "struct small": [ffi.new("struct small *", (b"x", -7))[0]],
    "struct nested": [ffi.new("struct nested *", ([(1, 2.0), (3, 4.0)], (b"c", 5)))[0]],
    "struct large": [ffi.new("struct large *", ([*range(12)],))[0]],
}
for name in INTEGERS:
    size = 8 * ffi.sizeof(name)
    low = int(ffi.cast(name, -1)) < 0
    VALUES[name] += [-(2 ** (size - 1)), 2 ** (size - 1) - 1] if low else [2**size - 1]

# What a function may return that does not fit, or is of another type.
ODD: list[Any] = [
    None, "text", "", b"bytes", b"", 1.0, 1.5, -1, 2, 255, 256, 2**31, 2**32, 2**63, 2**64,
    -(2**63), -(2**63) - 1, True, False, [], {}, (), [1, 2.0], {"x": 9}, {"nothing": 1}, object,
    POINT, POINT[0], BUFFER, OPERATION, ffi.NULL, ffi.cast("int", 5), ffi.cast("double", 2.5),
    ffi.cast("char", 65), ffi.cast("long double", 2.5), ffi.cast("enum colour", 5),
]  # fmt: skip


class Index:
    def __index__(self) -> int:
        return 41


class Floating:
    def __float__(self) -> float:
        return 2.5


ODD += [Index(), Floating()]


def plain(value: Any) -> Any:
    """Give `value` in a form that can be compared: cdata by type and contents."""
    if not isinstance(value, ffi.CData):
        return type(value), value if value == value else "nan"  # noqa: PLR0124
    kind = ffi.typeof(value)
    if kind.kind == "struct":
        return kind, [plain(getattr(value, name)) for name, _ in kind.fields]
    if kind.kind == "array":
        return kind, [plain(item) for item in value]
    if kind.kind == "primitive":
        return kind, float(value)
    return kind, int(ffi.cast("uintptr_t", value))


@pytest.mark.parametrize("ctype", list(VALUES))
def test_argument(ctype: str) -> None:
    declaration = ffi.getctype(ctype, "(*)(int, X)").replace("(*)(int, X)", "")
    declaration = f"void(int, {declaration}, double)"
    for value in VALUES[ctype]:
        seen: list[Any] = []

        def function(*given: Any) -> None:
            seen.append([plain(v) for v in given])  # noqa: B023

        theirs = ffi.callback(declaration, function)
        ours = ffi_static.callback(declaration, function, ffi=ffi).cdata
        assert ffi.typeof(theirs) is ffi.typeof(ours)
        for pointer in (theirs, ours):
            pointer(1, value, 2.5)
        assert seen[0] == seen[1]


def is_partial(ctype: str, value: Any) -> bool:
    """Tell whether `value` leaves members of a struct out: cffi leaves them undefined."""
    return ctype.startswith("struct") and isinstance(value, (dict, list, tuple)) and len(value) < 2


def outcome(make: Any, value: Any, seen: list[Any]) -> Any:
    seen.clear()
    pointer = make(lambda: value)
    result = plain(pointer())
    return result, [(kind, text, "trying to convert" in msg) for msg, _, kind, text in seen]


@pytest.mark.parametrize("ctype", [*VALUES, "void"])
def test_result(ctype: str, unraisable: list[Any]) -> None:
    declaration = f"{ctype}(void)"
    for value in [*VALUES.get(ctype, []), *ODD]:
        theirs = outcome(lambda f: ffi.callback(declaration, f), value, unraisable)
        ours = outcome(
            lambda f: ffi_static.callback(declaration, f, ffi=ffi).cdata, value, unraisable
        )
        if is_partial(ctype, value):
            assert ours[1] == theirs[1]
            continue
        assert ours == theirs, (ctype, value)


@pytest.mark.parametrize("ctype", list(VALUES))
def test_error_argument(ctype: str, unraisable: list[Any]) -> None:
    def function() -> None:
        raise KeyError("x")

    declaration = f"{ctype}(void)"
    for value in [*VALUES[ctype], *ODD]:
        answers = []
        makers: tuple[Any, ...] = (
            lambda v: ffi.callback(declaration, function, v),
            lambda v: ffi_static.callback(declaration, function, error=v, ffi=ffi).cdata,
        )
        for make in makers:
            try:
                pointer = make(value)
            except Exception as error:  # compared below
                # ours says first which argument it was
                text = re.sub(r"^error=.* is no result of '.*?': ", "", str(error), flags=re.DOTALL)
                answers.append((type(error), text))
            else:
                answers.append(plain(pointer()))
        if is_partial(ctype, value):
            continue
        assert answers[0] == answers[1], (ctype, value)


@pytest.mark.parametrize("size", ["int8_t", "uint8_t", "int16_t", "uint16_t", "int", "unsigned"])
@pytest.mark.parametrize("value", [-1, 1, -128, 127, 255, 65535, -32768])
def test_small_results_fill_the_register(size: str, value: int, caller: Any) -> None:
    pointers = [
        ffi.callback(f"{size}(void)", lambda: value, error=3),
        ffi_static.callback(f"{size}(void)", lambda: value, error=3).cdata,
    ]
    answers = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        for pointer in pointers:
            wide = caller.call_wide(int(ffi.cast("uintptr_t", pointer)))
            answers.append(int(ffi.cast(size, wide)))
    finally:
        sys.unraisablehook = hook
    assert answers[0] == answers[1]


def test_bool_argument_out_of_range(unraisable: list[Any]) -> None:
    as_char = ffi.typeof("int(*)(unsigned char)")
    for make in (ffi.callback, lambda d, f: ffi_static.callback(d, f).cdata):
        pointer = make("int(_Bool)", lambda _: 1)
        assert ffi.cast(as_char, pointer)(2) == 0
    (_, _, kind, text), (_, _, our_kind, our_text) = unraisable
    assert (kind, text) == (our_kind, our_text) == (ValueError, text)


def test_errno_is_seen_set_and_kept(caller: Any) -> None:
    for make in (ffi.callback, lambda d, f: ffi_static.callback(d, f).cdata):
        seen = []

        def look(_: int) -> int:
            seen.append(ffi.errno)  # noqa: B023
            return 0

        def change(_: int) -> int:
            ffi.errno = 13
            return 0

        address = make("int(int)", look)
        assert caller.call_errno(int(ffi.cast("uintptr_t", address)), 7) == 7
        assert seen == [7]
        address = make("int(int)", change)
        assert caller.call_errno(int(ffi.cast("uintptr_t", address)), 7) == 13


def test_errno_in_a_foreign_thread(caller: Any) -> None:
    seen = []

    def look(x: int) -> int:
        seen.append(ffi.errno)
        ffi.errno = 100 + x
        return 0

    callback = ffi_static.callback("int(int)", look)
    assert caller.in_threads(callback.address, 3, 1) == 0
    assert seen[1:] == [100, 101]


def test_struct_result_from_partial_initializer_is_zero_elsewhere() -> None:
    pointer = ffi_static.callback("struct point(void)", lambda: {"x": 3}, ffi=ffi).cdata
    for _ in range(3):
        result = pointer()
        assert (result.x, result.y) == (3, 0.0)


@pytest.mark.parametrize("ctype", ["float _Complex", "double _Complex"])
def test_complex_which_cffi_cannot_do(ctype: str) -> None:
    seen = []

    def function(value: complex) -> complex:
        seen.append(value)
        return value * 2j

    callback = ffi_static.callback(f"{ctype}({ctype})", function)
    # through a struct of two numbers, which the psABI passes in the same registers
    part = ctype.split()[0]
    other: Any = cffi.FFI()
    other.cdef(f"struct pair {{ {part} re, im; }};")
    # i386 returns a struct in memory and a float _Complex as a long long.
    in_two = X86_32 and part == "float"
    pair = other.cast(
        f"{'long long' if in_two else 'struct pair'}(*)(struct pair)", callback.address
    )
    result = pair(other.new("struct pair *", (1.5, -2.0))[0])
    if in_two:
        whole = other.new("long long *", result)
        result = other.cast("struct pair *", whole)[0]
    assert seen == [1.5 - 2j]
    assert (result.re, result.im) == (4.0, 3.0)


def test_onerror_like_cffi(unraisable: list[Any]) -> None:
    calls: list[Any] = []

    def function(x: int) -> Any:
        if x == 0:
            raise KeyError("k")
        return "bad"

    def onerror(kind: Any, value: Any, traceback: Any) -> Any:
        calls.append((kind, str(value), traceback is None))
        return reply

    for reply in (None, 99, "bad", 2**40):
        answers = []
        makers: tuple[Any, ...] = (
            lambda: ffi.callback("int(int)", function, error=5, onerror=onerror),
            lambda: ffi_static.callback("int(int)", function, error=5, onerror=onerror).cdata,
        )
        for make in makers:
            calls.clear()
            unraisable.clear()
            pointer = make()
            answers.append(
                ([pointer(0), pointer(1)], list(calls), [(k, t) for _, _, k, t in unraisable])
            )
        assert answers[0] == answers[1], reply


def test_exception_in_onerror_reports_both(unraisable: list[Any]) -> None:
    def onerror(*_: object) -> None:
        raise IndexError("second")

    def function(x: int) -> int:
        raise KeyError("first")

    pointer = ffi_static.callback("int(int)", function, error=5, onerror=onerror).cdata
    assert pointer(1) == 5
    assert [kind for _, _, kind, _ in unraisable] == [KeyError, IndexError]
    assert unraisable[1][0].endswith("during handling of the above exception by 'onerror'")


def test_unraisable_message_names_the_function(unraisable: list[Any]) -> None:
    def function(x: int) -> Any:
        return "bad" if x else 1 // x

    pointer = ffi_static.callback("int(int)", function).cdata
    pointer(0)
    pointer(1)
    expected = f"Exception ignored from ffi_static callback {function!r}"
    assert [(m, o) for m, o, _, _ in unraisable] == [
        (expected, None),
        (expected + ", trying to convert the result back to C", None),
    ]


def test_function_without_a_repr(unraisable: list[Any]) -> None:
    class Odd:
        def __call__(self, x: int) -> int:
            raise KeyError("call")

        def __repr__(self) -> str:
            raise RuntimeError("repr")

    assert ffi_static.callback("int(int)", Odd(), error=4).cdata(1) == 4
    assert [kind for _, _, kind, _ in unraisable] == [KeyError]


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_even_system_exceptions_do_not_reach_c(kind: str, unraisable: list[Any]) -> None:
    def function(x: int) -> int:
        raise getattr(__builtins__, kind, None) or eval(kind)

    assert ffi_static.callback("int(int)", function, error=4).cdata(1) == 4
    assert unraisable[0][2].__name__ == kind


POINTER = "void(int *, int)"


def kept_in_a_list(pointer: Any, kept: list[Any]) -> None:
    kept.append(pointer)


def kept_weakly(pointer: Any, kept: list[Any]) -> None:
    kept.append(weakref.ref(pointer))


def kept_by_a_view(pointer: Any, kept: list[Any]) -> None:
    kept.append(ffi.buffer(pointer, 4))


def kept_by_an_exception(pointer: Any, kept: list[Any]) -> None:
    kept.append(KeyError(pointer))


def kept_by_a_generator(pointer: Any, kept: list[Any]) -> None:
    def later() -> Any:
        yield pointer[0]

    kept.append(later())


KEEPERS = (kept_in_a_list, kept_weakly, kept_by_a_view, kept_by_an_exception, kept_by_a_generator)


def what_is_kept(made: Any) -> Any:
    if isinstance(made, weakref.ref):
        return made()
    if isinstance(made, KeyError):
        return plain(made.args[0])
    return plain(made) if isinstance(made, ffi.CData) else list(made)


@pytest.mark.parametrize("keep", KEEPERS)
def test_a_pointer_that_is_kept_stays_as_it_is(keep: Any) -> None:
    answers = []
    for make in (ffi.callback, lambda d, f: ffi_static.callback(d, f).cdata):
        kept: list[Any] = []

        def function(pointer: Any, depth: int) -> None:
            if depth:
                made(BUFFER + depth, depth - 1)  # noqa: B023
            if depth % 2 == 0:
                keep(pointer, kept)  # noqa: B023
            assert pointer == BUFFER + depth + 1

        made: Any = make(POINTER, function)
        for i in (2, 0, 1):
            made(BUFFER + 1 + i, i)
        answers.append([what_is_kept(each) for each in kept])
    assert answers[0] == answers[1]


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="a cdata is made for each call there"
)
def test_a_pointer_that_nobody_keeps_serves_the_next_call() -> None:
    seen = []
    made = ffi_static.callback(POINTER, lambda pointer, _: seen.append(id(pointer))).cdata
    made(BUFFER, 0)
    others = [ffi.cast("int *", i) for i in range(1000)]  # one of them would get its memory
    made(BUFFER + 1, 0)
    assert seen[0] == seen[1]
    assert seen[0] not in map(id, others)


@pytest.mark.parametrize(
    "pointed", [c for c in VALUES if not c.startswith(("struct", "void", "operation"))]
)
def test_argument_by_value_is_the_first_item(pointed: str) -> None:
    for value in VALUES[pointed]:
        pointer = ffi.new(f"{pointed}[1]", [value])
        seen: list[Any] = []

        def function(first: Any, second: Any) -> None:
            seen.append((plain(first), plain(second)))  # noqa: B023

        declaration = f"void({ffi.getctype(pointed, '*')}, {ffi.getctype(pointed, '*')})"
        made = ffi_static.callback(declaration, function, ffi=ffi, by_value=(1,))
        made.cdata(pointer, pointer)
        assert seen == [(plain(ffi.cast(f"{pointed} *", pointer)), plain(pointer[0]))]


def test_null_by_value_is_reported_as_cffi_does(unraisable: list[Any]) -> None:
    made = ffi_static.callback("int(int *, char *)", lambda *_: 1, error=-3, by_value=(0, 1))
    for arguments, pointer in (((ffi.NULL, b"x"), "int *"), ((BUFFER, ffi.NULL), "char *")):
        assert made.cdata(*arguments) == -3
        with pytest.raises(RuntimeError) as caught:
            ffi.cast(pointer, 0)[0]
        _, _, kind, text = unraisable.pop()
        assert (kind, text) == (RuntimeError, str(caught.value))
