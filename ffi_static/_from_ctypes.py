# SPDX-License-Identifier: MIT
"""_from_ctypes - the signature of a ctypes function type (CFUNCTYPE, PYFUNCTYPE)

ctypes keeps its libffi types to itself, so they are described anew from ``_type_``, ``_fields_``
and ``_length_``. Imported only when a ctypes type is used.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

from ffi_static import _lib
from ffi_static._errors import SignatureError
from ffi_static._signature import CTYPES, Description, check_layout, shape_of

_CFuncPtr: Any = ctypes.CFUNCTYPE(None).__mro__[1]
_SimpleCData: Any = ctypes.c_int.__mro__[1]
_Pointer: Any = ctypes.POINTER(ctypes.c_int).__mro__[1]
_USE_ERRNO = 0x8
# in the order of csrc/py/convert_ctypes.c
_HELPERS = (_SimpleCData.__base__, ctypes.c_int, ctypes.set_errno, "value", "_objects")

_INTEGER_CODES = "bBhHiIlLqQ"
_LETTERS = {
    "c": "b",
    "?": "B",
    "u": "i",
    "f": "f",
    "d": "d",
    "g": "g",
    "P": "p",
    "z": "p",
    "Z": "p",
    "O": "p",
    # complex, from Python 3.14 on
    "F": "F",
    "D": "D",
    "G": "G",
}
_BY_SIZE = {1: "b", 2: "h", 4: "i", 8: "q"}


def _describe_simple(cls: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of a simple type (`c_int`, ...)."""
    code = cls._type_
    if getattr(cls, f"__ctype_{sys.byteorder[0]}e__", cls) is not cls:
        raise SignatureError(f"{cls.__name__} is not of this machine's byte order")
    if code in _INTEGER_CODES:
        letter = _BY_SIZE[ctypes.sizeof(cls)]
        return (letter if code.islower() else letter.upper()), "n"
    if code not in _LETTERS:
        raise SignatureError(f"{cls.__name__}: unknown ctypes type code {code!r}")
    if code in "fd":
        return code, "n"
    return _LETTERS[code], code if code in "?PzO" else "x"


def _is_array(cls: Any) -> bool:
    return issubclass(cls, ctypes.Array)


def _describe_struct(cls: Any) -> Description:
    item: Any
    members: list[tuple[int, Description]] = []
    base: Any
    for base in reversed(cls.__mro__):
        for name, field, *bits in base.__dict__.get("_fields_", ()):
            if bits:
                raise SignatureError(
                    f"{cls.__name__} has a bit-field and cannot be passed by value"
                )
            item, count = field, 1
            while _is_array(item):
                count *= item._length_
                item = item._type_
            description, _ = describe(item)
            start = getattr(base, name).offset
            width = ctypes.sizeof(item)
            members += [(start + i * width, description) for i in range(count)]
    return check_layout(cls.__name__, ctypes.sizeof(cls), ctypes.alignment(cls), members)


def describe(cls: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of an argument of ctypes type `cls`."""
    if issubclass(cls, _SimpleCData):
        description, code = _describe_simple(cls)
        # subclasses of the simple types arrive as instances, the types themselves as values
        return description, code if cls.__base__ is _SimpleCData else "o"
    if issubclass(cls, (_Pointer, _CFuncPtr)):
        return "p", "o"
    if issubclass(cls, ctypes.Structure):
        return _describe_struct(cls), "o"
    if issubclass(cls, ctypes.Union):
        raise SignatureError(f"{cls.__name__} is a union and cannot be passed by value")
    if _is_array(cls):
        raise SignatureError(f"{cls.__name__} is an array; use POINTER({cls._type_.__name__})")
    raise SignatureError(f"{cls!r} is not a ctypes type")


def _describe_result(cls: Any) -> tuple[Description, str, Any]:
    if cls is None:
        return "v", "v", None
    if not (isinstance(cls, type) and issubclass(cls, _SimpleCData)):
        raise SignatureError("invalid result type for callback function")
    description, code = _describe_simple(cls)
    # the one whose `value` is not overridden
    canonical: Any = next(c for c in cls.__mro__ if c.__base__ is _SimpleCData)
    if canonical._type_ != getattr(cls, "_type_", None):
        raise SignatureError(f"{cls.__name__} changes the type code of its base class")
    return description, code, canonical


@lru_cache(maxsize=1024)
def from_ctypes(functype: Any) -> _lib.Signature:
    """Make the signature of a ctypes function type."""
    if not issubclass(functype, _CFuncPtr):
        raise SignatureError(f"{functype!r} is not a ctypes function type")
    arguments = getattr(functype, "_argtypes_", None)
    if arguments is None:
        raise SignatureError(f"{functype!r} has no _argtypes_; use CFUNCTYPE or PYFUNCTYPE")
    restype = getattr(functype, "_restype_", None)
    result, result_code, result_type = _describe_result(restype)
    described = [describe(cls) for cls in arguments]
    shape = shape_of(result, tuple(d for d, _ in described))
    items = (
        (result_code, result_type),
        *((code, cls) for (_, code), cls in zip(described, arguments)),
    )
    names = ", ".join(cls.__name__ for cls in arguments)
    text = f"{restype.__name__ if restype else None}({names})"
    return _lib.Signature(text, CTYPES, bool(functype._flags_ & _USE_ERRNO), shape, items, _HELPERS)
