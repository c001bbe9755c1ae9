# SPDX-License-Identifier: MIT
"""peers - the command line: ``python -m tests.peers [run|table|both]``

``python -m tests.peers [run|table|both] [--only REGEX] [--mode MODE ...]``

Earlier runs are kept (see suites.py). The exit status is 0 when every test that passes with stock
passes with the drop-in, with and without the policy, and no test ends differently.
"""

from __future__ import annotations

import argparse
import re
import sys

from . import programs
from .modes import MODES
from .places import pythons
from .suites import Suite, perform, state
from .table import differences, render

#: cffi as wheels: two current versions on every interpreter, older versions on one.
CFFI, CFFI_NEWEST, CFFI_OLD = "2.0.0", "2.1.1", ("1.17.1", "1.15.1")


def reference() -> str:
    """Name the interpreter for long suites and old wheels: a 3.11 if there is one."""
    names = list(pythons())
    if not names:
        sys.exit("peers: no CPython from 3.9 to 3.14 that can make environments was found")
    return next((name for name in names if name.startswith("3.11.")), names[-1])


def suites() -> list[Suite]:
    """Every suite for the interpreters of this machine, the quick ones first."""
    found = [Suite("ctypes", python, CFFI) for python in pythons()]
    found += [Suite("test_c", python, CFFI) for python in pythons()]
    newer = [p for p in pythons() if not p.startswith("3.9.")]  # 2.1 wants 3.10
    found += [Suite("test_c", python, CFFI_NEWEST) for python in newer]
    long = reference()
    old = [cffi for cffi in CFFI_OLD if long.startswith("3.11.")]
    found += [Suite("test_c", long, cffi) for cffi in old]
    peers = ("cffi0", "cffi1")
    found += [Suite(peer, long, cffi) for cffi in (CFFI, CFFI_NEWEST) for peer in peers]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="The peers' suites, stock and with the drop-in.")
    parser.add_argument("what", nargs="?", default="both", choices=("run", "table", "both"))
    parser.add_argument("--only", default="", metavar="REGEX", help="suites by their names")
    parser.add_argument("--mode", action="append", choices=tuple(MODES), help="default: all four")
    options = parser.parse_args()
    chosen = [suite for suite in suites() if re.search(options.only, suite.name)]
    if not chosen and not re.search(options.only, "packages"):
        parser.error(
            f"--only {options.only}: no suite has such a name; there are packages and "
            + ", ".join(suite.name for suite in suites())
        )
    if options.what != "table":
        for suite in chosen:
            for mode in options.mode or MODES:
                if state(suite, mode) != "done":
                    print(f"{suite.name}, {mode} ...", flush=True)
                    perform(suite, mode)
        if re.search(options.only, "packages") and not options.mode:
            programs.perform(reference(), CFFI)
        if options.what == "run":
            return 0
    print(render(chosen))
    wrong = differences(chosen)
    if re.search(options.only, "packages"):
        rows, more = programs.table()
        print(f"\n{rows}")
        wrong += more
    print("\n".join(wrong) or "Every test ends with the drop-in as it does stock.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
