# SPDX-License-Identifier: MIT
"""callbacks - Python callbacks of ours, and the drop-in's, that C calls; also ones that fail."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NoReturn

import ffi_static

right = 0
libc = ctypes.CDLL(None)


@ffi_static.callback("int(int *, int *)")
def compare(a: Any, b: Any) -> Any:
    return a[0] - b[0]


for last in range(300):
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, last % 7)
    libc.qsort(numbers, 5, 4, compare)
    right += list(numbers) == sorted(numbers)

unary = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


@ffi_static.callback("int(int)", error=-1, onerror=lambda *failure: None)
def fails(x: int) -> NoReturn:
    raise ValueError(x)


right += sum(unary(fails.address)(n) == -1 for n in range(100))

ffi_static.install()
made = [unary(lambda x, n=n: x + n) for n in range(300)]
right += sum(f(5) == 5 + n for n, f in enumerate(made))
print(right, "of 700 Python callbacks")
sys.exit(right != 700)
