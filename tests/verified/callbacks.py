# SPDX-License-Identifier: MIT
"""callbacks - ``callbacks.py ctypes|cffi|api``: 300 callbacks and a sort; stops meanwhile"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

COUNT = 300
INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def of(n: int) -> Any:
    return lambda x: x + n


def difference(a: Any, b: Any) -> Any:
    return a[0] - b[0]


def make(who: str) -> tuple[list[Any], list[int]]:
    """Make the callbacks, and one that compares for qsort(); and the addresses of all."""
    made: list[Any]
    if who == "ctypes":
        compare = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.POINTER(ctypes.c_int)] * 2)
        made = [*(INT(of(n)) for n in range(COUNT)), compare(difference)]
        return made, [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in made]
    if who == "cffi":
        import cffi

        ffi = cffi.FFI()
        made = [ffi.callback("int(int)", of(n)) for n in range(COUNT)]
        made.append(ffi.callback("int(int *, int *)", difference))
        return made, [int(ffi.cast("intptr_t", f)) for f in made]
    import ffi_static

    made = [ffi_static.callback("int(int)", of(n)) for n in range(COUNT)]
    made.append(ffi_static.callback("int(int *, int *)", difference))
    return made, [f.address for f in made]


def main() -> int:
    who = sys.argv[1]
    try:
        kept, at = make(who)
    except Exception as error:
        print(f"{who}: {type(error).__name__}: {error}")
        return 1
    os.kill(os.getpid(), signal.SIGSTOP)
    right = sum(INT(code)(42) == 42 + n for n, code in enumerate(at[:COUNT]))
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    size = ctypes.c_size_t
    ctypes.CDLL(None).qsort(numbers, size(5), size(4), ctypes.c_void_p(at[COUNT]))
    right += list(numbers) == [1, 2, 3, 4, 5]
    print(f"{who}: {right} of {len(kept)} callbacks right")
    return int(right != COUNT + 1)


if __name__ == "__main__":
    sys.exit(main())
