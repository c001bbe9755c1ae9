#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report - merges the results of the benchmarks into one page, one table and one chart.

Reads ``c.json`` (callbench), ``instructions.json``, ``python.json`` (pytest-benchmark) and, where
the patched libffi was measured, ``ctypes.json`` from build/bench; prints one table of ratios with
the machine named, and the targets beside what was measured; writes ``report.md``, ``report.json``
and ``chart.svg`` there::

    python bench/report.py [--out build/bench] [--not-measured "what: why"]
                           [--readme README.md] [--results docs/results/benchmarks.md]

``--readme`` puts five rows, ``--results`` every table, between the marks ``<!-- bench: begin -->``
and ``<!-- bench: end -->`` of that file; ``chart.svg`` goes beside the results, and so does
``calls.svg`` with the calls alone. Exit status 1 when there is nothing to report.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.reporting import chart, machine, patched, tables, targets  # noqa: E402
from bench.reporting.page import replace_between  # noqa: E402
from bench.reporting.results import PATCHED, STOCK, Results, load  # noqa: E402

PARTS = {
    "c.json": "C calls, closures, memory",
    "instructions.json": "instructions per call",
    "python.json": "Python callbacks",
}


def read(folder: Path, excuses: list[str]) -> Results:
    """Read what is in ``folder``; what is not there is listed as not measured."""
    found = {name: load(folder / name) for name in PARTS}
    results = Results(
        c=found["c.json"] or {},
        instructions=found["instructions.json"] or {},
        python=found["python.json"] or {},
        ctypes=load(folder / "ctypes.json") or {},
    )
    results.not_measured += excuses
    for name, what in PARTS.items():
        if found[name] is None and not any(excuse.startswith(what) for excuse in excuses):
            results.not_measured.append(f"{what}: no {name}; `make bench` makes it")
    results.not_measured += _holes(results)
    return results


def _holes(results: Results) -> list[str]:
    """List what the benchmarks themselves left out, with their reasons."""
    holes = [
        f"{rival}: {reason}"
        for rival, reason in results.python.get("callbench", {}).get("not_measured", {}).items()
    ]
    if results.c.get("text_note"):
        holes.append(f"ffi_static on mapped tables (text): {results.c['text_note']}")
    for row in results.c.get("live", []):
        for name, cell in row["rivals"].items():
            if cell.get("note"):
                hole = f"{name} with {int(row['live']):,} closures live: {cell['note']}"
                if hole not in holes:
                    holes.append(hole)
    for name, cell in results.c.get("first", {}).items():
        if cell.get("syscalls_note"):
            holes.append(f"system calls of {name}: {cell['syscalls_note']}")
    return holes


def describe(results: Results) -> dict[str, str]:
    """Name the machine and everything whose version matters."""
    named = machine.describe(_compiler(results))
    for name in results.rivals(libraries=True):
        rival = results.rival(name)
        if name == results.baseline:
            named["system libffi"] = machine.libffi(rival.get("path"), rival.get("version"))
        elif rival.get("kind") == "libffi":
            base = results.ctypes.get("base") if name in (PATCHED, STOCK) else None
            version = rival.get("version") or base  # older releases do not say theirs
            named[f"rival {name}"] = f"libffi {version or 'of unknown version'}"
        elif name == "ours":
            named["ffi_static"] = f"{rival.get('version')}, closures from {_providers(results)}"
        else:
            named[f"rival {name}"] = f"ffi_static {rival.get('version')}"
    if results.python:
        info = results.python.get("machine_info", {})
        named["Python"] = f"{info.get('python_implementation')} {info.get('python_version')}"
        named["cffi"] = results.python.get("callbench", {}).get("cffi", named["cffi"])
    if results.c:
        cpu = results.c.get("cpu", -1)
        named["method"] = (
            f"rivals in turns, {results.c['rounds']:.0f} rounds of "
            f"{results.c['slice_ns'] / 1e3:.0f} µs each, medians, "
            + (f"calls in {n:.0f} processes, " if (n := results.c.get("processes")) else "")
            + (f"pinned to CPU {cpu:.0f}" if cpu >= 0 else "not pinned to a CPU")
        )
    return named


def _compiler(results: Results) -> str:
    version = str(results.c.get("compiler", ""))
    return version if not version or "lang" in version else f"gcc {version}"


def _providers(results: Results) -> str:
    used = {
        row["rivals"].get("ours", {}).get("provider", "") for row in results.c.get("calls", [])
    } - {""}
    return ", ".join(sorted(used)) or "no provider seen"


def _stock_is_system(results: Results, named: dict[str, str]) -> bool:
    base = re.escape(results.ctypes.get("base", "none"))
    return bool(re.search(rf"\b{base}\b", named.get("system libffi", "")))


