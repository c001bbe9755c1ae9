# SPDX-License-Identifier: MIT
"""patched - cffi with patches/cffi, on the patched libffi: its own suites, and a fork

``python -m tests.peers.patched LIBFFI [--only REGEX]``      LIBFFI: build/libffi/bookworm

Each suite runs with PyPI's wheel, and with the patched cffi plainly and under the strict policy of
strict.py. The last two must end, test by test, as the first does. Besides, a program that forks
tells where its callbacks are; it runs on the stock libffi, too, where cffi's own way must be taken.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from tests.support import process

from .__main__ import CFFI, CFFI_NEWEST, CFFI_OLD, reference
from .modes import HERE, outcomes
from .places import PATCHED, with_patched
from .suites import Suite, perform, results, state
from .table import GOOD, cell, compare

PEERS = ("test_c", "cffi0", "cffi1")
MODES = ("stock", "stock-strict")  # without the drop-in
#: What forks.py prints: the closures' way, and cffi's own.
OURS, THEIRS = "right, W+X mappings: 0", "right, W+X mappings: 1"


def forks(python: Path, libffi: Path) -> list[str]:
    """Run the program that forks, on three libraries; name what is not as it should be."""
    ways = {
        ("patched libffi", libffi / "lib", ""): (0, OURS),
        ("patched libffi, strict", libffi / "lib", "strict"): (0, OURS),
        ("stock libffi", libffi / "stock/lib", ""): (0, THEIRS),
        ("stock libffi, strict", libffi / "stock/lib", "strict"): (
            1,
            "Cannot allocate write+execute",
        ),
    }
    wrong = []
    for (name, library, strict), (status, said) in ways.items():
        command: list[str | Path] = [sys.executable, HERE / "strict.py"] if strict else []
        command += [python, HERE / "forks.py"]
        env = {"LD_LIBRARY_PATH": str(library)}
        done = process.run(command, status=None, env=env, without=("FFI_STATIC_", "PYTHON"))
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        print(f"  fork, {name}: {last}")
        if done.returncode != status or said not in last:
            wrong.append(f"fork, {name}: status {done.returncode}: {last}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("libffi", type=Path, help="a build of the patched libffi")
    parser.add_argument("--only", default="", metavar="REGEX", help="suites by their names")
    options = parser.parse_args()
    libffi, python, wrong = options.libffi.resolve(), reference(), []
    for cffi in (*CFFI_OLD, CFFI, CFFI_NEWEST):
        chosen = [p for p in PEERS if re.search(options.only, f"{p}-{cffi}")]
        if not chosen:
            continue
        interpreter, new = with_patched(python, cffi, libffi)
        print(f"cffi {cffi}, {python}")
        wrong += [f"{cffi} {each}" for each in forks(interpreter, libffi)]
        for peer in chosen:
            stock, patched = Suite(peer, python, cffi), Suite(peer, python, cffi + PATCHED)
            if new:
                shutil.rmtree(patched.folder("stock").parent, ignore_errors=True)
            for suite, mode in [(stock, "stock"), *((patched, mode) for mode in MODES)]:
                if state(suite, mode) != "done":
                    perform(suite, mode, libffi if suite is patched else None)
                print(f"  {suite.name}, {mode}: {cell(suite, mode)}", flush=True)
            told = results(stock, "stock")
            if sum(outcome in GOOD for outcome, _ in told.values()) < 100:
                wrong.append(f"{stock.name}: hardly a test passed, so nothing was tested")
            for mode in MODES:
                found = compare(told, outcomes(patched.folder(mode)))
                wrong += [f"{patched.name} {mode}: {each}" for each in found]
    print("\n".join(wrong) or "Every test ends with the patched cffi as with the wheel.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
