# SPDX-License-Identifier: MIT
"""refused - calls a callback, and asks for what --mdwe and --no-memfd refuse"""

from __future__ import annotations

import ctypes
import mmap
import os
import sysconfig
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
shared = refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))
# musl makes ENOMEM of the kernel's EPERM when the mapping is anonymous.
print(1 if shared == 12 and "musl" in sysconfig.get_config_var("EXT_SUFFIX") else shared)
print(refused(lambda: mmap.mmap(-1, 4096, PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)))
print(refused(lambda: mmap.mmap(-1, 4096)))
