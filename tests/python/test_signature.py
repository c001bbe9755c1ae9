# SPDX-License-Identifier: MIT
"""test_signature - what is a signature, what is not, and what is said then"""

from __future__ import annotations

import ctypes
import functools
import re
import sys
import types
from ctypes import c_long
from typing import Any

import cffi
import pytest

import ffi_static
from ffi_static import _lib
from ffi_static._callback import signature_of
from ffi_static._callback.from_text import _prepared


@pytest.mark.parametrize(
    ("declaration", "text"),
    [
        ("int(int)", "int(int)"),
        ("int(*)(int)", "int(int)"),
        ("int (*)( int , double )", "int(int, double)"),
        ("int(int a, double b)", "int(int, double)"),
        ("int compare(const void *a, const void *b);", "int(void *, void *)"),
        ("unsigned f(char *restrict text)", "unsigned int(char *)"),
        ("void(void)", "void()"),
        ("void()", "void()"),
        ("size_t(ssize_t, uint8_t, int64_t)", "size_t(ssize_t, uint8_t, int64_t)"),
        ("bool(bool)", "_Bool(_Bool)"),
        ("void(int[10])", "void(int *)"),
        ("void(int (*)(double))", "void(int(*)(double))"),
        ("void (*(*)(int))(double)", "void(*(int))(double)"),
        ("FILE *(const char *)", "FILE *(char *)"),
        ("long double(float, double)", "long double(float, double)"),
        ("  int(\n  int )  ", "int(int)"),
    ],
)  # fmt: skip
def test_declaration(declaration: str, text: str) -> None:
    assert signature_of(declaration).text == text


@pytest.mark.parametrize(
    "declaration",
    ["", "   ", "int", "int(", "int)", "int((int)", "nonsense(int)", "int(nonsense)", "42",
     "int(int;", "int(int) int(int)", "struct unknown(int)", "int(void, int)", "\0",
     "int(\u00e9)", "(" * 2000, "int(" * 500 + ")" * 500],
)  # fmt: skip
def test_declaration_that_does_not_parse(declaration: str) -> None:
    with pytest.raises(ffi_static.SignatureError) as caught:
        ffi_static.callback(declaration, abs)
    assert repr(declaration)[:20] in str(caught.value)
    assert issubclass(caught.type, TypeError)
    assert issubclass(caught.type, ValueError)


def test_declaration_error_says_how_to_bring_types() -> None:
    with pytest.raises(ffi_static.SignatureError, match="ffi="):
        ffi_static.callback("mine *(int)", abs)


def steps(work: Any) -> int:
    """Count the lines of Python that `work` runs."""
    count = 0

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "declaration",
    ["int(const {}int)", "{}int f(int)", "int({}char)", "int(int {})"],
)
@pytest.mark.parametrize("word", ["const ", "volatile ", "* "])
def test_twice_the_words_are_twice_the_work(declaration: str, word: str) -> None:
    once, twice = (
        steps(lambda: _prepared(declaration.format(word * n)))  # noqa: B023
        for n in (500, 1000)
    )
    assert 500 < once < twice < 2.5 * once


@pytest.mark.parametrize(
    "declaration",
    ["int(" + "long " * 5000 + ")", "int(int" + "[2]" * 5000 + ")", "unsigned " * 5000 + "f(int)",
     "int(" * 5000 + ")" * 5000, "long const " * 5000 + "f(int)"],
)  # fmt: skip
def test_declaration_without_end_is_refused_before_it_is_parsed(declaration: str) -> None:
    assert (
        steps(lambda: pytest.raises(ffi_static.SignatureError, signature_of, declaration)) < 20000
    )
    with pytest.raises(ffi_static.SignatureError, match="a declaration may have") as caught:
        signature_of(declaration)
    assert len(str(caught.value)) < 300


def test_long_declarations_that_c_has() -> None:
    text = signature_of("unsigned long long int(long long unsigned int const)").text
    assert text == "unsigned long long(unsigned long long)"
    assert len(signature_of(f"int({', '.join(['int[2][2]'] * 1000)})").items) == 1001


@pytest.mark.parametrize("declaration", ["int(int, ...)", "void(*)(char *, ...)"])
def test_variadic(declaration: str) -> None:
    with pytest.raises(NotImplementedError, match="variadic"):
        ffi_static.callback(declaration, abs)


