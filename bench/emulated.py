# SPDX-License-Identifier: MIT
r"""emulated - instructions per call on any architecture, counted by QEMU.

A clock in an emulator does not tell what a call costs on hardware, but a program runs the same
instructions in both. QEMU's user mode translates one instruction at a time here, and writes a line
with the function's name for each instruction that it runs (``-d nochain,exec``). callbench makes N
and 3N calls of each row and rival, with marks in between. The lines between two marks are counted
as they come. The difference of both runs, divided by 2N, is the cost of one call::

    python bench/emulated.py --run "qemu-aarch64-static -L /usr/aarch64-linux-gnu" --isa aarch64 \
        [--calls N] [--json FILE] build/aarch64/bench/callbench [option of callbench ...]

The count repeats exactly, and on x86-64 it equals callgrind's. A rival that cannot describe a row's
signature, or answers wrongly, is left out of that row and named. Exit status 3 when QEMU or
callbench fails, with the end of its output.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.instructions import CANNOT_COUNT, CountError, Counts  # noqa: E402

CALLS = 10  # enough, because every call of a row is the same
MOST_CALLS = 2000  # more than one sort makes
MARK = b"callbench_mark"
#: How a line of QEMU's log begins that is an instruction.
LINE = b"Trace "
#: QEMU's option for one instruction at a time: since 8.1, and before.
ONE_AT_A_TIME = ("-one-insn-per-tb", "-singlestep")


class Pair(NamedTuple):
    """One rival in one row: how many calls the short and the long run made."""

    row: str
    rival: str
    few: int
    more: int


class Seen(NamedTuple):
    """What one run under QEMU showed: instructions until each mark, and what callbench printed."""

    marks: list[int]
    said: str
    complaint: str


def one_at_a_time(emulator: list[str]) -> str:
    """Find out how this QEMU is told to translate one instruction at a time."""
    try:
        done = subprocess.run([*emulator, "-h"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise CountError(f"{emulator[0]} cannot be run: {error}") from error
    for option in ONE_AT_A_TIME:
        if option in done.stdout:
            return option
    raise CountError(f"{emulator[0]} has neither option of {' and '.join(ONE_AT_A_TIME)}")


def read_marks(log: IO[bytes]) -> list[int]:
    """Read QEMU's lines to their end; how many instructions had run at each entry of the mark."""
    marks: list[int] = []
    total, inside = 0, False
    for line in log:
        if not line.startswith(LINE):
            continue
        total += 1
        at_mark = line.rstrip().endswith(MARK)
        if at_mark and not inside:
            marks.append(total)
        inside = at_mark
    return marks


def run(emulator: list[str], command: list[str]) -> Seen:
    """Run a command under QEMU, its log read as it comes. Raises CountError."""
    reading, writing = os.pipe()
    options = [one_at_a_time(emulator), "-d", "nochain,exec", "-D", f"/dev/fd/{writing}"]
    marks: list[int] = []
    with (
        os.fdopen(reading, "rb", buffering=1 << 20) as log,
        subprocess.Popen(
            [*emulator, *options, *command],
            pass_fds=(writing,),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        os.close(writing)
        reader = threading.Thread(target=lambda: marks.extend(read_marks(log)))
        reader.start()
        said, complaint = process.communicate()
        reader.join()
    if process.returncode:
        raise CountError(
            f"{shlex.join(command)} under {emulator[0]} ended with status {process.returncode}:"
            f" {complaint.strip()[-600:]}"
        )
    return Seen(marks, said, complaint)


def pairs(said: str) -> list[Pair]:
    """Read what callbench said about its marks; a rival's name may have spaces."""
    found = []
    for line in said.splitlines():
        if line.startswith("marked "):
            _, row, *name, few, more = line.split()
            found.append(Pair(row, " ".join(name), int(few), int(more)))
    return found


def count(emulator: list[str], callbench: Path, arguments: list[str], calls: int = CALLS) -> Counts:
    """Count instructions per call of every row and rival. Raises CountError.

    A row that makes its calls in larger pieces, as a sort does, is counted again with more.
    """
    command = [str(callbench), *arguments, "--tolerant", "--marked", str(calls)]
    seen = run(emulator, command)
    print(seen.complaint, end="", file=sys.stderr)
    measured = pairs(seen.said)
    if not measured or len(seen.marks) != 3 * len(measured):
        raise CountError(
            f"{len(measured)} rows and rivals have {len(seen.marks)} marks, not three each"
        )
    counts: Counts = {}
    for at, pair in enumerate(measured):
        first, second, third = seen.marks[3 * at : 3 * at + 3]
        if pair.more > pair.few:
            each = ((third - second) - (second - first)) / (pair.more - pair.few)
            counts.setdefault(pair.row, {})[pair.rival] = each
    for row in dict.fromkeys(pair.row for pair in measured if pair.more <= pair.few):
        if calls >= MOST_CALLS:
            raise CountError(f"row {row}: both runs made as many calls, though {calls} were asked")
        counts.update(count(emulator, callbench, [*arguments, "--row", row], MOST_CALLS))
    return counts


def table(isa: str, counts: Counts) -> str:
    """Lay the counts out as text: a line per row, a column per rival; - where one was left out."""
    rivals = list(dict.fromkeys(name for found in counts.values() for name in found))
    lines = [f"{isa + ', instructions':<24}" + "".join(f"{name:>14.14}" for name in rivals)]
    for row, found in counts.items():
        cells = (f"{found[name]:14.1f}" if name in found else f"{'-':>14}" for name in rivals)
        lines.append(f"{row:<24}" + "".join(cells))
    return "\n".join(lines)


def main() -> int:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", required=True, help="QEMU's command, with its -L")
    parser.add_argument("--isa", required=True, help="the name of the architecture, for the table")
    parser.add_argument("--json", type=Path, help="write the counts there, too")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"calls to start with ({CALLS})")
    parser.add_argument("callbench", type=Path)
    options, rest = parser.parse_known_args()
    try:
        counts = count(shlex.split(options.run), options.callbench, rest, options.calls)
    except CountError as error:
        print(f"emulated: not counted: {error}", file=sys.stderr)
        return CANNOT_COUNT
    print(table(options.isa, counts))
    if options.json:
        options.json.write_text(json.dumps(counts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
