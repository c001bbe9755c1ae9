# SPDX-License-Identifier: MIT
"""test_signature_cache - a signature is parsed once, found in C, and dies with its type"""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from typing import Any

import cffi
import pytest

import ffi_static
from ffi_static import _lib
from ffi_static._callback import signature_of
from ffi_static._callback.shape import ATTRIBUTE


def test_callback_of_a_known_signature_runs_no_python_but_callback_itself() -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_short, ctypes.c_double)
    ctype = cffi.FFI().typeof("short(*)(double)")
    for signature in (kind, "short(double)", ctype):
        ffi_static.callback(signature, abs)
        calls = []

        def profile(frame: Any, event: str, _argument: Any) -> None:
            if event == "call":
                calls.append(frame.f_code.co_name)  # noqa: B023

        sys.setprofile(profile)
        try:
            ffi_static.callback(signature, abs)
        finally:
            sys.setprofile(None)
        assert calls == ["callback"]


def test_declaration_of_an_ffi_is_parsed_once_for_each() -> None:
    class Counting(cffi.FFI):
        asked = 0

        def typeof(self, cdecl: Any) -> Any:
            self.asked += 1
            return super().typeof(cdecl)

    one, other = Counting(), Counting()
    one.cdef("typedef int number;")
    other.cdef("typedef double number;")
    signatures = {signature_of("number(number)", ffi).text for ffi in (one, other) * 3}
    assert signatures == {"int(int)", "double(double)"}
    asked = one.asked
    ffi_static.callback("number(number)", abs, ffi=one)
    assert one.asked == asked > 0
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def test_more_declarations_than_are_kept() -> None:
    for k in range(3000):
        assert ffi_static.callback(f"int(int a{k})", abs).signature.text == "int(int)"


def functype(restype: Any, *arguments: Any) -> Any:
    """Make a function type that ctypes does not keep for ever, as CFUNCTYPE() does."""
    base: Any = ctypes.CFUNCTYPE(None).__mro__[1]
    space = {"_flags_": 1, "_restype_": restype, "_argtypes_": arguments}
    return type("F", (base,), space)


def types_die() -> bool:
    """Tell whether types are freed; CPython 3.13t keeps all, once a second thread has run."""
    gone = weakref.ref(type("T", (), {}))
    gc.collect()
    return gone() is None


def test_signature_dies_with_its_type() -> None:
    if not types_die():
        pytest.skip("no type is freed here")
    kind = functype(ctypes.c_int, ctypes.c_int)
    callback = ffi_static.callback(kind, print)
    assert vars(kind)[ATTRIBUTE] is callback.signature
    gone = weakref.ref(kind)
    del kind, callback
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(sys.version_info < (3, 13), reason="ctypes itself keeps such a cycle for ever")
def test_signature_dies_with_a_type_that_its_argument_points_at() -> None:
    if not types_die():
        pytest.skip("no type is freed here")

    class Node(ctypes.Structure):
        pass

    kind = functype(None, Node)
    Node._fields_ = (("next", ctypes.c_void_p), ("visit", kind))
    ffi_static.callback(kind, print).close()
    gone = weakref.ref(kind)
    del kind, Node
    gc.collect()
    assert gone() is None


def test_signature_of_another_type_is_not_taken_for_ones_own() -> None:
    kind = functype(ctypes.c_int, ctypes.c_int)
    name = ctypes.c_int.__name__  # c_long where both have 32 bits
    signature = signature_of(kind)
    derived: Any = type("G", (kind,), {"_flags_": 1, "_restype_": ctypes.c_double})
    copied: Any = type("G", (kind,), {**vars(kind), "_restype_": ctypes.c_double})
    for other in (derived, copied):
        assert ffi_static.callback(other, abs).signature.text == f"c_double({name})"
        assert signature_of(other) is ffi_static.callback(other, abs).signature
    assert ffi_static.callback(kind, abs).signature is signature
    setattr(kind, ATTRIBUTE, "something else")
    assert ffi_static.callback(kind, abs).signature.text == f"{name}({name})"


def test_structure_that_gets_its_fields_later() -> None:
    class Late(ctypes.Structure):
        pass

    kind = functype(None, Late)
    with pytest.raises(ffi_static.SignatureError, match="size 0"):
        ffi_static.callback(kind, print)
    Late._fields_ = (("x", ctypes.c_double),)
    assert ffi_static.callback(kind, print).signature.text == "None(Late)"


def test_maker_refuses_what_it_cannot_use() -> None:
    with pytest.raises(TypeError, match="subclass of CallbackBase"):
        _lib.maker(int, signature_of, None, int, "name")  # type: ignore[arg-type]
    make = _lib.maker(ffi_static.Callback, lambda _s, _f: 5, None, int, "name")  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="did not give a signature"):
        make("int(int)", abs, None, None, None)
    with pytest.raises(TypeError, match="takes 5 arguments"):
        make("int(int)", abs)  # type: ignore[call-arg]
