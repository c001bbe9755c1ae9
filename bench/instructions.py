#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""instructions - instructions per call, counted by valgrind's callgrind.

Times differ from run to run. These counts repeat exactly, so they show a regression of one
instruction. callbench makes N and 3N calls per row and rival, with marks in between. callgrind
writes its counter out at each mark. The difference, divided by 2N, is the cost of one call. It
contains the caller's loop, and nothing else around the call. One valgrind run counts all rows and
rivals, in a few seconds::

    python bench/instructions.py [--json FILE] [--row ID] [--only RIVAL] [--lib NAME=PATH]

Exit status 3, with what to do, when valgrind is missing or cannot run the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CALLS = 2000
CANNOT_COUNT = 3

Counts = dict[str, dict[str, float]]  # row -> rival -> instructions per call


class CountError(RuntimeError):
    """Instructions could not be counted; the text says why and what to do."""


class Marked(NamedTuple):
    """One rival in one row: callgrind's dumps of a short and of a long run, and their lengths."""

    row: str
    rival: str
    few: int
    more: int
    short: Path
    long: Path

    def each(self, few: float, more: float) -> float:
        """Give what one call costs, where the short run costs ``few`` and the long one ``more``."""
        return (more - few) / (self.more - self.few)


def _total(path: Path) -> int:
    """Read how many instructions one dump of callgrind counted."""
    found = re.search(r"^summary: (\d+)", path.read_text(errors="replace"), re.MULTILINE)
    if not found:
        raise CountError(f"{path.name} of callgrind has no summary line: a version we do not know")
    return int(found.group(1))


def _marks(folder: Path, output: str) -> Iterator[Marked]:
    """Match what callbench said about its marks with callgrind's dumps, three for each pair."""
    lines = [line.split() for line in output.splitlines() if line.startswith("marked ")]
    if not lines:
        raise CountError("callbench measured no row under valgrind")
    for index, (_, row, rival, few, more) in enumerate(lines):
        if int(more) <= int(few):
            raise CountError(f"row {row}: both runs made {few} calls; take a larger --calls")
        short, long = (folder / f"counts.{3 * index + n}" for n in (2, 3))
        yield Marked(row, rival, int(few), int(more), short, long)


def record(callbench: Path, arguments: list[str], folder: Path, provider: str = "") -> list[Marked]:
    """Run callbench once under callgrind, its dumps in ``folder``; ``provider`` is ours to ask.

    Raises CountError when valgrind is not there, cannot run callbench, or answers something else.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CountError("valgrind is not installed: apt install valgrind (or your system's name)")
    command = [valgrind, "-q", "--tool=callgrind", "--dump-before=callbench_mark"]
    command += ["--compress-strings=no", "--compress-pos=no"]  # so that each line is complete
    command += [f"--callgrind-out-file={folder}/counts", str(callbench), *arguments]
    env = {**os.environ, **({"FFI_STATIC_PROVIDER": provider} if provider else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        raise CountError(
            f"valgrind ended with status {done.returncode}: {done.stderr.strip()[-600:]}"
        )
    return list(_marks(folder, done.stdout))


def count(callbench: Path, arguments: list[str], calls: int = CALLS) -> Counts:
    """Count instructions per call of every row and rival that ``arguments`` of callbench choose.

    Raises CountError as record() does.
    """
    counts: Counts = {}
    with tempfile.TemporaryDirectory(prefix="callgrind.") as folder:
        for mark in record(callbench, [*arguments, "--marked", str(calls)], Path(folder)):
            each = mark.each(_total(mark.short), _total(mark.long))
            counts.setdefault(mark.row, {})[mark.rival] = each
    return counts


def table(counts: Counts) -> str:
    """Lay the counts out as text: a line per row, a column per rival."""
    rivals = list(next(iter(counts.values())))
    lines = [f"{'instructions per call':<24}" + "".join(f"{name:>14.14}" for name in rivals)]
    for row, found in counts.items():
        cells = "".join(f"{found[name]:14.1f}" for name in rivals)
        lines.append(f"{row:<24}{cells}")
    return "\n".join(lines)


def main() -> int:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callbench", type=Path, default=ROOT / "build/bench/callbench")
    parser.add_argument("--json", type=Path, help="write the counts there, too")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"calls to start with ({CALLS})")
    options, rest = parser.parse_known_args()
    try:
        counts = count(options.callbench, rest, options.calls)
    except CountError as error:
        print(f"instructions: not counted: {error}", file=sys.stderr)
        return CANNOT_COUNT
    print(table(counts))
    if options.json:
        options.json.write_text(json.dumps(counts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
