# SPDX-License-Identifier: MIT
"""both - ``both.py WHO``: a callback of ctypes and one of cffi; selinux.py reads what is printed"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

for name in ("ctypes", "cffi"):
    try:
        made: Any
        if name == "ctypes":
            made = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
        else:
            import cffi

            made = cffi.FFI().callback("int(int)", lambda n: n + 1)
        print(sys.argv[1], name, made(41))
    except MemoryError:
        print(sys.argv[1], name, "MemoryError")
