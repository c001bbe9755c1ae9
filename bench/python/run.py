#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run - measures every Python callback against the hand-written one, in about a minute.

Builds what is missing (once), runs the benchmark in ``bench/python`` with a progress line, prints
one table of ratios and leaves ``build/bench/python.json`` for the report. Run it with the
interpreter that has ffi_static, cffi, pytest and pytest-benchmark::

    python bench/python/run.py [--seconds-per-workload 5] [--build-dir build]

The exit status is pytest's: 0 when every rival that this machine can run gave right answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def measure(build_dir: Path, seconds: float, json_file: Path) -> int:
    """Run the benchmark; its exit status. The JSON is written when it ends."""
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.unlink(missing_ok=True)
    arguments = [str(HERE), f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-q"]
    arguments += ["-p", "no:cacheprovider", f"--build-dir={build_dir}"]
    arguments += [f"--race-seconds={seconds}", f"--benchmark-json={json_file}"]
    # A failed race is reported by its test, not by the warning that there is nothing to save.
    arguments += ["--benchmark-quiet", "--no-header", "-W", "default::UserWarning"]
    return int(pytest.main(arguments))


def table(results: dict[str, Any]) -> str:
    """Lay the ratios out as text: a row per rival, a column per workload, the reference being 1.

    Below each workload stands what one call of the reference takes, in nanoseconds.
    """
    cells: dict[str, dict[str, str]] = {}
    reference: dict[str, str] = {}
    for benchmark in results["benchmarks"]:
        info, workload = benchmark["extra_info"], benchmark["group"]
        cells.setdefault(info["rival"], {})[workload] = f"{info['reference_ratio']:.2f}"
        if info["rival"] == info["reference"]:
            reference[workload] = f"{benchmark['stats']['median'] * 1e9:,.0f} ns"
    first = max(map(len, cells))
    widths = [max(len(workload), 9) for workload in reference]
    lines = [_row("", list(reference), first, widths)]
    for rival, found in cells.items():
        lines.append(_row(rival, [found.get(w, "-") for w in reference], first, widths))
    lines.append(_row("one call of the reference", list(reference.values()), first, widths))
    return "\n".join(lines)


def _row(name: str, values: list[str], first: int, widths: list[int]) -> str:
    columns = [value.rjust(width) for value, width in zip(values, widths)]
    return "  ".join([name.ljust(first), *columns])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds-per-workload", type=float, default=5.0, metavar="S")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    json_file = options.build_dir.resolve() / "bench" / "python.json"
    status = measure(options.build_dir.resolve(), options.seconds_per_workload, json_file)
    if not json_file.exists():
        print(f"bench/python: nothing was measured (pytest ended with {status})", file=sys.stderr)
        return status or 1
    results = json.loads(json_file.read_text())
    machine = results["machine_info"]
    print("\nTime of a callback as a ratio to the hand-written C-API callback of the same run.")
    print(f"Python {machine['python_version']}, cffi {results['callbench']['cffi']}\n")
    print(table(results))
    for rival, reason in results["callbench"]["not_measured"].items():
        print(f"not measured: {rival}: {reason}")
    print(f"\n{json_file}")
    return status


if __name__ == "__main__":
    sys.exit(main())
