# SPDX-License-Identifier: MIT
"""soak - `make soak`: eight threads make, call and free closures, for an hour or for some rounds

Two threads each use the C API, ffi_static.callback, ctypes and cffi, the last two through the
drop-in. Meanwhile the main thread forks, collects garbage, uninstalls and installs. Every call's
result is checked, in the children as well. Memory is read when all have warmed up, and when all
have ended: more than GROWTH fails, and so does a wrong result, an exception, or a child's.

The figures are printed as one line of JSON at the end, and a line a minute meanwhile.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cffi

import ffi_static

if TYPE_CHECKING:
    from collections.abc import Callable

GROWTH = 4096  # KiB of PSS, of a process that has some 20 MiB
WARM = 500  # rounds of each thread
CALLS = 20
TOTAL = sum(range(CALLS))  # of what the caller in C gives the callback


class Soak:
    """What the threads share."""

    def __init__(self, library: Path) -> None:
        """Load the part in C."""
        self.c = ctypes.CDLL(str(library))
        self.c.soak_round.restype = self.c.soak_call.restype = ctypes.c_long
        self.ffi = cffi.FFI()
        # Of strings cffi makes types under a lock of its own, which a forked child may find taken.
        self.kind, self.number = self.ffi.typeof("int(*)(int)"), self.ffi.typeof("uintptr_t")
        self.failures: list[str] = []
        self.stopping = False
        self.rounds: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.kinds = (self.in_c, self.by_callback, self.by_ctypes, self.by_cffi)

    def check(self, seen: int, expected: int, what: str) -> None:
        """Note a wrong answer."""
        if seen != expected:
            self.failures.append(f"{what}: {seen}, not {expected}")

    def in_c(self, seed: ctypes.c_uint) -> int:
        """Do one round of the C API, which answers how many calls were right."""
        calls = int(self.c.soak_round(ctypes.byref(seed)))
        if calls < 0:
            self.failures.append(f"C: {'an error' if calls == -1 else 'a wrong answer'}")
        return calls

    def by_callback(self, seed: ctypes.c_uint) -> int:
        """Do one round of ffi_static.callback."""
        made = [ffi_static.callback("int(int)", lambda x, n=n: x + n) for n in range(seed.value)]
        for n, one in enumerate(made):
            seen = self.c.soak_call(ctypes.c_void_p(one.address), CALLS)
            self.check(seen, TOTAL + n * CALLS, "callback")
        for one in made[::2]:
            one.close()
        return len(made) * CALLS

    def by_ctypes(self, seed: ctypes.c_uint) -> int:
        """Do one round of ctypes."""
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
        made = [kind(lambda x, n=n: x + n) for n in range(seed.value)]
        for n, one in enumerate(made):
            self.check(self.c.soak_call(one, CALLS), TOTAL + n * CALLS, "ctypes")
        return len(made) * CALLS

    def by_cffi(self, seed: ctypes.c_uint) -> int:
        """Do one round of cffi."""
        made: list[Any] = [
            self.ffi.callback(self.kind, lambda x, n=n: x + n) for n in range(seed.value)
        ]
        for n, one in enumerate(made):
            address = ctypes.c_void_p(int(self.ffi.cast(self.number, one)))
            self.check(self.c.soak_call(address, CALLS), TOTAL + n * CALLS, "cffi")
        return len(made) * CALLS

    def thread(self, name: str, work: Callable[[ctypes.c_uint], int], rounds: int | None) -> None:
        """Do rounds until there were enough, or until told to stop."""
        seed = ctypes.c_uint(sum(map(ord, name)))
        try:
            while not self.stopping and (rounds is None or self.rounds[name] < rounds):
                if work is not self.in_c:  # there it is a random number's
                    seed.value = 1 + (self.rounds[name] * 7) % 97
                self.calls[name] += work(seed)
                self.rounds[name] += 1
        except BaseException as error:  # whatever it is, the soak has failed
            self.failures.append(f"{name}: {error!r}")

    def child(self) -> bool:
        """Fork; the child uses everything once. Did it do well?"""
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            try:
                for work in self.kinds:
                    work(ctypes.c_uint(20))
            except BaseException as error:
                os.write(2, f"in the child: {error!r}\n".encode())
                os._exit(1)
            os._exit(bool(self.failures))
        return os.waitpid(pid, 0)[1] == 0

    def cycle(self) -> None:
        """Do what the main thread does, once."""
        if not self.child():
            self.failures.append("a forked child failed")
        gc.collect()
        ffi_static.uninstall()
        self.by_ctypes(ctypes.c_uint(3))
        self.by_cffi(ctypes.c_uint(3))
        ffi_static.install()

    def run(self, *, minutes: float | None, rounds: int | None) -> int:
        """Run all threads; how often the main thread did its part."""
        until = None if minutes is None else time.monotonic() + 60 * minutes
        said, cycles = time.monotonic(), 0
        self.stopping = False
        names = {f"{kind.__name__}-{i}": kind for kind in self.kinds for i in (1, 2)}
        self.rounds = dict.fromkeys(names, 0)
        self.calls = dict.fromkeys(names, 0)
        threads = [
            threading.Thread(target=self.thread, args=(name, kind, rounds), daemon=True)
            for name, kind in names.items()
        ]
        for one in threads:
            one.start()
        while not self.failures and any(t.is_alive() for t in threads):
            self.cycle()
            cycles += 1
            if until is not None and time.monotonic() > until:
                break
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"soak: {cycles} cycles, {sum(self.calls.values())} calls, {pss()} KiB")
        self.stopping = True
        for one in threads:
            one.join()
        return cycles


def pss() -> int:
    """Give this process' proportional set size, in KiB."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("no Pss in /proc/self/smaps_rollup")


def main() -> int:
    """Soak, and judge."""
    faulthandler.enable()
    p = argparse.ArgumentParser(prog="soak", description=__doc__)
    p.add_argument("library", type=Path, help="rounds.so")
    p.add_argument("--minutes", type=float, help="how long")
    p.add_argument("--rounds", type=int, help="or how many rounds each thread does")
    p.add_argument("--leak", type=int, default=0, help="KiB to keep, which must be found")
    a = p.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    ffi_static.install()
    soak = Soak(a.library)
    for work in soak.kinds:  # imports: a child that is forked in the middle of one waits for ever
        work(ctypes.c_uint(1))
    soak.run(minutes=None, rounds=WARM)
    start = pss()
    began = time.monotonic()
    cycles = soak.run(minutes=a.minutes, rounds=a.rounds)
    seconds = time.monotonic() - began
    kept = b"\xff" * (1024 * a.leak)
    end = pss()
    del kept
    calls = sum(soak.calls.values())
    figures: dict[str, Any] = {
        "seconds": round(seconds),
        "cycles": cycles,
        "rounds": soak.rounds,
        "calls": soak.calls,
        "all_calls": calls,
        "calls_per_second": round(calls / seconds),
        "pss_start": start,
        "pss_end": end,
        "failures": soak.failures[:5],
    }
    print(json.dumps(figures))
    if end - start > GROWTH:
        print(f"soak: memory grew by {end - start} KiB, more than {GROWTH}")
        return 1
    return bool(soak.failures)


if __name__ == "__main__":
    sys.exit(main())
