# SPDX-License-Identifier: MIT
"""test_emulated - instructions that QEMU counts are callgrind's, and nothing is guessed.

`make bench-isas` counts on every architecture; here x86-64, where both can count.
"""

from __future__ import annotations

import io
import platform
import shutil
import stat
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import emulated, instructions, isas  # noqa: E402
from tests.support.ctests import BUILD, build  # noqa: E402

CALLBENCH = BUILD / "bench/callbench"
SAID = "marked int_int ours 10 30\nunable complex ours\nmarked int_int libffi 3.4.8 10 30\n"


def test_count_is_callgrinds(library: Path) -> None:
    machine = platform.machine()
    qemu = f"qemu-{machine}-static"
    missing = [name for name in (qemu, "valgrind") if shutil.which(name) is None]
    if missing or machine != "x86_64":
        pytest.skip(f"{machine}; not installed: {', '.join(missing) or 'nothing'}")
    build("bench-c")
    arguments = ["--ours", str(library / "libffi_static.so.0"), "--only", "ours", "--row"]
    for row in ("void_void", "mixed10", "qsort"):
        here, there = (
            found[row]["ours"]
            for found in (
                emulated.count([qemu], CALLBENCH, [*arguments, row]),
                instructions.count(CALLBENCH, [*arguments, row]),
            )
        )
        assert here == pytest.approx(there, abs=0.005)  # of a sort, what it does beside comparing


def log(*functions: str) -> io.BytesIO:
    lines = [f"Trace 0: 0x7f00 [0/00000055000007e0/1/0] {name}\n" for name in functions]
    return io.BytesIO("".join(["qemu: a word\n", *lines]).encode())


def test_marks_are_counted_at_their_first_instruction() -> None:
    ran = log("f", "callbench_mark", "callbench_mark", "f", "f", "callbench_mark", "callbench_mark")
    assert emulated.read_marks(ran) == [2, 6]


def test_rivals_with_spaces_are_read() -> None:
    assert [pair.rival for pair in emulated.pairs(SAID)] == ["ours", "libffi 3.4.8"]


def fake(folder: Path, body: str) -> list[str]:
    """Give an emulator that is a shell script, asked for its options first."""
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n[ $1 != -h ] || {{ echo -singlestep; exit; }}\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("echo oops >&2; exit 1", "ended with status 1: oops"),
        ("true", "0 rows and rivals have 0 marks"),
        ("echo marked int_int ours 10 30", "1 rows and rivals have 0 marks"),
    ],
)
def test_what_was_not_counted_is_an_error(tmp_path: Path, body: str, complaint: str) -> None:
    with pytest.raises(instructions.CountError, match=complaint):
        emulated.count(fake(tmp_path, body), Path("callbench"), [])


def test_means_are_over_the_rows_that_all_columns_have() -> None:
    counts = {
        "a": {"system": 8.0, "ours": 2.0, "hand": 1.0},
        "b": {"system": 2.0, "ours": 2.0, "hand": 4.0},
        "c": {"ours": 100.0, "hand": 100.0},
    }
    assert isas.means(counts) == {"system": 4.0, "ours": 2.0, "hand": 2.0}
    assert "| `c` | n/a | 100 | 100 |" in isas.table("x", counts, "3.8.0")


def test_the_summary_has_means_with_and_without_long_doubles() -> None:
    counts = {
        "a": {"system": 8.0, "ours": 2.0, "hand": 1.0},
        "longdouble": {"system": 9.0, "ours": 9.0, "hand": 9.0},
    }
    line = isas.summary({"x": counts}, "3.8.0")[2]
    assert line == "| x | 8.5 |  | 4.2 | 3.0 | 2.00 | 1.41 | 2.83 | 4.00 | 2.00 |"