def test_variadic_function_pointer_as_argument_is_fine() -> None:
    assert ffi_static.callback("int(int (*)(char *, ...))", print).cdata


def test_function_type_with_complex_is_not_taken_for_variadic() -> None:
    assert ffi_static.callback("double _Complex(int (*)(char *, ...))", print).cdata


@pytest.mark.parametrize(
    ("declaration", "hint"),
    [
        ("double(double complex)", "write 'double _Complex'"),
        ("double complex(int)", "write 'double _Complex'"),
        ("double complex f(int x)", "write 'double _Complex'"),
        ("float(const float volatile complex z)", "write 'float _Complex'"),
        ("complex double(int)", "write 'double _Complex'"),
        ("int(complex float *)", "write 'float _Complex'"),
        ("int(double  complex *)", "write 'double _Complex'"),
        ("long double _Complex(int)", "'float _Complex' and 'double _Complex'"),
        ("int(long double _Complex)", "'float _Complex' and 'double _Complex'"),
        ("int(double long _Complex)", "'float _Complex' and 'double _Complex'"),
        ("int _Complex(int)", "'float _Complex' and 'double _Complex'"),
        ("_Complex double(int)", "in this order"),
        ("int(unsigned __int128)", "'__int128' is not supported"),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_type_word_that_cffi_would_take_for_a_name(declaration: str, hint: str, own: bool) -> None:
    with pytest.raises(ffi_static.SignatureError) as caught:
        ffi_static.callback(declaration, abs, ffi=cffi.FFI() if own else None)
    assert hint in str(caught.value)
    assert repr(declaration) in str(caught.value)


@pytest.mark.parametrize(
    ("declaration", "text"),
    [
        ("int(double *complex)", "int(double *)"),
        ("int complex(char c)", "int(char)"),
        ("int(double a, int complex)", "int(double, int)"),
        ("int(double complexity)", "int(double)"),
    ],
)
def test_complex_may_be_a_name_where_it_cannot_be_a_type(declaration: str, text: str) -> None:
    assert signature_of(declaration).text == text


def test_type_called_complex() -> None:
    ffi = cffi.FFI()
    ffi.cdef("typedef struct { double re, im; } complex;")
    assert signature_of("double(complex, complex *)", ffi).text == "double(complex, complex *)"


def test_complex_in_c99s_own_words() -> None:
    text = signature_of("double _Complex(const float _Complex)").text
    assert "double" in text.partition("(")[0]
    assert text.lower().count("complex") == 2


@pytest.fixture
def ffi() -> cffi.FFI:
    ffi = cffi.FFI()
    ffi.cdef(
        """
        struct opaque;
        struct point { int x; double y; };
        struct holder { struct point p[3]; char name[5]; };
        struct bits { int a : 3; int b; };
        union either { int i; float f; };
        struct with_union { union either e; };
        struct empty { };
        typedef int (*operation)(struct point, struct holder *);
        typedef int plain(struct point);
        """
    )
    ffi.cdef("struct packed { char a; double b; };", packed=True)
    ffi.cdef("struct packed_large { char a; double b; long c[3]; };", packed=True)
    return ffi


def test_types_of_an_ffi(ffi: cffi.FFI) -> None:
    signature = signature_of("struct point(struct holder, operation)", ffi)
    assert signature.text.startswith("struct point(struct holder, int(*)(struct point, ")


def test_typedef_of_a_function_pointer(ffi: cffi.FFI) -> None:
    assert signature_of("operation", ffi).text == "int(struct point, struct holder *)"


def test_cffi_ctype(ffi: cffi.FFI) -> None:
    ctype = ffi.typeof("operation")
    assert signature_of(ctype) is signature_of("operation", ffi)


def test_same_signature_is_parsed_once() -> None:
    first = signature_of("int(int)")
    assert signature_of("int(int)") is first
    assert signature_of("int(int)") is signature_of("int(*)(int)")
    kind = ctypes.CFUNCTYPE(ctypes.c_int)
    assert signature_of(kind) is signature_of(kind)


def test_struct_in_an_array_in_a_struct(ffi: cffi.FFI) -> None:
    seen = []

    def function(given: Any) -> int:
        seen.append([(p.x, p.y) for p in given.p] + [ffi.string(given.name)])
        return 1

    callback = ffi_static.callback("int(struct holder)", function, ffi=ffi)
    value = ffi.new("struct holder *", ([(1, 2.0), (3, 4.0), (5, 6.0)], b"name"))
    assert callback.cdata(value[0]) == 1
    assert seen == [[(1, 2.0), (3, 4.0), (5, 6.0), b"name"]]


def test_large_packed_struct_goes_by_memory(ffi: cffi.FFI) -> None:
    described = signature_of("long(struct packed_large *)", ffi)
    assert described.text == "long(struct packed_large *)"
    signature_of("long(struct packed_large)", ffi)


@pytest.mark.parametrize(
    ("declaration", "error"),
    [
        ("int(struct opaque)", ffi_static.SignatureError),
        ("struct opaque(int)", ffi_static.SignatureError),
        ("int(struct bits)", NotImplementedError),
        ("struct bits(int)", NotImplementedError),
        ("int(union either)", NotImplementedError),
        ("int(struct with_union)", NotImplementedError),
        ("int(struct packed)", NotImplementedError),
        ("int(struct empty)", ffi_static.SignatureError),
        ("struct point", ffi_static.SignatureError),
    ],
)
def test_types_that_cannot_be_passed(ffi: cffi.FFI, declaration: str, error: Any) -> None:
    with pytest.raises(error) as caught:
        ffi_static.callback(declaration, abs, ffi=ffi)
    assert declaration.split("(")[0].split()[-1] in str(caught.value)


def test_cffi_ctype_that_is_no_function(ffi: cffi.FFI) -> None:
    for name in ("int", "struct point", "int *"):
        with pytest.raises(ffi_static.SignatureError, match="function type"):
            ffi_static.callback(ffi.typeof(name), abs)


@pytest.mark.parametrize("given", [None, 5, b"int(int)", abs, object(), [], int])
def test_what_is_no_signature(given: Any) -> None:
    with pytest.raises(ffi_static.SignatureError, match="signature"):
        ffi_static.callback(given, abs)


def test_opaque_struct_completed_later(ffi: cffi.FFI) -> None:
    with pytest.raises(ffi_static.SignatureError):
        ffi_static.callback("int(struct opaque)", abs, ffi=ffi)
    ffi.cdef("struct opaque { int x; };")
    callback = ffi_static.callback("int(struct opaque)", lambda o: o.x + 1, ffi=ffi)
    assert callback.cdata(ffi.new("struct opaque *", (4,))[0]) == 5


@pytest.mark.parametrize(
    ("declaration", "word"),
    [
        ("int(foo)", "'foo'"),
        ("int(const foo *x, int)", "'foo'"),
        ("bar_t *(int)", "'bar_t'"),
        ("int(int, struct nowhere)", "'struct nowhere'"),
        ("foo(bar)", "'foo' and 'bar'"),
        ("int(va_list)", "'va_list'"),
    ],
)
def test_unknown_type_is_named(declaration: str, word: str) -> None:
    with pytest.raises(ffi_static.SignatureError) as error:
        ffi_static.callback(declaration, lambda *_: 0)
    assert f": {word}: no such type is known; give types of your own with ffi=" in str(error.value)


def test_integer_types_of_posix_are_known() -> None:
    """The names, and that each is as large as this machine's C compiler has it."""
    sizes = {"pid_t": 4, "uid_t": 4, "socklen_t": 4, "mode_t": 4, "off_t": ctypes.sizeof(c_long)}
    sizes.update({"time_t": ctypes.sizeof(c_long), "u_char": 1, "in_port_t": 2, "nfds_t": 8})
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        pytest.skip("the sizes are those of 64-bit Linux")
    for name, size in sizes.items():
        made = ffi_static.callback(f"{name}(int, {name} *)", lambda _, p: p[0])
        assert _lib.ffi.sizeof(made.signature.ctype.result) == size, name
    with ffi_static.callback("pid_t(off_t, time_t)", lambda a, b: b - a) as made:
        call = ctypes.CFUNCTYPE(ctypes.c_int, c_long, c_long)
        assert made.as_ctypes(call)(1 << 40, (1 << 40) + 7) == 7


@pytest.mark.parametrize("signature", ["int(int)", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)])
def test_error_that_is_no_result_is_named(signature: Any) -> None:
    # ctypes calls an int c_long where that is as large.
    said = r"^error='no' is no result of '(int|c_int|c_long)\((int|c_int|c_long)\)': "
    with pytest.raises(TypeError, match=said):
        ffi_static.callback(signature, abs, error="no")


def test_error_that_is_too_large_is_named() -> None:
    with pytest.raises(OverflowError, match=r"^error=300 is no result of 'unsigned char\(int\)': "):
        ffi_static.callback("unsigned char(int)", abs, error=300)


class Methods:
    def one(self, x: int) -> int:
        return x

    @staticmethod
    def none() -> int:
        return 0

    @classmethod
    def two(cls, x: int, y: int) -> int:
        return x + y


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (lambda: 0, "takes 0"),
        (lambda a, b: 0, "takes 2"),
        (lambda a, b, c=1: 0, "takes at least 2"),
        (lambda a, b, *c: 0, "takes at least 2"),
        (Methods.none, "takes 0"),
        (Methods().two, "takes 2"),
        (Methods.one, "takes 2"),
        (Methods().one, None),
        (lambda *a: 0, None),
        (lambda a, b=1: 0, None),
        (lambda a, *, k=1: 0, None),
        (lambda a, *, k: 0, "needs 1 keyword argument"),
        (Methods, None),  # whatever a class, a C function or a partial takes is not looked at
        (pow, None),
        (functools.partial(lambda a, b: 0, 1), None),
    ],
)
def test_wrong_number_of_arguments_is_told_when_the_callback_is_made(
    function: Any, takes: str | None
) -> None:
    if takes is None:
        ffi_static.callback("int(int)", function)
        return
    with pytest.raises(TypeError) as error:
        ffi_static.callback("int(int)", function)
    assert takes in str(error.value)
    if "keyword" not in takes:
        assert str(error.value).startswith("'int(int)' passes 1 argument, but <")


