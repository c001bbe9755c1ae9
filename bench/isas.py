# SPDX-License-Identifier: MIT
"""isas - docs/results/instructions.md, from what bench/emulated.py counted on each architecture.

`make bench-isas` counts and then runs this::

    python bench/isas.py --build build --out docs/results/instructions.md ISA ...

First the geometric means of every architecture, with and without the row of long doubles, whose
arithmetic is the handler's and software on most; then a table for each. A mean is over the rows
that all of its columns have. Exit status 3 when an architecture was not counted.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from math import exp, log
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.instructions import CANNOT_COUNT, Counts  # noqa: E402

BASELINE, OURS, HAND = "system", "ours", "hand"
MISSING = "n/a"
HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
# Instructions per call, by architecture

`make bench-isas` writes this page. QEMU's user mode counts the instructions
([how](../../bench/README.md#instructions-on-other-architectures)). The counts are exact for the
code that one compiler made, and they are not times. They include the C caller's loop and the
handler. Columns:

* `libffi`: as upstream configures it, with static trampolines;
* `patched`: libffi {newest} with our patches;
* `ours`: our library;
* `hand`: a hand-written C callback that builds `args[]` and calls the same handler, the limit;
* `direct`: a call of a C function.

On most architectures, `long double` is software: one multiplication in the handler takes more
instructions than the call. The last two columns of the first table leave out that row.
"""
SOFTWARE = "longdouble"


def mean(values: list[float]) -> float:
    """Give the geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def title(rival: str, newest: str) -> str:
    """Name a column."""
    return f"libffi {newest}" if rival == BASELINE else rival


def rivals_of(counts: Counts) -> list[str]:
    """Name the columns, in their order: libraries by age, then ours, then the limits."""
    names = list(dict.fromkeys(name for found in counts.values() for name in found))
    order = [*sorted(n for n in names if n.startswith("libffi ")), BASELINE, "patched", OURS]
    return [name for name in [*order, HAND, "direct"] if name in names]


def means(counts: Counts) -> dict[str, float]:
    """Give each column's mean over the rows that every column has."""
    names = rivals_of(counts)
    whole = [found for found in counts.values() if all(name in found for name in names)]
    return {name: mean([found[name] for found in whole]) for name in names}


def line(cells: list[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def table(isa: str, counts: Counts, newest: str) -> list[str]:
    """Lay out one architecture."""
    names, found_means = rivals_of(counts), means(counts)
    lines = [f"## {isa}", "", line([isa, *(title(name, newest) for name in names)])]
    lines.append(line(["---", *["---:"] * len(names)]))
    for row, found in counts.items():
        cells = [f"{found[name]:.0f}" if name in found else MISSING for name in names]
        lines.append(line([f"`{row}`", *cells]))
    shown = [f"**{found_means[name]:.1f}**" for name in names]
    return [*lines, line(["geometric mean", *shown]), ""]


def summary(all_counts: dict[str, Counts], newest: str) -> list[str]:
    """One line for each architecture: the means, and how many times fewer than libffi's newest."""
    titles = [
        f"libffi {newest}",
        "patched",
        OURS,
        HAND,
        "libffi / ours",
        "ours / hand",
        "libffi / hand",
        f"libffi / ours, no `{SOFTWARE}`",
        f"ours / hand, no `{SOFTWARE}`",
    ]
    lines = [line(["geometric mean", *titles]), line(["---", *["---:"] * len(titles)])]
    for isa, counts in all_counts.items():
        found = means(counts)
        cells = [f"{found[n]:.1f}" if n in found else "" for n in (BASELINE, "patched", OURS, HAND)]
        hardware = means({row: found for row, found in counts.items() if row != SOFTWARE})
        for over, under, among in (
            (BASELINE, OURS, found),
            (OURS, HAND, found),
            (BASELINE, HAND, found),
            (BASELINE, OURS, hardware),
            (OURS, HAND, hardware),
        ):
            both = over in among and under in among
            cells.append(f"{among[over] / among[under]:.2f}" if both else "")
        lines.append(line([isa, *cells]))
    return [*lines, ""]


def main() -> int:
    """Read, lay out, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("isa", nargs="+")
    options = parser.parse_args()
    counts: dict[str, Counts] = {}
    for isa in options.isa:
        own = options.build / isa if isa != platform.machine() else options.build
        try:
            counts[isa] = json.loads((own / "bench/emulated.json").read_text())
        except OSError as error:
            print(
                f"isas: {isa} was not counted: {error}; make bench-count ISA={isa}", file=sys.stderr
            )
            return CANNOT_COUNT
    newest = (options.build / "libffi/newest/version").read_text().strip()
    lines = [HEAD.format(newest=newest), *summary(counts, newest)]
    for isa, found in counts.items():
        lines += table(isa, found, newest)
    lines.append(
        f"{MISSING}: this library does not describe the types (complex ones), or gives a wrong\n"
        "answer ([upstream's faults](../../patches/libffi/upstream/README.md)).\n"
    )
    options.out.write_text("\n".join(lines))
    print(f"{options.out}: {len(counts)} architectures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
