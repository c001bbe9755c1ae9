#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libffi - `make bench-libffi`: the patched libffi against stock, upstream and our own library.

Runs callbench with the libraries that `make libffi` built, in one process and in turns, and then
ctypes on each of them: the same Python, its ``_ctypes`` loading another ``libffi.so.8`` through
LD_LIBRARY_PATH, one process after the other in rotating order. Prints the tables and what was
promised beside what was measured; writes ``libffi.md`` and ``libffi.json``. ::

    python bench/libffi.py [--build build] [--suite bookworm] [--python python3] [--quick]

Exit status: 0 measured, 1 a rival failed, 2 something is not built. The table shows a missed
target. The exit status does not depend on times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import processes  # noqa: E402
from bench.reporting import machine, patched  # noqa: E402
from bench.reporting.page import replace_between  # noqa: E402
from bench.reporting.results import PATCHED, UPSTREAM  # noqa: E402

STOCK = "system"  # what callbench calls its baseline: here, the stock build
#: The same library once more, loaded last. With 1e6 closures live, the library that is loaded first
#: gets better memory (whole huge pages, shorter walks of page tables). The copy shows how much.
AGAIN = "stock again"

#: The measurement of ctypes in a process of its own. It needs only the standard library.
CTYPES = ROOT / "bench/ctypes_costs.py"


class BenchError(RuntimeError):
    """Something cannot be measured. The text says what to do."""


def libraries(build: Path, suite: str, stock: str = STOCK) -> dict[str, Path]:
    """Name the libraries: patched and stock of `suite`, and upstream's static trampolines."""
    found = {
        PATCHED: build / "libffi" / suite / "lib/libffi.so.8",
        stock: build / "libffi" / suite / "stock/lib/libffi.so.8",
        UPSTREAM: build / "libffi/newest/upstream/lib/libffi.so.8",
    }
    for name, path in found.items():
        if not path.exists():
            where = "newest" if name == UPSTREAM else suite
            inside = path.relative_to(build)
            raise BenchError(f"{inside} is not built: make libffi SUITE={where}")
    return found


def measure_c(build: Path, libs: dict[str, Path], out: Path, *, quick: bool) -> Any:
    """Run callbench; its JSON."""
    command = [str(build / "bench/callbench"), "--system", str(libs[STOCK])]
    command += ["--ours", str(build / "lib/libffi_static.so.0")]
    for name, path in libs.items():
        command += ["--lib", f"{name}={path}"] if name != STOCK else []
    again = out.with_name("stock-again.so")  # a file of its own, or dlopen() gives the same library
    shutil.copyfile(libs[STOCK], again)
    command += ["--lib", f"{AGAIN}={again}"]
    log = out.with_suffix(".txt")
    with log.open("w") as output:
        quickly = ["--quick"] if quick else []
        done = subprocess.run(
            [*command, "--json", str(out), *quickly], stdout=output, check=False, cwd=ROOT
        )
    if done.returncode:
        raise BenchError(f"callbench ended with status {done.returncode}; see above and {log}")
    if not quick:
        try:
            processes.measure_again(command, out)
        except processes.ProcessError as error:
            raise BenchError(str(error)) from None
    return json.loads(out.read_text())