def _judge(results: Results, named: dict[str, str]) -> list[targets.Verdict]:
    """Hold what was promised of the library, and of the patched libffi where it was measured.

    The system's libffi is a second copy of stock where it is the same version.
    """
    verdicts = targets.judge(results)
    if patched.measured(results.c):
        again = results.baseline if _stock_is_system(results, named) else ""
        verdicts += patched.judge(patched.Run(results.c, STOCK, again))
    return verdicts


def _verdicts(results: Results, named: dict[str, str]) -> tables.Table:
    verdicts = _judge(results, named)
    rows = [[v.target, v.wanted, v.measured, v.word] for v in verdicts]
    return tables.Table(
        "Targets", ["target", "wanted", "measured", "met?"], rows, left=frozenset({0, 1, 2, 3})
    )


def _machine_lines(named: dict[str, str]) -> str:
    return "\n".join(f"* {key}: {value}" for key, value in named.items()) + "\n"


def _warning(results: Results) -> str:
    if results.c.get("quick"):
        return "**A quick run, to try the benchmark: these numbers are not a measurement.**\n\n"
    return ""


def page(results: Results, named: dict[str, str]) -> str:
    """Write the whole report as Markdown."""
    parts = ["# What a callback costs\n", _warning(results) + _machine_lines(named)]
    parts += ["![chart](chart.svg)\n", _verdicts(results, named).markdown()]
    parts += [tables.one_table(results).markdown()]
    for table in (tables.calls, tables.live, tables.memory, tables.python, tables.ctypes):
        made = table(results)
        parts += [made.markdown()] if made.rows else []
    parts.append("## Not measured\n")
    holes = [f"* {hole}" for hole in results.not_measured]
    parts.append("\n".join(holes or ["* everything that was asked for was measured"]) + "\n")
    return "\n".join(parts)


def _where(named: dict[str, str]) -> str:
    keys = ("processor", "kernel", "distribution", "system libffi", "compiler")
    where = "; ".join(named[key] for key in keys if key in named)
    return f"{where}; {named['Python']}, cffi {named['cffi']}" if "Python" in named else where


def readme_part(results: Results, named: dict[str, str]) -> str:
    """Write the one table that the README shows."""
    parts = [_warning(results), tables.short(results).markdown()]
    return "\n".join(part for part in parts if part) + f"\n{_where(named)}."


def results_part(results: Results, named: dict[str, str]) -> str:
    """Write every table, for the page of results."""
    makers = (tables.calls, tables.live, tables.memory, tables.python, tables.ctypes)
    made = [_verdicts(results, named), *(table(results) for table in makers)]
    body = [f"Measured by `make bench` on: {_where(named)}.\n", _warning(results)]
    body += ["![all of it as bars](chart.svg)\n"]
    body += [table.markdown() for table in made if table.rows]
    return "\n".join(part for part in body if part)


def draw(results: Results, named: dict[str, str], folder: Path) -> None:
    """Write chart.svg, and calls.svg for the README."""
    caption = "; ".join(named[key] for key in ("processor", "kernel", "distribution"))
    if "system libffi" in named:
        caption += f"; {named['system libffi']}"
    (folder / "chart.svg").write_text(chart.draw(results, caption))
    (folder / "calls.svg").write_text(chart.draw(results, caption, calls_only=True))


def write(results: Results, folder: Path) -> dict[str, str]:
    """Write report.md, report.json and the charts; give the description of the machine."""
    named = describe(results)
    results.ctypes["same_as_system"] = _stock_is_system(results, named)
    (folder / "report.md").write_text(page(results, named))
    draw(results, named, folder)
    merged = {
        "format": 1,
        "machine": named,
        "targets": [asdict(verdict) for verdict in _judge(results, named)],
        "c": results.c,
        "instructions": results.instructions,
        "python": {
            "reference": results.python_reference,
            "times_the_reference": results.python_ratios(),
        },
        "ctypes": results.ctypes,
        "not_measured": results.not_measured,
    }
    (folder / "report.json").write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n")
    return named


def main() -> int:
    """Read, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", help="results' folder")
    parser.add_argument("--readme", type=Path, help="put five rows between the two marks")
    parser.add_argument("--results", type=Path, help="put every table between the two marks")
    parser.add_argument(
        "--not-measured", action="append", default=[], metavar="TEXT", help="add to that list"
    )
    options = parser.parse_args()
    try:
        results = read(options.out, options.not_measured)
        if not (results.c or results.python or results.instructions):
            print(f"report: nothing was measured in {options.out}: `make bench`", file=sys.stderr)
            return 1
        named = write(results, options.out)
        for page_, part in ((options.readme, readme_part), (options.results, results_part)):
            if page_:
                replace_between(page_, "bench", part(results, named))
        if options.results:
            draw(results, named, options.results.parent)
    except (OSError, ValueError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    print(tables.one_table(results).text())
    print("\n".join(f"{key:>14}: {value}" for key, value in named.items()) + "\n")
    print(_verdicts(results, named).text())
    for hole in results.not_measured:
        print(f"not measured: {hole}")
    print(_warning(results), end="")
    print(f"written to {options.out}: report.md, report.json, chart.svg, calls.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
