# SPDX-License-Identifier: MIT
"""shape - what every kind of signature becomes: descriptions of C types, and a libffi shape of them

A description is a letter, or (size, alignment, members) of a struct (csrc/py/shape.c reads it).
"""

from __future__ import annotations

from typing import Any

from ffi_static import _lib
from ffi_static._errors import SignatureError

Description = Any

#: Whose conversions a signature has (csrc/py/convert.h).
CFFI, CTYPES = 0, 1
#: Where a ctypes function type keeps its signature (csrc/py/make.c reads it as well).
ATTRIBUTE = "_ffi_static_signature_"

_shapes: dict[Any, object] = {}


def shape_of(result: Description, arguments: tuple[Description, ...]) -> object:
    """Return the libffi shape of these descriptions. A shape is never freed."""
    key = (result, arguments)
    shape = _shapes.get(key)
    if (
        shape is None
    ):  # no lock: a child, forked while another thread holds one, would wait for ever
        shape = _shapes.setdefault(key, _lib.shape(result, arguments))
    return shape


def check_layout(
    name: str, size: int, alignment: int, members: list[tuple[int, Description]]
) -> Description:
    """Return the description of a struct, whose members are (offset, description).

    libffi assumes that a struct has its natural layout. A struct of another layout (packed, or with
    a changed alignment) is passed right only when it is too large for registers.
    """
    flat = tuple(description for _, description in members)
    if not flat or size == 0:
        raise SignatureError(f"{name} has size 0 and cannot be passed by value")
    natural = _lib.layout(flat)
    if natural != (size, alignment, tuple(offset for offset, _ in members)) and size <= 16:
        raise NotImplementedError(
            f"{name} does not have the layout that the C compiler gives such a struct (packed?); "
            "pass a pointer to it"
        )
    return (size, alignment, flat)
