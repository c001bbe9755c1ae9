# SPDX-License-Identifier: MIT
"""ctypes_client - thousands of callbacks through the system's own ctypes.

Run by run.py with the system's Python, so it imports nothing but the standard library. See
README.md for what a client has to do; it ends with another status than 0 when a result is wrong.
"""

from __future__ import annotations

import ctypes
import gc
import os
import random
from pathlib import Path
from typing import Any

LIVE = 3000
ROUNDS = 20
calls = 0


def maps(moment: str) -> None:
    text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    Path(f"{os.environ['CLIENT_MAPS']}.{moment}").write_text(text, errors="surrogateescape")


def check(got: object, expected: object, what: str) -> None:
    if got != expected:
        raise SystemExit(f"{what}: got {got!r}, not {expected!r}")


class Pair(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
THREE: tuple[Any, ...] = (ctypes.c_int8, ctypes.c_double, ctypes.c_long)
MIX = ctypes.CFUNCTYPE(ctypes.c_double, *THREE * 4)
STRUCT = ctypes.CFUNCTYPE(ctypes.c_double, Pair, ctypes.c_float)
MIXED = (-1, 0.5, 1 << 40) * 4


def make(key: int) -> Any:
    def count() -> None:
        global calls  # noqa: PLW0603 - what the report counts
        calls += 1

    def one(value: int) -> int:
        count()
        return value + key

    def mixed(*values: float) -> float:
        count()
        return sum(values) + key

    def struct(pair: Pair, scale: float) -> float:
        count()
        return float(pair.x * scale - pair.y + key)

    kind = key % 3
    return INT(one) if kind == 0 else MIX(mixed) if kind == 1 else STRUCT(struct)


def through_c(key: int, callback: Any) -> None:
    """Call it as C does: by its address alone."""
    address = ctypes.cast(callback, ctypes.c_void_p).value or 0
    kind = key % 3
    if kind == 0:
        check(INT(address)(7), 7 + key, "int(int)")
    elif kind == 1:
        check(MIX(address)(*MIXED), sum(MIXED) + key, "twelve mixed arguments")
    else:
        check(STRUCT(address)(Pair(1.5, 2.0), 4.0), 4.0 + key, "double(struct, float)")


def sort() -> None:
    compare_type = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )

    def compare(a: Any, b: Any) -> int:
        global calls  # noqa: PLW0603
        calls += 1
        return int(a[0] > b[0]) - int(a[0] < b[0])

    numbers = [random.randrange(1 << 30) for _ in range(3000)]
    array = (ctypes.c_int * len(numbers))(*numbers)
    ctypes.CDLL(None).qsort(array, len(numbers), ctypes.sizeof(ctypes.c_int), compare_type(compare))
    check(list(array), sorted(numbers), "qsort")


def main() -> None:
    random.seed(1)
    maps("start")
    sort()
    kept = {key: make(key) for key in range(LIVE)}
    for key, callback in kept.items():
        through_c(key, callback)
    for round_ in range(ROUNDS):
        for key in random.sample(range(LIVE), 300):
            kept[key] = make(key)  # the old one is freed
        gc.collect()
        for key in random.sample(range(LIVE), 300):
            through_c(key, kept[key])
        check(len(kept), LIVE, f"round {round_}")
    maps("peak")
    child = os.fork()
    if child == 0:
        kept.clear()
        kept = {key: make(key + 3) for key in range(LIVE)}
        os._exit(0)
    check(os.waitpid(child, 0)[1], 0, "the forked child, which freed all and made its own")
    for key, callback in kept.items():
        through_c(key, callback)
    kept.clear()
    gc.collect()
    sort()
    maps("end")
    print(f"callbacks={calls} live={LIVE}")


main()
