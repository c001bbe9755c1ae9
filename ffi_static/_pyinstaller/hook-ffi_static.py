# SPDX-License-Identifier: MIT
"""hook-ffi_static - modules that a frozen program needs, and that no import statement names"""

from __future__ import annotations

#: _lib is compiled and needs cffi's backend; the others are imported when they are first needed.
hiddenimports = [
    "_cffi_backend",
    "ffi_static._callback",
    "ffi_static._callback.from_ctypes",
    "ffi_static._startup",
    "ffi_static_start",
]
