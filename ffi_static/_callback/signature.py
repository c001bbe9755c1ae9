# SPDX-License-Identifier: MIT
"""signature - what a user gives as a signature, made a ``_lib.Signature``

A signature is a C declaration, a cffi function type or a ctypes function type: a file each
(from_text, from_cffi, from_ctypes). Each becomes a description and a converter letter per type,
once. What a callback cannot take is refused with a sentence.
"""

from __future__ import annotations

from typing import Any

from ffi_static import _lib
from ffi_static._callback.from_cffi import CType, from_cffi
from ffi_static._callback.from_text import from_text
from ffi_static._errors import SignatureError


def signature_of(given: object, ffi: Any = None) -> _lib.Signature:
    """Return the signature that the user gave.

    Raises SignatureError. Raises NotImplementedError for variadic functions, and for types that
    cannot be passed by value.
    """
    if isinstance(given, _lib.Signature):
        return given
    if isinstance(given, str):
        return from_text(given, ffi)
    if isinstance(given, CType):
        return from_cffi(given)
    if isinstance(given, type) and hasattr(given, "_flags_"):
        from ffi_static._callback.from_ctypes import from_ctypes  # imports ctypes

        return from_ctypes(given)
    raise SignatureError(
        "a signature is a C declaration such as 'int(int, double)', a cffi function type or a "
        f"ctypes function type; got {given!r}"
    )
