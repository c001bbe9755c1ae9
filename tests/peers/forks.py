# SPDX-License-Identifier: MIT
"""forks - a program with callbacks of cffi that forks: the child frees its own and makes others

Prints whether parent and child have got their own answers, and how many mappings are writable and
executable (or executable and shared, which is the same by another mapping).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import cffi

COUNT = 2000
ffi = cffi.FFI()


def make(base: int) -> list[Any]:
    """Give callbacks that add their number to what they get."""
    return [ffi.callback("int(int)", lambda x, n=base + i: x + n) for i in range(COUNT)]


def right(callbacks: list[Any], base: int) -> bool:
    return all(ffi.cast("int(*)(int)", f)(1) == base + i + 1 for i, f in enumerate(callbacks))


def main() -> int:
    mine = make(0)
    child = os.fork()
    if child == 0:
        own = right(mine, 0)
        mine.clear()
        others = make(10_000)
        os._exit(0 if own and right(others, 10_000) else 1)
    good = os.waitpid(child, 0)[1] == 0 and right(mine, 0)
    rights = [line.split()[1] for line in Path("/proc/self/maps").read_text().splitlines()]
    bad = sum("x" in r and ("w" in r or "s" in r) for r in rights)
    print(f"{'right' if good else 'WRONG'}, W+X mappings: {min(bad, 1)}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
