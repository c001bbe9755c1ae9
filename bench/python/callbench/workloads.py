# SPDX-License-Identifier: MIT
"""workloads - what the C caller does with a callback, and the answer that it must get.

One turn is one call of a drive_*() function of driver.c: ``n`` callbacks, or ``n`` sorts of about
120,000 callbacks each. The caller has given up the GIL (ctypes.CDLL) unless a workload says
otherwise (ctypes.PyDLL).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

from .shapes import SHAPES, Shape

if TYPE_CHECKING:
    from . import build


class WrongAnswerError(AssertionError):
    """A rival's callback did not compute what it was asked to."""


@dataclass(frozen=True)
class Workload:
    """One row of the report.

    ``drive`` names the function of driver.c and ``plain_c`` the callback in C that shows the
    caller's own cost; ``expected(n)`` is the checksum of a turn of ``n``.
    """

    name: str
    shape: Shape
    drive: str
    plain_c: str
    expected: Callable[[int], int]
    gil_held: bool = False


def _full_and_rest(n: int) -> tuple[int, int]:
    """How often the argument runs through 0 … 127 in ``n`` calls, and how far it gets after."""
    return divmod(n, 128)


def _sum_of_arguments(n: int) -> int:
    full, rest = _full_and_rest(n)
    return full * (127 * 128 // 2) + rest * (rest - 1) // 2


def _int_sum(n: int) -> int:
    return _sum_of_arguments(n) + n


def _double_sum(n: int) -> int:
    return int(_sum_of_arguments(n) + n * 0.5)


def _pointer_sum(n: int) -> int:
    full, rest = _full_and_rest(n)
    return full * sum(range(1, 128, 2)) + sum(range(1, rest, 2))


def _all_of_them(n: int) -> int:
    return n


BY_VALUE = replace(SHAPES["compare"], by_value=True)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("int(int)", SHAPES["int"], "drive_int", "c_int", _int_sum),
        Workload(
            "int(int), GIL held", SHAPES["int"], "drive_int", "c_int", _int_sum, gil_held=True
        ),
        Workload(
            "double(double, double)", SHAPES["double"], "drive_double", "c_double", _double_sum
        ),
        Workload(
            "size_t(void *, size_t)", SHAPES["pointer"], "drive_pointer", "c_pointer", _pointer_sum
        ),
        Workload("qsort of 10,000", SHAPES["compare"], "drive_qsort", "c_compare", _all_of_them),
        Workload("qsort, by value", BY_VALUE, "drive_qsort", "c_compare", _all_of_them),
        Workload("one foreign thread", SHAPES["int"], "drive_one_thread", "c_int", _int_sum),
        Workload(
            "a fresh thread per call", SHAPES["int"], "drive_fresh_threads", "c_int", _all_of_them
        ),
    )
}


class Caller:
    """driver.so, loaded both ways."""

    def __init__(self, parts: build.Parts) -> None:
        """Load the driver of ``parts``; OSError if it was not built."""
        self._released = ctypes.CDLL(str(parts.driver))
        self._held = ctypes.PyDLL(str(parts.driver))
        self._released.c_compared.restype = ctypes.c_longlong

    def turn(self, workload: Workload, address: int) -> Callable[[int], int]:
        """Make a function of ``n`` that lets C call ``address`` and gives the checksum."""
        library = self._held if workload.gil_held else self._released
        drive = library[workload.drive]  # a new function object each time: ours to set up
        drive.argtypes = [ctypes.c_void_p, ctypes.c_long]
        drive.restype = ctypes.c_longlong
        return lambda n: int(drive(address, n))

    def check(self, workload: Workload, address: int) -> None:
        """Raise WrongAnswerError unless some turns give the right checksum."""
        turn = self.turn(workload, address)
        for n in (1, 2, 300) if workload.drive != "drive_qsort" else (1,):
            answer, right = turn(n), workload.expected(n)
            if answer != right:
                raise WrongAnswerError(f"{workload.name}: {n} calls gave {answer}, not {right}")

    def plain_c(self, workload: Workload) -> int:
        """Give the address of the workload's callback in plain C."""
        return self._address(workload.plain_c)

    def calls_per_n(self, workload: Workload) -> int:
        """Count the callbacks that ``n = 1`` makes: 1, or the comparisons of one sort."""
        if workload.drive != "drive_qsort":
            return 1
        before = self._released.c_compared()
        self.turn(workload, self._address("c_compare_counting"))(1)
        return int(self._released.c_compared() - before)

    def _address(self, name: str) -> int:
        address = ctypes.cast(self._released[name], ctypes.c_void_p).value
        if address is None:
            raise RuntimeError(f"driver.so has no {name}")
        return address