def measure_ctypes(python: str, libs: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Run ctypes on every library, in turns; medians over the processes."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in libs}
    names = list(libs)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            env = {**os.environ, "LD_LIBRARY_PATH": str(libs[name].parent)}
            done = subprocess.run(
                [python, str(CTYPES)], env=env, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise BenchError(f"ctypes on {name}: {done.stderr.strip()[-500:]}")
            result = json.loads(done.stdout)
            if Path(result["library"]).resolve() != libs[name].resolve():
                raise BenchError(
                    f"{python} loads {result['library']}, not {libs[name]}: its _ctypes is not "
                    "linked with libffi.so.8. Choose another: make bench-libffi LIBFFI_PYTHON=..."
                )
            runs[name].append(result)
    whats = (*patched.CTYPES, "writable and executable")
    return {
        n: {w: statistics.median(r[w] for r in found) for w in whats} for n, found in runs.items()
    }


# ---- report


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Lay a table out."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cell(found: dict[str, Any]) -> str:
    """Show nanoseconds, or why there are none."""
    return f"{found['ns']:.1f}" if found.get("ns") else ("left out" if found.get("note") else "-")


def targets(c: Any) -> str:
    """Lay out what was promised beside what was measured."""
    judged = patched.judge(patched.Run(c, STOCK, AGAIN))
    rows = [[v.target, v.wanted, v.measured, v.word] for v in judged]
    return markdown(["target", "wanted", "measured", "met?"], rows)


def page(c: Any, python: dict[str, Any], about: dict[str, str], *, quick: bool) -> str:
    """Write the report as Markdown."""
    names = ["patched", STOCK, "upstream", "ours"]
    heads = ["patched", "stock", "upstream", "csrc"]
    text = "# The patched libffi against the others\n\n"
    text += "**A quick run: not a measurement.**\n\n" if quick else ""
    text += "".join(f"* {key}: {value}\n" for key, value in about.items()) + "\n"
    text += targets(c) + "\n"
    rows = [
        [
            row["row"],
            *(cell(row["rivals"].get(name, {})) for name in names),
            f"{row['rivals']['patched'].get('times_as_fast') or 0:.2f}x",
        ]
        for row in c["calls"]
    ]
    text += markdown(["ns per call", *heads, "stock / patched"], rows) + "\n"
    rows = [
        [
            f"{row['what']} {row['order']}, {row['live']:,}",
            *(cell(row["rivals"].get(name, {})) for name in [*names, AGAIN]),
        ]
        for row in c["live"]
    ]
    text += markdown(["ns, live closures", *heads, AGAIN], rows) + "\n"
    rows = [
        [f"PSS per closure, {r['live']:,} live"]
        + [f"{r['rivals'].get(n, {}).get('pss_bytes') or 0:.1f} B" for n in names]
        for r in c["memory"]
    ]
    rows.append(["first closure, µs"])
    rows[-1] += [f"{c['first'].get(n, {}).get('called_ns', 0) / 1e3:.1f}" for n in names]
    text += markdown(["memory, first closure", *heads], rows) + "\n"
    rows = []
    for what, value in python["patched"].items():
        ratio = f"{python[STOCK][what] / value:.2f}x" if value else "-"
        rows.append([what, *(f"{python[name][what]:.0f}" for name in names[:3]), ratio])
    return text + markdown(["ctypes, ns", *heads[:3], "stock / patched"], rows)


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build tree")
    parser.add_argument("--suite", default="bookworm", help="whose patched and stock library")
    parser.add_argument("--python", default="python3", help="whose ctypes")
    parser.add_argument("--quick", action="store_true", help="seconds: to try it, no measurement")
    parser.add_argument("--docs", type=Path, help="a page with the marks of the table of targets")
    options = parser.parse_args()
    build = options.build.resolve()
    try:
        libs = libraries(build, options.suite)
        print("C: calls, many closures, memory, first closure (a minute or two) ...", flush=True)
        c = measure_c(build, libs, build / "bench/libffi-c.json", quick=options.quick)
        print("Python: ctypes on each library, in turns ...", flush=True)
        python = measure_ctypes(options.python, libs, 2 if options.quick else 9)
    except BenchError as error:
        print(f"make bench-libffi: {error}", file=sys.stderr)
        return 2 if "make libffi" in str(error) else 1
    described = machine.describe(f"gcc {c['compiler']}")
    about = {
        key: described[key] for key in ("processor", "kernel", "distribution") if key in described
    }
    for name, path in libs.items():
        about["stock" if name == STOCK else name] = f"libffi, {path.resolve().relative_to(build)}"
    text = page(c, python, about, quick=options.quick)
    if options.docs and not options.quick:
        stock = python[STOCK]
        lines = [
            f"* ctypes, {what}: {value:.0f} ns on patched, {stock[what]:.0f} on stock, "
            f"{python[UPSTREAM][what]:.0f} on upstream\n"
            for what, value in python[PATCHED].items()
            if what in patched.CTYPES
        ]
        where = "; ".join(about[key] for key in ("processor", "kernel", "distribution"))
        replace_between(options.docs, "bench", f"{where}:\n\n{targets(c)}\n{''.join(lines)}")
    (build / "bench/libffi.md").write_text(text)
    merged = {"quick": options.quick, "about": about, "c": c, "ctypes": python}
    (build / "bench/libffi.json").write_text(json.dumps(merged, indent=1) + "\n")
    print(text)
    print(f"written to {build}/bench: libffi.md, libffi.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
