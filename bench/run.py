#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run - `make bench`: runs every benchmark, one after the other, and writes the report.

A step that fails does not stop the others: the report says what was not measured and why, and the
exit status is 1. Nothing runs side by side, because a benchmark wants the machine for itself. ::

    python bench/run.py [--quick] [--build build] [--libs "name=path ..."] [--suite bookworm]

Where `make libffi` has built them, the patched libffi of the suite, its stock and upstream's
static trampolines are rivals: in C in the same process as the others, and below ctypes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import instructions, libffi, processes  # noqa: E402
from bench.reporting.results import STOCK  # noqa: E402

STEPS = 5
EXCUSE = "the patched libffi, its stock and upstream's"
ROUNDS = 9  # of ctypes: a process for each library, in turns


class Run:
    """The steps, their progress line, and what could not be measured."""

    def __init__(
        self, build: Path, libs: list[str], suite: str, python: str, *, quick: bool
    ) -> None:
        """Prepare the folder of results; older results are removed, so none is mistaken for new."""
        self.out = build / "bench"
        self.build = build
        self.quick = quick
        self.excuses: list[str] = []
        self._started = time.monotonic()
        self.callbench = self.out / "callbench"
        self.arguments = ["--ours", str(build / "lib/libffi_static.so.0")]
        self.suite, self.ctypes_python = suite, python
        self.libraries = self._libraries()
        rivals = {name: str(path) for name, path in self.libraries.items()}
        named = {lib.partition("=")[0] for lib in libs}
        libs = [*(f"{name}={path}" for name, path in rivals.items() if name not in named), *libs]
        for lib in libs:
            self.arguments += ["--lib", lib]
        for name in ("c.json", "instructions.json", "python.json", "ctypes.json"):
            (self.out / name).unlink(missing_ok=True)

    def _libraries(self) -> dict[str, Path]:
        """Name the patched libffi and its rivals, or excuse them."""
        try:
            return libffi.libraries(self.build, self.suite, STOCK)
        except libffi.BenchError as error:
            self.excuses.append(f"{EXCUSE}: {error}")
            return {}

    def say(self, step: int, text: str) -> None:
        """Show which step runs, and since when."""
        spent = time.monotonic() - self._started
        print(f"[{step}/{STEPS}] {spent:4.0f} s  {text}", file=sys.stderr, flush=True)

    def _run(self, what: str, command: list[str], log: str | None = None) -> None:
        """Run a step; its tables go to a file when the report shows the same numbers."""
        with (self.out / log).open("w") if log else nullcontext() as output:
            done = subprocess.run(command, check=False, cwd=ROOT, stdout=output)
        if done.returncode != 0:
            self.excuses.append(f"{what}: ended with status {done.returncode}; see its message")

    def c(self) -> None:
        """Measure calls, many closures, memory and the first closure."""
        self.say(1, "C: calls, many closures, memory, first closure (two minutes)")
        command = [str(self.callbench), *self.arguments]
        # Its own file, so that the dynamic linker makes a second instance of it.
        ours = self.build / "lib/libffi_static.so.0"
        if ours.exists():
            command += ["--text", str(shutil.copy(ours, self.out / "libffi_static.text.so.0"))]
        command += ["--quick"] if self.quick else []
        made = self.out / "c.json"
        self._run("C calls, closures, memory", [*command, "--json", str(made)], log="c.txt")
        if self.quick or not made.exists():
            return
        try:
            processes.measure_again(command, made)
        except processes.ProcessError as error:
            self.excuses.append(f"C calls in other processes: {error}")

    def instructions(self) -> None:
        """Count instructions per call, where valgrind is there."""
        self.say(2, "C: instructions per call, with callgrind (a few seconds)")
        try:
            counts = instructions.count(self.callbench, self.arguments)
        except instructions.CountError as error:
            self.excuses.append(f"instructions per call: {error}")
            print(f"not counted: {error}", file=sys.stderr)
            return
        (self.out / "instructions.json").write_text(json.dumps(counts, indent=1) + "\n")

    def python(self) -> None:
        """Measure Python callbacks; bench/python builds what it needs, once."""
        self.say(3, "Python: every kind of callback, in turns (a minute)")
        command = [sys.executable, "-m", "pytest", "bench/python", "-q", "--no-header"]
        command += ["-p", "no:cacheprovider", "--benchmark-quiet", f"--build-dir={self.build}"]
        command += [f"--benchmark-json={self.out / 'python.json'}"]
        self._run("Python callbacks", command + (["--race-seconds=0.3"] if self.quick else []))

    def ctypes(self) -> None:
        """Measure ctypes on the patched libffi, on stock and on upstream's."""
        self.say(4, "Python: ctypes on each libffi, in turns (half a minute)")
        if not self.libraries:
            return
        base = (self.build / "libffi" / self.suite / "version").read_text().strip()
        rounds = 2 if self.quick else ROUNDS
        try:
            found = libffi.measure_ctypes(self.ctypes_python, self.libraries, rounds)
        except libffi.BenchError as error:
            self.excuses.append(f"ctypes on the patched libffi: {error}")
            return
        merged = {"suite": self.suite, "base": base, "ctypes": found}
        (self.out / "ctypes.json").write_text(json.dumps(merged, indent=1) + "\n")

    def report(self) -> int:
        """Write and print the report; its exit status."""
        self.say(5, "report")
        command = [sys.executable, str(ROOT / "bench/report.py"), "--out", str(self.out)]
        for excuse in self.excuses:
            command += ["--not-measured", excuse]
        return subprocess.run(command, check=False, cwd=ROOT).returncode


def main() -> int:
    """Run all steps."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build tree")
    parser.add_argument("--libs", default="", help='more libffi-compatible rivals: "name=path ..."')
    parser.add_argument("--quick", action="store_true", help="seconds: to try it, no measurement")
    parser.add_argument("--suite", default="bookworm", help="whose patched and stock libffi")
    parser.add_argument("--ctypes-python", default="python3", help="whose ctypes runs on them")
    options = parser.parse_args()
    run = Run(
        options.build.resolve(),
        options.libs.split(),
        options.suite,
        options.ctypes_python,
        quick=options.quick,
    )
    run.c()
    run.instructions()
    run.python()
    run.ctypes()
    status = run.report()
    lacking = ("valgrind is not installed", EXCUSE, "is not linked with libffi.so.8")
    return 1 if status or [e for e in run.excuses if not any(x in e for x in lacking)] else 0


if __name__ == "__main__":
    sys.exit(main())
