# SPDX-License-Identifier: MIT
"""ffi_static - C function pointers that run Python, without writable and executable memory

    import ctypes
    import ffi_static

    libc = ctypes.CDLL(None)
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)

    @ffi_static.callback("int(int *, int *)")
    def compare(a, b):
        return a[0] - b[0]

    libc.qsort(numbers, ctypes.c_size_t(5), ctypes.c_size_t(4), compare)
    print(list(numbers))  # [1, 2, 3, 4, 5]

docs/python.md tells what holds for threads, fork, closing and errors.
"""

from __future__ import annotations

from ffi_static._callback import Callback, callback
from ffi_static._errors import ClosedError, Error, NoProviderError, SignatureError

__all__ = ["Callback", "ClosedError", "Error", "NoProviderError", "SignatureError", "callback"]
__version__ = "0.1.0"
