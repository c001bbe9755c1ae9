# SPDX-License-Identifier: MIT
"""test_instructions - a call and a closure cost the instructions that bench/instructions.tsv says.

callgrind counts; nothing here is a time. bench/guard.py says what is compared, and why.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import guard  # noqa: E402
from tests.support.ctests import BUILD, build  # noqa: E402
from tests.support.process import output, run  # noqa: E402

CALLBENCH = BUILD / "bench/callbench"
THEN = guard.read()


@pytest.fixture(scope="module")
def count(library: Path) -> guard.Table:
    """Count every row again, or skip with what is missing."""
    if platform.machine() != "x86_64":
        pytest.skip(f"the table is of x86-64; this machine is {platform.machine()}")
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed (`sh .ci/packages` names the package)")
    so = library / "libffi_static.so.0"
    compiler = guard.compiler_of(so)
    if compiler.startswith("unknown"):
        pytest.skip(f"assembly and C cannot be told apart: {compiler}")
    build("bench-c")
    counts: guard.Counts = {}
    for kind in guard.KINDS:
        counts.update(guard.count(CALLBENCH, so, kind))
    return guard.Table(compiler, counts)


def test_assembly_costs_what_the_table_says(count: guard.Table) -> None:
    found = guard.compare(THEN.counts, count.counts, c=False)
    assert not found, "\n".join([*found, guard.RENEW])


def test_c_costs_what_the_table_says(count: guard.Table) -> None:
    if count.compiler != THEN.compiler:
        pytest.skip(f"compiled by {count.compiler}; the table's counts are of {THEN.compiler}")
    found = guard.compare(THEN.counts, count.counts, assembly=False)
    assert not found, "\n".join([*found, guard.RENEW])


def test_table_has_every_row_of_the_benchmark(library: Path) -> None:
    build("bench-c")
    command: list[str | Path] = [CALLBENCH, "--ours", library / "libffi_static.so.0", "--list"]
    listed = output(command)
    rows = re.findall(r"^row (\S+)", listed, re.MULTILINE)
    assert list(THEN.counts) == [(kind, row) for kind in guard.KINDS for row in rows]


def _planted(library: Path, folder: Path, source: str, line: str) -> Path:
    """Give a copy of the library with one assembly file changed: a nop behind `line`."""
    arch = ROOT / "csrc/arch/x86_64"
    text = (arch / source).read_text()
    assert text.count(line) == 1, f"{source} has not one line {line!r}: plant it elsewhere"
    changed = folder / source
    changed.write_text(text.replace(line, line + "    nop\n"))
    objects = [
        path
        for path in sorted((library.parent / "obj").rglob("*.o"))
        if path.name != f"{source}.o" and path.with_suffix("").suffix in {".c", ".S"}
    ]
    planted = folder / "libffi_static.so.0"
    command: list[str | Path] = ["gcc", "-g", "-shared", "-pthread", "-fcf-protection=full"]
    command += [f"-I{ROOT / 'csrc'}", f"-I{arch}", changed, *objects, "-o", planted]
    run(command)
    return planted


@pytest.mark.parametrize(
    ("source", "line", "kind"),
    [
        ("entry.S", ".macro fs_scalar_call ret, avalue\n", "call"),
        ("table.S", ".macro fs_enter\n", "mapped"),
    ],
)
def test_one_more_instruction_is_found(
    source: str, line: str, kind: str, count: guard.Table, library: Path, tmp_path: Path
) -> None:
    key = (kind, "int_int")
    changed = _planted(library, tmp_path, source, line)
    now = guard.count(CALLBENCH, changed, *key)
    assert now[key].assembly == count.counts[key].assembly + 1
    (said,) = guard.compare({key: count.counts[key]}, now)
    assert said.startswith(f"{kind} int_int: {now[key].assembly:g} instructions of assembly")


def test_rows_are_compared_within_the_tolerance_and_no_further() -> None:
    then = {("made", "int_int"): guard.Spent(0, 300), ("call", "int_int"): guard.Spent(100, 0)}
    near = {("made", "int_int"): guard.Spent(0, 305), ("call", "int_int"): guard.Spent(100, 0)}
    far = {("made", "int_int"): guard.Spent(0, 307), ("call", "int_int"): guard.Spent(101, 0)}
    assert guard.compare(then, near) == []
    assert guard.compare(then, far) == [
        "made int_int: 307 instructions of C, the table says 300 (+2.3%)",
        "call int_int: 101 instructions of assembly, the table says 100 (+1.0%)",
    ]
    assert guard.compare(then, {}) == [
        "made int_int: not counted any more",
        "call int_int: not counted any more",
    ]
    assert guard.compare({}, near)[0] == "made int_int: not in the table"


def test_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = guard.Table("gcc 12 -O2", {("call", "int_int"): guard.Spent(16, 0.5)})
    guard.write(table, tmp_path / "table.tsv")
    assert guard.read(tmp_path / "table.tsv") == table
