# SPDX-License-Identifier: MIT
"""refused - calls a callback, and asks for what --mdwe and --no-memfd refuse"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Callable

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def refused(attempt: Callable[[], object]) -> int | None:
    try:
        attempt()
    except OSError as error:
        return error.errno
    return None


print(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 42)())
# What the policies refuse, asked for in order to be refused.
print(refused(lambda: mmap.mmap(-1, 4096, PRIVATE, mmap.PROT_WRITE | mmap.PROT_EXEC)))
print(refused(lambda: os.memfd_create("x")))
print(refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)))
print(refused(lambda: mmap.mmap(-1, 4096, PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)))
print(refused(lambda: mmap.mmap(-1, 4096)))