def test_method_whose_function_takes_nothing_is_named() -> None:
    bound = types.MethodType(lambda: 0, 1)
    with pytest.raises(TypeError, match=r"^<bound method .* passes itself, but .* no argument"):
        ffi_static.callback("int(int)", bound)
    ffi_static.callback("int(int)", types.MethodType(lambda *a: 0, 1))


def test_function_with_defaults_takes_at_most() -> None:
    with pytest.raises(TypeError, match=r"passes 3 arguments, but .* takes at most 2"):
        ffi_static.callback("int(int, int, int)", lambda a, b=1: 0)


@pytest.mark.parametrize(
    ("declaration", "which", "got"),
    [
        ("int(const int *a, char *b, int *c)", True, (5, "char *", 7)),
        ("int(const int *a, char *b, int *c)", [2], ("int *", "char *", 7)),
        ("int(const int *a, char *b, int *c)", range(2), (5, b"x", "int *")),
        ("int(const int *a, char *b, int *c)", (), ("int *", "char *", "int *")),
    ],
)
def test_by_value_names_arguments(declaration: str, which: Any, got: Any) -> None:
    ffi = _lib.ffi
    seen: list[Any] = []

    def function(*args: Any) -> int:
        seen.extend(ffi.typeof(a).cname if isinstance(a, ffi.CData) else a for a in args)
        return 0

    made = ffi_static.callback(declaration, by_value=which)(function)
    made.cdata(ffi.new("int *", 5), ffi.new("char *", b"x"), ffi.new("int *", 7))
    assert tuple(seen) == got


@pytest.mark.parametrize(
    ("signature", "which", "said"),
    [
        ("int(int *)", (1,), "names argument 1"),
        ("int(int *)", (-1,), "names argument -1"),
        ("int(int)", (0,), "'int' points at no number"),
        ("int(void *)", (0,), "'void *' points at no number"),
        ("int(char *, void *)", True, "no argument points at a number"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p), True, "not for ctypes'"),
        ("int(int *)", 1, "by_value= is True or the numbers of arguments"),
        ("int(int *)", "0", "by_value= is True or the numbers of arguments"),
        ("int(int *)", (ctypes.c_int,), "by_value= is True or the numbers of arguments"),
        ("int(int *)", [[0]], "by_value= is True or the numbers of arguments"),
    ],
)
def test_by_value_of_what_has_none(signature: Any, which: Any, said: str) -> None:
    with pytest.raises(ffi_static.SignatureError, match=re.escape(said)):
        ffi_static.callback(signature, by_value=which)
