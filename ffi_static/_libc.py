# SPDX-License-Identifier: MIT
"""_libc - the few functions of the C library that Python does not offer, through cffi

Not through ctypes, because importing ctypes makes a callback on some versions of Python, and the
doctor examines exactly that.
"""

from __future__ import annotations

import mmap
import os
from functools import cache
from typing import Any

PR_SET_MDWE = 65
PR_GET_MDWE = 66
MDWE_REFUSE_EXEC_GAIN = 1
PAGE = mmap.PAGESIZE


class LibC:
    """Calls into the C library. Each raises OSError when it fails."""

    def __init__(self) -> None:
        from cffi import FFI

        self.ffi = FFI()
        self.ffi.cdef(
            "int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);"
            "void *mmap(void *, size_t, int, int, int, long);"
            "int mprotect(void *, size_t, int);"
        )
        self.lib: Any = self.ffi.dlopen(None)

    def _check(self, failed: bool) -> None:
        if failed:
            raise OSError(self.ffi.errno, os.strerror(self.ffi.errno))

    def prctl(self, option: int, argument: int = 0) -> int:
        """Call prctl with one argument, the others zero."""
        result = int(self.lib.prctl(option, argument, 0, 0, 0))
        self._check(result < 0)
        return result

    def mmap(self, prot: int, flags: int, fd: int = -1) -> Any:
        """Map one page."""
        page = self.lib.mmap(self.ffi.NULL, PAGE, prot, flags, fd, 0)
        self._check(int(self.ffi.cast("intptr_t", page)) == -1)
        return page

    def mprotect(self, page: Any, prot: int) -> None:
        """Change the rights of one page."""
        self._check(self.lib.mprotect(page, PAGE, prot) != 0)


@cache
def libc() -> LibC:
    """Give the one LibC. When the parent asks first, its children need not parse declarations."""
    return LibC()
