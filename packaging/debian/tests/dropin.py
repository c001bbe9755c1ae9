# SPDX-License-Identifier: MIT
"""dropin - ctypes' callbacks of an unmodified program under PR_SET_MDWE, in a child of fork() too

The policy is set first, and everything begins again under it with FFI_STATIC_INSTALL=require, which
a service has in its environment. Where the process is under such a policy already (a unit of
systemd with MemoryDenyWriteExecute=), or the kernel has no PR_SET_MDWE, only the second half runs.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

PR_SET_MDWE = 65

if os.environ.get("FFI_STATIC_INSTALL") != "require":
    refused = ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0)
    print("PR_SET_MDWE:", "not here, or already" if refused else "set", flush=True)
    os.environ["FFI_STATIC_INSTALL"] = "require"
    os.execv(sys.executable, [sys.executable, __file__])

COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
compare = COMPARE(lambda a, b: a[0] - b[0])


def sorts() -> bool:
    """Sort by C's qsort(), which calls back."""
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    ctypes.CDLL(None).qsort(numbers, 5, 4, compare)
    return list(numbers) == [1, 2, 3, 4, 5]


child = os.fork()
if child == 0:
    os._exit(0 if sorts() else 1)
right = sorts() and os.waitpid(child, 0)[1] == 0
rights = [line.split()[1] for line in Path("/proc/self/maps").read_text().splitlines()]
bad = [r for r in rights if "x" in r and ("w" in r or "s" in r)]
module = sys.modules.get("ffi_static")
print(f"ctypes with {module and module.__file__}: right: {right}; writable or shared code: {bad}")
sys.exit(0 if right and not bad and module else 1)
