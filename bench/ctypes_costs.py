# SPDX-License-Identifier: MIT
"""ctypes_costs - what ctypes' callbacks cost on the libffi that this process has loaded

Prints, as JSON, nanoseconds per callback and per closure, the library that was really loaded, and
the number of mappings that are writable and executable. libffi.py runs this with one library after
the other in LD_LIBRARY_PATH, by any interpreter.
"""

from __future__ import annotations

import ctypes
import json
import time
from pathlib import Path
from typing import Any, Callable

COUNT = 2000
INTS = ctypes.c_int * COUNT
VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
calls = [0]


def same(_a: int, _b: int) -> int:
    calls[0] += 1
    return 0


def clock(work: Callable[[], object], number: int) -> float:
    """Give the median of seven runs, per one of `number`, or per call."""
    best = []
    for _ in range(7):
        calls[0] = 0
        start = time.perf_counter_ns()
        work()
        best.append((time.perf_counter_ns() - start) / (number or calls[0]))
    return sorted(best)[3]


def main() -> None:
    libc = ctypes.CDLL(None)
    visit, array = VISIT(same), INTS(*range(COUNT))
    size = ctypes.sizeof(ctypes.c_int)
    live: list[Any] = []

    def sort() -> None:
        libc.qsort(array, ctypes.c_size_t(COUNT), ctypes.c_size_t(size), visit)

    def make() -> None:
        for _ in range(COUNT):
            VISIT(same)

    def keep() -> None:
        live.clear()
        live.extend(VISIT(same) for _ in range(COUNT))

    sort()
    make()
    result: dict[str, Any] = {"callback": clock(sort, 0), "make and free": clock(make, COUNT)}
    result["2000 live"] = clock(keep, COUNT)
    lines = [x.split(None, 5) for x in Path("/proc/self/maps").read_text().splitlines()]
    result["library"] = next((x[5].strip() for x in lines if "libffi.so" in x[-1]), "none")
    result["writable and executable"] = sum(x[1].startswith("rwx") for x in lines)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
