#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dropin - what install() costs and brings: ctypes and cffi with the drop-in against themselves.

    python bench/python/dropin.py [--seconds 2] [--out build/bench/dropin.json] [--threads]

Calls: in one process, a callback made before install() and one made after take turns on slices of
about two milliseconds, and the ratio is taken in each round; the median is reported. Making: two
processes, one with the drop-in (or with ffi_static.callback() in the module's place), that take
turns in the same way. Time is the CPU time of the
process. Ratios below 1 mean that the drop-in is faster. Start-up is in milliseconds of CPU time,
the median over fresh interpreters, each of which has imported ctypes and cffi before.

--threads measures another thing: the calls that two threads of C make, as a multiple of those that
one thread makes in the same wall time. All call one callback. It needs two idle processors.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SLICE = 0.002  # seconds
LONG = 0.05  # seconds, beside which the beginning of a thread is nothing
INTERPRETERS = 15

INT = ctypes.c_int


class Pair(ctypes.Structure):
    """A struct that comes by value."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


def is_a_wheel(package: str) -> bool:
    """Tell whether a package is a wheel from PyPI. Those of cffi are not optimized."""
    return "manylinux" in (distribution(package).read_text("WHEEL") or "")


PAIR = "typedef struct { double x, y; } pair;"  # the same, for cffi
SIX = (INT, ctypes.c_double, ctypes.c_long, ctypes.c_double, ctypes.c_void_p, INT)
#: workload: (ctypes' signature, cffi's, the callback, the caller)
CALLS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "int(int)": (ctypes.CFUNCTYPE(INT, INT), "int(int)", lambda a: a, "drive_int_1"),
    "int(int x 6)": (
        ctypes.CFUNCTYPE(INT, *[INT] * 6),
        "int(int, int, int, int, int, int)",
        lambda a, b, c, d, e, f: a,
        "drive_int_6",
    ),
    "double(6 mixed)": (
        ctypes.CFUNCTYPE(ctypes.c_double, *SIX),
        "double(int, double, long, double, void *, int)",
        lambda a, b, c, d, e, f: a,
        "drive_mixed_6",
    ),
    "long(void *, size_t)": (
        ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t),
        "long(void *, size_t)",
        lambda p, n: n,
        "drive_buffer",
    ),
    "double(struct of 2 doubles)": (
        ctypes.CFUNCTYPE(ctypes.c_double, Pair),
        "double(pair)",
        lambda p: p.x,
        "drive_pair",
    ),
}
#: ffi_static.callback() of the same signature and function, against the module itself
API = "make and drop, by callback()"
#: (module, workload): the ratio that it must not exceed.
TARGETS = {
    ("ctypes", "int(int)"): 0.85,
    ("ctypes", "int(int x 6)"): 0.75,
    ("ctypes", "double(6 mixed)"): 0.75,
    ("ctypes", "long(void *, size_t)"): 0.85,
    ("ctypes", "double(struct of 2 doubles)"): 0.9,
    ("cffi", "int(int)"): 0.5 if is_a_wheel("cffi") else 0.7,
    ("ctypes", "foreign thread, state kept"): 1 / 40,
    ("ctypes", "make and drop"): 1.05,
    ("cffi", "make and drop"): 1.05,
    ("ctypes", API): 1.0,
    ("cffi", API): 1.0,
    ("both", "import and install() [ms]"): 8.0,
}
START_UP = """
import ctypes, cffi, time
start = time.process_time()
import ffi_static
ffi_static.install()
print((time.process_time() - start) * 1e3)
"""


def build(folder: Path) -> ctypes.CDLL:
    """Compile dropin.c, if that has not been done."""
    made, source = folder / "dropin.so", HERE / "dropin.c"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        flags = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread"]
        subprocess.run([*compiler, *flags, str(source), "-o", str(made)], check=True)
    return ctypes.CDLL(str(made))


def alternate(
    stock: Callable[[int], float],
    ours: Callable[[int], float],
    seconds: float,
    slice_: float = SLICE,
) -> dict[str, Any]:
    """Let both do slices in turns; each gives the seconds that `n` of them took."""
    n = 1
    while stock(n) < slice_ / 2:
        n *= 2
    m = n
    while ours(m) < slice_ / 2:
        m *= 2
    ratios: list[float] = []
    per_call: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(ratios) < 15:
        if len(ratios) % 2:
            a, b = stock(n), ours(m)
        else:
            b, a = ours(m), stock(n)
        ratios.append((b / m) / (a / n))
        per_call.append(a / n)
    quartiles = statistics.quantiles(ratios, n=4)
    return {"ratio": quartiles[1], "quartiles": quartiles, "ns": statistics.median(per_call) * 1e9}


def caller(library: ctypes.CDLL, name: str, address: int) -> Callable[[int], float]:
    """Give a function that has C call `address` n times, checks the sum, and tells the time."""
    drive = library[name]
    drive.argtypes, drive.restype = [ctypes.c_void_p, ctypes.c_long], ctypes.c_longlong

    def turn(n: int) -> float:
        start = time.process_time()
        total = drive(address, n)
        took = time.process_time() - start
        full, rest = divmod(n, 128)
        if total != full * 8128 + rest * (rest - 1) // 2:
            raise SystemExit(f"dropin: {name}: a wrong answer: {total} for {n} calls")
        return took

    return turn


def makers() -> dict[str, Callable[[Any, str, Any], tuple[Any, int]]]:
    """How each module makes a callback: (it, its address)."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(PAIR)

    def with_ctypes(prototype: Any, text: str, function: Any) -> tuple[Any, int]:
        made = prototype(function)
        return made, int.from_bytes(bytes(memoryview(made)), sys.byteorder)

    def with_cffi(prototype: Any, text: str, function: Any) -> tuple[Any, int]:
        made: Any = ffi.callback(text, function)
        return made, int(ffi.cast("uintptr_t", made))

    return {"ctypes": with_ctypes, "cffi": with_cffi}


def calls(library: ctypes.CDLL, seconds: float) -> dict[tuple[str, str], dict[str, Any]]:
    """Compare calls; ends with the drop-in installed in this process."""
    import ffi_static

    make = makers()
    before = {(m, w): make[m](*c[:3]) for m in make for w, c in CALLS.items()}
    ffi_static.install()
    after = {(m, w): make[m](*c[:3]) for m in make for w, c in CALLS.items()}
    found = {}
    for module, workload in before:
        drive = CALLS[workload][3]
        stock = caller(library, drive, before[module, workload][1])
        ours = caller(library, drive, after[module, workload][1])
        found[module, workload] = alternate(stock, ours, seconds)
    ffi_static.install(keep_thread_state=True)
    stock = caller(library, "drive_thread", before["ctypes", "int(int)"][1])
    ours = caller(library, "drive_thread", after["ctypes", "int(int)"][1])
    found["ctypes", "foreign thread, state kept"] = alternate(stock, ours, seconds)
    stock = caller(library, "drive_thread", before["cffi", "int(int)"][1])
    ours = caller(library, "drive_thread", after["cffi", "int(int)"][1])
    found["cffi", "foreign thread"] = alternate(stock, ours, seconds)
    return found


def scaling(library: ctypes.CDLL, seconds: float) -> dict[str, dict[str, Any]]:
    """Compare the rate of two threads that call one callback with that of one thread."""
    import ffi_static

    def in_threads(address: int, threads: int) -> Callable[[int], float]:
        drive = library["drive_threads"]
        drive.argtypes = [ctypes.c_void_p, ctypes.c_long, INT]
        drive.restype = ctypes.c_longlong

        def turn(n: int) -> float:
            start = time.perf_counter()
            if drive(address, n * 128, threads) != n * 8128 * threads:
                raise SystemExit("dropin: drive_threads: a wrong answer")
            return time.perf_counter() - start

        return turn

    prototype, text, function, _ = CALLS["int(int)"]
    make = makers()
    made = {f"{m}, stock": make[m](prototype, text, function) for m in make}
    ffi_static.install(keep_thread_state=True)
    made |= {m: make[m](prototype, text, function) for m in make}
    ours = ffi_static.callback(text, function)
    made["callback()"] = ours, ours.address
    found = {}
    for name, (_made, address) in made.items():
        row = alternate(in_threads(address, 1), in_threads(address, 2), seconds, LONG)
        rates = sorted(2 / quartile for quartile in row["quartiles"])
        found[name] = {"rate": rates[1], "quartiles": rates, "ns": row["ns"] / 128}
    return found


def makers_of_ours() -> dict[str, Callable[[Any, str, Any], Any]]:
    """How ffi_static.callback() makes the same."""
    import ffi_static

    make = ffi_static.callback
    return {
        "ctypes": lambda prototype, _text, function: make(prototype, function),
        "cffi": lambda _prototype, text, function: make(text, function),
    }


def makers_of_theirs() -> dict[str, Callable[[Any, str, Any], Any]]:
    """How the modules do, when nobody asks for the address."""
    import cffi

    ffi = cffi.FFI()
    return {
        "ctypes": lambda prototype, _text, function: prototype(function),
        "cffi": lambda _prototype, text, function: ffi.callback(text, function),
    }


def worker(module: str, how: str) -> None:
    """Be one of the two processes that make callbacks: a line in is how many, one out is the time.

    As many are alive as a program has: 100 at a time.
    """
    if how == "install":
        import ffi_static

        ffi_static.install()
    maker: Any = {"callback": makers_of_ours, "plain": makers_of_theirs}.get(how, makers)
    make = maker()[module]
    prototype, text, function, _ = CALLS["int(int)"]
    gc.disable()
    for line in sys.stdin:
        left = int(line)
        start = time.process_time()
        while left > 0:
            _made = [make(prototype, text, function) for _ in range(min(left, 100))]
            del _made
            left -= 100
        print(time.process_time() - start, flush=True)


def making(module: str, seconds: float, *pair: str) -> dict[str, Any]:
    """Compare making and dropping callbacks, in two processes."""
    command = [sys.executable, __file__, "--worker", module]
    both: list[Any] = [
        subprocess.Popen([*command, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for how in pair
    ]

    def turn(process: Any) -> Callable[[int], float]:
        def ask(n: int) -> float:
            process.stdin.write(f"{n * 100}\n")
            process.stdin.flush()
            return float(process.stdout.readline()) / 100

        return ask

    try:
        result = alternate(turn(both[0]), turn(both[1]), seconds)
    finally:
        for process in both:
            process.stdin.close()
            process.wait()
    return result


def start_up() -> dict[str, Any]:
    """Time the import and install() in fresh interpreters."""
    took = []
    for _ in range(INTERPRETERS):
        command = [sys.executable, "-c", START_UP]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took.append(float(done.stdout))
    return {"ratio": statistics.median(took), "quartiles": statistics.quantiles(took, n=4)}


def report(found: dict[tuple[str, str], dict[str, Any]]) -> str:
    """Lay the results out as text."""
    lines = [f"{'':8} {'':28} {'stock, ns':>10} {'ratio':>7}  quartiles      target"]
    for (module, workload), row in found.items():
        target = TARGETS.get((module, workload))
        low, _, high = row["quartiles"]
        ns = f"{row['ns']:,.0f}" if "ns" in row else ""
        verdict = ""
        if target is not None:
            verdict = f"<= {target:.3g}: {'met' if row['ratio'] <= target else 'MISSED'}"
        lines.append(
            f"{module:8} {workload:28} {ns:>10} {row['ratio']:7.3f}  "
            f"{low:.3f}-{high:.3f}  {verdict}".rstrip()
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and print; the exit status is 0 whatever the ratios are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row (2)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "dropin.json")
    parser.add_argument("--threads", action="store_true", help="two threads against one")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        library = build(options.out.parent / "python")
        for name, row in scaling(library, options.seconds).items():
            low, rate, high = row["quartiles"]
            print(f"{name:14} {row['ns']:8,.0f} ns  {rate:.2f} of one  {low:.2f}-{high:.2f}")
        return 0
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.worker:
        worker(*options.worker)
        return 0
    library = build(options.out.parent / "python")
    found = {("both", "import and install() [ms]"): start_up()}
    for module in ("ctypes", "cffi"):
        found[module, "make and drop"] = making(module, options.seconds, "stock", "install")
        found[module, API] = making(module, options.seconds, "plain", "callback")
    gc.disable()
    found.update(calls(library, options.seconds))
    import cffi

    python = f"Python {platform.python_version()}, cffi {cffi.__version__}"
    print(f"The drop-in against stock, as ratios in one run. {python}\n")
    print(report(found))
    rows = [{"module": m, "workload": w, **row} for (m, w), row in found.items()]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"python": python, "rows": rows}, indent=2) + "\n")
    print(f"\n{options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
