# SPDX-License-Identifier: MIT
"""shapes - the signatures that are measured, as each rival wants to hear them.

A shape is one signature with one Python function. The function does as little as possible, and its
answer still proves that every argument arrived. So the way in and out is timed.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Callable

PythonFunction = Callable[..., Any]


def add_one(x: int) -> int:
    """Answer for int(int)."""
    return x + 1


def add(x: float, y: float) -> float:
    """Answer for double(double, double)."""
    return x + y


def size_unless_null(data: Any, size: int) -> int:
    """Answer for size_t(void *, size_t)."""
    return size if data else 0


def compare_numbers(a: int, b: int) -> int:
    """Compare for a C side that has already read the two numbers."""
    return a - b


def compare_pointers(a: Any, b: Any) -> int:
    """Compare for int(const int *, const int *), reading the numbers here."""
    return a[0] - b[0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Shape:
    """One signature.

    ``declaration`` is C, with ``{}`` where the name goes; ``ctypes_type`` the same for ctypes;
    ``function`` is what runs; ``by_hand`` is what the hand-written C callback runs, and with
    ``by_value`` also ours: it is told to read what the pointers point at.
    """

    name: str
    declaration: str
    ctypes_type: Any
    function: PythonFunction
    by_hand: PythonFunction
    by_value: bool = False

    @property
    def signature(self) -> str:
        """The declaration without a name: ``"int(int)"``."""
        return self.declaration.format("")


_INT_POINTER = ctypes.POINTER(ctypes.c_int)

SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            "int",
            "int {}(int)",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int),
            add_one,
            add_one,
        ),
        Shape(
            "double",
            "double {}(double, double)",
            ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double),
            add,
            add,
        ),
        Shape(
            "pointer",
            "size_t {}(void *, size_t)",
            ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t),
            size_unless_null,
            size_unless_null,
        ),
        Shape(
            "compare",
            "int {}(const int *, const int *)",
            ctypes.CFUNCTYPE(ctypes.c_int, _INT_POINTER, _INT_POINTER),
            compare_pointers,
            compare_numbers,
        ),
    )
}
