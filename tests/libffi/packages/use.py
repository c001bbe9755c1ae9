#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""use - callbacks of an ordinary ctypes, by the thousand, on whatever libffi this system has.

Runs in the scratch root in which the packages were installed, with the system's own Python, which
knows nothing of ffi_static. Prints a line for each part; exit status 0 when every result was right,
1 when one was wrong or memory was found that is writable and executable (or executable and shared,
which is the same by another mapping). ::

    use.py [--mdwe] [--count N]      --mdwe: set PR_SET_MDWE first, and exec again under it
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import subprocess
import sys
from pathlib import Path

PR_SET_MDWE = 65
PR_GET_MDWE = 66
REFUSE_EXEC_GAIN = 1

INT = ctypes.c_int
DOUBLE = ctypes.c_double
COMPARE = ctypes.CFUNCTYPE(INT, ctypes.POINTER(INT), ctypes.POINTER(INT))


class Pair(ctypes.Structure):
    """Two doubles: travels in two vector registers."""

    _fields_ = (("a", DOUBLE), ("b", DOUBLE))


class Large(ctypes.Structure):
    """Travels in memory."""

    _fields_ = (("v", ctypes.c_long * 8),)


ADD = ctypes.CFUNCTYPE(INT, INT, INT)
MIXED = ctypes.CFUNCTYPE(
    DOUBLE,
    INT,
    DOUBLE,
    ctypes.c_char,
    DOUBLE,
    ctypes.c_longlong,
    ctypes.c_float,
    INT,
    INT,
    INT,
    INT,
)
PAIR = ctypes.CFUNCTYPE(DOUBLE, Pair)
SUM = ctypes.CFUNCTYPE(ctypes.c_long, Large)


def prctl(what: int, value: int) -> int:
    """Give what the system answers."""
    result: int = ctypes.CDLL(None, use_errno=True).prctl(what, value, 0, 0, 0)
    return result


def under_mdwe() -> None:
    """Set the policy and begin again under it: importing ctypes may have made closures already."""
    if prctl(PR_GET_MDWE, 0) == REFUSE_EXEC_GAIN:
        return
    if prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN) != 0:
        print(f"use: PR_SET_MDWE: {os.strerror(ctypes.get_errno())} (Linux 6.3 and later have it)")
        raise SystemExit(77)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def audit() -> list[str]:
    """Lines of the memory map that nobody should have: writable or shared, and executable."""
    with Path("/proc/self/maps").open(encoding="utf-8") as maps:
        lines = [line.split(maxsplit=5) for line in maps]
    return [
        " ".join(line).strip()
        for line in lines
        if "x" in line[1] and ("w" in line[1] or "s" in line[1])
    ]


def shapes(count: int) -> int:
    """Make `count` closures of each of four shapes, all alive; call all in random order."""
    made = []
    for n in range(count):
        made.append((n, "add", ADD(lambda a, b, n=n: a * 2 + b + n)))
        made.append((n, "mixed", MIXED(lambda *a, n=n: n + sum(x for x in a if x != b"z"))))
        made.append((n, "pair", PAIR(lambda p, n=n: 2 * p.a - p.b + n)))
        made.append((n, "sum", SUM(lambda x, n=n: sum(x.v) + n)))
    random.Random(1).shuffle(made)
    wrong = 0
    large = Large((ctypes.c_long * 8)(*range(8)))
    for n, kind, call in made:
        if kind == "add":
            wrong += call(3, 4) != n + 10
        elif kind == "mixed":
            wrong += call(1, 2.5, b"z", 3.5, 4, 0.5, 5, 6, 7, 8) != n + 37.5
        elif kind == "pair":
            wrong += call(Pair(4.0, 3.0)) != n + 5.0
        else:
            wrong += call(large) != n + 28
    return wrong


def sort(size: int) -> int:
    """C's qsort calls back `size * log(size)` times."""
    numbers = list(range(size))
    random.Random(2).shuffle(numbers)
    array = (INT * size)(*numbers)
    ctypes.CDLL(None).qsort(array, size, ctypes.sizeof(INT), COMPARE(lambda a, b: a[0] - b[0]))
    return int(list(array) != list(range(size)))


def fork(count: int) -> int:
    """Fork, let the child free its closures and make others: the parent's must be its own."""
    mine = [ADD(lambda a, b, n=n: a + b + n) for n in range(count)]
    child = os.fork()
    if child == 0:
        wrong = sum(f(1, 2) != n + 3 for n, f in enumerate(mine))
        mine.clear()
        others = [ADD(lambda _a, _b, n=n: -n) for n in range(2 * count)]
        wrong += sum(f(1, 2) != -n for n, f in enumerate(others))
        os._exit(wrong != 0)
    ended = os.waitpid(child, 0)[1]
    kept: int = sum(f(1, 2) != n + 3 for n, f in enumerate(mine))
    return kept + (ended != 0)


def descriptors(count: int) -> int:
    """Give how many descriptors of memory that holds closures a program started by us inherits."""
    kept = [ADD(lambda a, b, n=n: a + b + n) for n in range(count)]
    child = subprocess.run(
        ["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True
    )
    del kept
    lines = child.stdout.splitlines()
    return sum("memfd:" in line or "(deleted)" in line or "libffi" in line for line in lines)


def main() -> int:
    """Run all of it and give the exit status."""
    arguments = argparse.ArgumentParser(description="callbacks through ctypes")
    arguments.add_argument("--mdwe", action="store_true")
    arguments.add_argument("--count", type=int, default=2500)
    options = arguments.parse_args()
    if options.mdwe:
        under_mdwe()
    where = "under PR_SET_MDWE" if options.mdwe else "without a policy"
    bad = False
    parts = {"four shapes": shapes, "qsort": sort, "descriptors": descriptors, "fork": fork}
    for what, run in parts.items():
        print(f"{where}: {what}: ", end="", flush=True)  # a crash leaves this behind
        try:
            wrong = run(options.count)
        except (MemoryError, OSError) as error:
            print(f"{type(error).__name__}: {error}")
            return 1
        found = audit()
        print(f"{wrong} wrong; writable or shared, executable mappings: {len(found)}")
        bad = bad or wrong > 0 or bool(found)
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
