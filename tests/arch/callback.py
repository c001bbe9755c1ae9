# SPDX-License-Identifier: MIT
"""callback - callbacks in an emulated Python: ours, and those of an unmodified ctypes through ours.

callback.sh builds what it imports; tests/python/test_elsewhere.py runs it and reads its last line.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import ffi_static
from ffi_static import _lib

libc = ctypes.CDLL(None)
numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)


# Described by ctypes: cffi would generate its parser first, a minute's work for an emulator.
INTS = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.POINTER(ctypes.c_int)] * 2)
INT = ctypes.CFUNCTYPE(ctypes.c_int)
MIXED = ctypes.CFUNCTYPE(
    ctypes.c_double, ctypes.c_int8, ctypes.c_double, ctypes.c_float, ctypes.c_int64
)


def compare(a: Any, b: Any) -> int:
    """Order as the README does."""
    return int(a[0] - b[0])


def mixed(a: int, b: float, c: float, d: int) -> float:
    """Show each argument in the result."""
    return a + 10 * b + 100 * c + 1000 * d


libc.qsort(numbers, 5, 4, ffi_static.callback(INTS, compare))
assert list(numbers) == [1, 2, 3, 4, 5]

made = ffi_static.callback(MIXED, mixed)
assert MIXED(made.address)(-1, 0.5, 0.25, 2**32) == -1 + 5 + 25 + 1000 * 2**32


class Odd(int):
    """Not exactly an int, so it is converted as ctypes itself does."""


RESULTS: tuple[tuple[Any, int], ...] = (
    (ctypes.c_bool, True),
    (ctypes.c_int8, -2),
    (ctypes.c_uint8, 250),
    (ctypes.c_int16, -3),
    (ctypes.c_uint16, 65000),
    (ctypes.c_int32, -5),
    (ctypes.c_uint32, 2**32 - 7),
    (ctypes.c_int64, -(2**40) - 1),
    (ctypes.c_uint64, 2**63 + 5),
)
for kind, value in RESULTS:
    for given in (value, Odd(value)):
        function = ctypes.CFUNCTYPE(kind)
        made = ffi_static.callback(function, lambda given=given: given)
        seen = function(made.address)()
        assert seen == value, (kind, type(given), seen)

# One cell serves them in turns, more often than a 32-bit ticket can count.
for n in range(5000):
    made = ffi_static.callback(INT, lambda n=n: n)
    assert INT(made.address)() == n

ffi_static.install()
for n in range(5000):
    assert INT(lambda n=n: n)() == n
backwards = INTS(lambda a, b: b[0] - a[0])
code = _lib.ffi.cast("void *", ctypes.cast(backwards, ctypes.c_void_p).value)
assert _lib.lib.ffi_static_provider_of(code) != _lib.ffi.NULL
libc.qsort(numbers, 5, 4, backwards)
assert list(numbers) == [5, 4, 3, 2, 1]

# Turbo: ctypes' converters, with results at either end of what C reads.
for kind, value in RESULTS:
    for given in (value, Odd(value)):
        answer = ctypes.CFUNCTYPE(kind, kind)(lambda _, given=given: given)
        seen = [answer(1), answer(2)]
        assert seen == [value, value], (kind, type(given), seen)
assert MIXED(mixed)(-1, 0.5, 0.25, 2**32) == -1 + 5 + 25 + 1000 * 2**32


class Pair(ctypes.Structure):
    """A struct that comes by value."""

    _fields_ = (("n", ctypes.c_int8), ("x", ctypes.c_double))


added = ctypes.CFUNCTYPE(ctypes.c_double, Pair)(lambda pair: pair.n + pair.x)
assert [added(Pair(3, 0.5)), added(Pair(-3, 0.25))] == [3.5, -2.75]
(served,) = [each for each in ffi_static.installed() if each.module == "_ctypes"]
assert served.turbo > 5000, served.no_turbo

maps = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
assert not [line for line in maps if "rwx" in line]
print("done")
