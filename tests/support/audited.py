# SPDX-License-Identifier: MIT
"""audited - run a script while looking at its memory map, also from inside its callbacks.

``python audited.py REPORT script.py argument...`` runs the script as ``__main__`` and looks at
/proc/self/maps at the 1st, 2nd, 4th, 8th, ... call of every function that the script defines, and
once more at the end. C calls a callback like any other function of the script, so the map is read
while trampolines are in use. REPORT is written as JSON: the number of looks, the functions from
which they were made, the findings (which should be none), and whether MDWE was in force.

The profile hook sees the main thread and threads made by ``threading``, not a pthread that C made.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
policies = importlib.import_module("policies")  # its neighbour: no package when run as a script


def writable_code(maps: str | None = None) -> list[str]:
    """List what is wrong in ``maps`` (default: this process's): pages writable and executable.

    A shared writable mapping of a file that is also mapped executable counts: it is the same page
    under a second address.
    """
    text = Path("/proc/self/maps").read_text() if maps is None else maps
    rows = [line.split(None, 5) for line in text.splitlines()]
    executable = {(row[3], row[4]) for row in rows if "x" in row[1] and row[4] != "0"}
    found = []
    for row in rows:
        mode, name = row[1], row[5] if len(row) > 5 else "anonymous"
        if "w" in mode and "x" in mode:
            found.append(f"{row[0]} {mode} {name}: writable and executable")
        elif "w" in mode and "s" in mode and (row[3], row[4]) in executable:
            found.append(f"{row[0]} {mode} {name}: writable alias of executable pages")
    return found


class Audit:
    """Looks taken so far, and what they found."""

    def __init__(self, script: str) -> None:
        """Watch the functions of ``script``."""
        self._script = script
        self._calls: Counter[str] = Counter()
        self._looks = 0
        self._findings: dict[str, None] = {}

    def look(self) -> None:
        """Read the map now."""
        self._looks += 1
        self._findings.update(dict.fromkeys(writable_code()))

    def profile(self, frame: Any, event: str, _argument: Any) -> None:
        """Be the profile hook: look at calls number 1, 2, 4, ... of each of the functions."""
        code = frame.f_code
        if event != "call" or code.co_filename != self._script:
            return
        self._calls[code.co_name] += 1
        count = self._calls[code.co_name]
        if count & (count - 1) == 0:
            self.look()

    def report(self) -> dict[str, Any]:
        """Sum up."""
        return {
            "pid": os.getpid(),
            "looks": self._looks,
            "functions": dict(self._calls),
            "findings": list(self._findings),
            "mdwe": policies.mdwe_is_set(),
        }


def main() -> None:
    """Run the script under audit."""
    report, script = Path(sys.argv[1]), sys.argv[2]
    audit = Audit(script)

    def finish() -> None:
        sys.setprofile(None)
        audit.look()
        report.write_text(json.dumps(audit.report()))

    atexit.register(finish)
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(script).parent)
    sys.setprofile(audit.profile)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
