#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""guard - instructions of ours per call and per closure made, held against a committed table.

``bench/instructions.tsv`` says what one call and one alloc, prep and free cost inside our library,
for every row of the benchmark. `make test` counts again and compares, so a change cannot make the
machine do more unless its commit renews the table::

    make bench-instructions                                write the table
    python bench/guard.py [--callbench FILE] [--library FILE]     compare; exit status 1: different

The caller's loop, the handler and the C library are not counted, because they differ with the
compiler and the machine. The rest of a call is the trampoline and the entry. Both are assembly,
with the same instructions everywhere, so their counts must be equal. The library's C code is
compared within 2 %, and only where the compiler is the one that the table names.

Exit status 3, with what to do, when nothing could be counted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.instructions import CANNOT_COUNT, CountError, record  # noqa: E402

TABLE = ROOT / "bench/instructions.tsv"
TOLERANCE = 0.02  # of what a compiler made
RENEW = "`make bench-instructions` writes bench/instructions.tsv again; the commit says why"

#: What is counted -> callbench's option, how many, and the provider of ours that is asked.
KINDS = {
    "call": ("--marked", 1000, ""),  # a trampoline of the resident table
    "mapped": ("--marked", 1000, "memfd"),  # the same through the template, which is every table's
    "made": ("--remade", 500, ""),  # alloc, prep and free
}


class Spent(NamedTuple):
    """Instructions inside our library: of its assembly, and of its C."""

    assembly: float
    c: float


Counts = dict[tuple[str, str], Spent]  # (kind, row) -> per call or closure


class Table(NamedTuple):
    """The table: which compiler made the C, and the counts."""

    compiler: str
    counts: Counts


def compiler_of(library: Path) -> str:
    """Name what compiled a library, as far as it counts here: ``gcc 12 -O2``.

    The debugging information names it. Without that, the answer says why there is no name.
    """
    command = ["readelf", "--debug-dump=info", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = re.findall(r"DW_AT_producer.*: (.*)", done.stdout)
    made = [s for s in said if "GNU AS" not in s and "assembler" not in s]
    if not made:
        return "unknown (the library has no debugging information; CFLAGS without -g?)"
    found = re.search(r"(GNU C|clang)\S*(?: version)? (\d+)\.", made[0])
    if found is None:
        return f"unknown ({made[0]})"
    level = re.findall(r" (-O\S*)", made[0])[-1:]
    hardening = re.findall(r" (-fstack-protector\S*)", made[0])  # some distributions' default
    return " ".join(["gcc" if found[1] == "GNU C" else "clang", found[2], *level, *hardening])


def _spent(dump: Path, library: Path) -> Spent:
    """Sum up what one dump of callgrind counted inside the library and inside mapped tables."""
    spent = {"assembly": 0, "c": 0}
    ours, kind, inclusive = False, "assembly", False
    for line in dump.read_text(errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key == "ob":
            ours = value in {str(library), "???"}  # mapped code belongs to no object file
        elif key in {"fl", "fi", "fe"}:
            # Entries, which macros make, have no line in any file. One header is assembly.
            c = value.endswith((".c", ".h")) and not value.endswith("/arch/table_code.h")
            kind = "c" if c else "assembly"
        elif key == "calls":
            inclusive = True  # the next line is the cost of a callee, which is counted elsewhere
        elif line[:1].isdigit():
            if ours and not inclusive:
                spent[kind] += int(line.split()[1])
            inclusive = False
    return Spent(spent["assembly"], spent["c"])


def count(callbench: Path, library: Path, kind: str, row: str = "") -> Counts:
    """Count one kind for one row, or for all. Raises CountError."""
    option, times, provider = KINDS[kind]
    arguments = ["--ours", str(library), "--only", "ours", option, str(times)]
    arguments += ["--row", row] if row else []
    counts: Counts = {}
    with tempfile.TemporaryDirectory(prefix="callgrind.") as folder:
        for mark in record(callbench, arguments, Path(folder), provider):
            few, more = (_spent(dump, library.resolve()) for dump in (mark.short, mark.long))
            each = Spent(*(round(mark.each(*pair), 2) for pair in zip(few, more)))
            # Making closures is C; a linker's stub on the way is the compiler's choice as well.
            made = kind == "made"
            counts[kind, mark.row] = Spent(0, round(sum(each), 2)) if made else each
    return counts


def write(table: Table, path: Path = TABLE) -> None:
    """Write the table."""
    lines = [
        "# instructions.tsv - instructions of ours per call and per closure made (x86-64)",
        "# Generated by `make bench-instructions`; compared by tests/bench/test_instructions.py.",
        f"# compiler: {table.compiler}",
        "# kind\trow\tassembly\tC",
        *(f"{kind}\t{row}\t{s.assembly:g}\t{s.c:g}" for (kind, row), s in table.counts.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path = TABLE) -> Table:
    """Read the table."""
    text = path.read_text(encoding="utf-8")
    compiler = re.search(r"^# compiler: (.*)$", text, re.MULTILINE)
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return Table(
        compiler[1] if compiler else "unknown",
        {(kind, row): Spent(float(a), float(c)) for kind, row, a, c in rows},
    )


def _differs(name: str, what: str, then: float, now: float, allowed: float) -> list[str]:
    if abs(now - then) <= allowed:
        return []
    change = f" ({(now - then) / then:+.1%})" if then else ""
    return [f"{name}: {now:g} instructions of {what}, the table says {then:g}{change}"]


def compare(then: Counts, now: Counts, *, assembly: bool = True, c: bool = True) -> list[str]:
    """List which rows differ and by how much; nothing when all agree."""
    found = [f"{kind} {row}: not counted any more" for kind, row in then if (kind, row) not in now]
    for key, spent in now.items():
        name = " ".join(key)
        if key not in then:
            found.append(f"{name}: not in the table")
            continue
        if assembly:
            found += _differs(name, "assembly", then[key].assembly, spent.assembly, 0.05)
        if c:
            allowed = max(0.05, then[key].c * TOLERANCE)
            found += _differs(name, "C", then[key].c, spent.c, allowed)
    return found


def main() -> int:
    """Count; write or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callbench", type=Path, default=ROOT / "build/bench/callbench")
    parser.add_argument("--library", type=Path, default=ROOT / "build/lib/libffi_static.so.0")
    parser.add_argument("--write", action="store_true", help="write the table, do not compare")
    options = parser.parse_args()
    now = Table(compiler_of(options.library), {})
    try:
        for kind in KINDS:
            now.counts.update(count(options.callbench, options.library, kind))
    except CountError as error:
        print(f"guard: not counted: {error}", file=sys.stderr)
        return CANNOT_COUNT
    if options.write:
        write(now)
        print(f"{TABLE.relative_to(ROOT)}: {len(now.counts)} rows, compiler {now.compiler}")
        return 0
    then = read()
    same_compiler = then.compiler == now.compiler
    if not same_compiler:
        print(f"guard: C is not compared: {now.compiler} here, {then.compiler} in the table")
    found = compare(then.counts, now.counts, c=same_compiler)
    print("\n".join([*found, RENEW] if found else ["guard: every row is as in the table"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
