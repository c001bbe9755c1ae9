# SPDX-License-Identifier: MIT
"""tables - lays the results out: one table of ratios for the terminal, all of them for the page.

Cells say their unit, because there are two kinds of ratio. A C call is so many times *as fast* as
with the system's libffi (more is better). A Python callback takes so many times *the time* of a
hand-written C-API callback (less is better).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rich.box
import rich.console
import rich.markup
import rich.table

from . import patched
from .results import CONTROL, OURS, OURS_TEXT, PATCHED, STOCK, UPSTREAM

if TYPE_CHECKING:
    from .results import Results

LOG_WIDTH = 140  # columns of what is not printed to a terminal
LIVE = [10, 1_000, 10_000, 100_000, 1_000_000]


@dataclass
class Table:
    """A title, a remark, a header and rows of text; the first column is left-aligned."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    remark: str = ""
    left: frozenset[int] = frozenset({0})

    def markdown(self) -> str:
        """Give the table as Markdown, with its title as a heading."""
        marks = ["---" if i in self.left else "---:" for i in range(len(self.header))]
        lines = [f"## {self.title}", ""] if self.title else []
        lines += [self.remark, ""] if self.remark else []
        lines += [_bar(cells) for cells in (self.header, marks)]
        lines += [_bar([cell.replace("|", "\\|") for cell in row]) for row in self.rows]
        return "\n".join(lines) + "\n"

    def text(self, width: int | None = None) -> str:
        """Give the table as text for a terminal, as wide as that is (or ``width`` columns)."""
        shown = rich.table.Table(
            title=self.title, caption=self.remark, box=rich.box.SIMPLE, title_justify="left"
        )
        for i, name in enumerate(self.header):
            last = i == len(self.header) - 1
            shown.add_column(
                name, justify="left" if i in self.left else "right", ratio=1 if last else None
            )
        for row in self.rows:
            shown.add_row(*(rich.markup.escape(cell) for cell in row))
        width = width or (None if sys.stdout.isatty() else LOG_WIDTH)
        console = rich.console.Console(width=width, color_system=None)
        with console.capture() as captured:
            console.print(shown)
        return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _bar(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: Any, form: str = ".1f", unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit


def _rate(nanoseconds: float | None) -> str:
    """Give how many calls a second holds, one after the other on one processor."""
    return f"{1000 / nanoseconds:.0f} million" if nanoseconds else ""


def _fast(cell: dict[str, Any], *, sure: bool = True) -> str:
    ratio = cell.get("times_as_fast")
    return f"{ratio:.2f}x{'' if sure else NOT_MEASURABLE}" if ratio else "-"


#: Behind a ratio of a row whose control is off.
NOT_MEASURABLE = "?"
ABOUT_IT = (
    " `?`: not measurable; the system's libffi, built again and loaded a second time, differs from "
    "itself by more than a tenth in this row."
)


def _about(results: Results, rows: list[dict[str, Any]]) -> str:
    return "" if all(results.is_measurable(row["rivals"]) for row in rows) else ABOUT_IT


def _label(results: Results, name: str) -> str:
    known = {results.baseline: "system libffi", OURS: "ffi_static", OURS_TEXT: "ffi_static (text)"}
    return known.get(name, name)


def _shown(results: Results, names: list[str]) -> list[str]:
    """Leave out stock where the system's libffi is the same version: a column of 1.00x."""
    same = results.ctypes.get("same_as_system", False)
    return [name for name in names if not (same and name == STOCK)]


# ---- the one table of ratios


def _c_line(results: Results, what: str, cells: dict[str, dict[str, Any]]) -> list[str]:
    base = cells.get(results.baseline, {}).get("ns")
    sure = results.is_measurable(cells)
    others = [
        f"{name} {_fast(cell, sure=sure)}"
        for name, cell in cells.items()
        if name not in (OURS, results.baseline, CONTROL)
    ]
    ours = cells.get(OURS, {})
    shown = _fast(ours, sure=sure)
    if shown == "-" and ours.get("note"):
        shown = str(ours["note"])
    elif shown != "-":
        shown += " as fast"
    return [what, f"{_number(base)} ns, system libffi", shown, ", ".join(others)]


def _c_lines(results: Results) -> list[list[str]]:
    lines = [_c_line(results, row["row"], row["rivals"]) for row in results.c.get("calls", [])]
    means = {name: results.geometric_mean(name) for name in results.rivals()}
    if means.get(OURS):
        others = [
            f"{name} {_number(mean, '.2f', 'x')}"
            for name, mean in means.items()
            if name not in (OURS, results.baseline)
        ]
        ours = _number(means[OURS], ".2f", "x as fast")
        lines.append(["geometric mean of these rows", "system libffi", ours, ", ".join(others)])
    names = {"calls": "calls", "replace": "alloc+prep+free", "drain": "all freed, all made"}
    for row in results.c.get("live", []):
        what = f"{names[row['what']]}, {row['order']}, {int(row['live']):,} live"
        lines.append(_c_line(results, what, row["rivals"]))
    return lines


def _first_line(results: Results) -> list[list[str]]:
    base = results.first(results.baseline).get("called_ns")
    ours = results.first(OURS).get("called_ns")
    if not base or not ours:
        return []
    others = [
        f"{name} {base / results.first(name)['called_ns']:.2f}x"
        for name in results.rivals(libraries=True)
        if name not in (OURS, results.baseline)
    ]
    reference = f"{base / 1e3:.1f} µs, system libffi"
    return [["first closure", reference, f"{base / ours:.2f}x as fast", ", ".join(others)]]


def _python_lines(results: Results) -> list[list[str]]:
    lines = []
    for group, ratios in results.python_ratios().items():
        ns = results.python_reference_ns(group)
        others = [
            f"{rival} {ratio:.2f}x"
            for rival, ratio in ratios.items()
            if rival not in (results.python_ours, results.python_reference)
        ]
        ours = _number(ratios.get(results.python_ours), ".2f", "x the time")
        reference = f"{_number(ns, ',.0f')} ns, {results.python_reference}"
        lines.append([f"Python {group}", reference, ours, ", ".join(others)])
    return lines


def _ctypes_lines(results: Results) -> list[list[str]]:
    found = results.ctypes.get("ctypes", {})
    lines = []
    for what in patched.CTYPES if found else ():
        ns = found[STOCK][what]
        others = [f"{n} {ns / found[n][what]:.2f}x" for n in (PATCHED, UPSTREAM)]
        lines.append([f"ctypes, {what}", f"{ns:,.0f} ns, on stock libffi", "-", ", ".join(others)])
    return lines


LINES = (_c_lines, _first_line, _ctypes_lines, _python_lines)


def one_table(results: Results) -> Table:
    """Make the one table of ratios: every workload, its reference, ours, and the others."""
    return Table(
        "Ratios of one run",
        ["workload", "reference", "ffi_static", "the others, against the same reference"],
        [line for lines in LINES for line in lines(results)],
        remark=(
            "C, and ctypes on each libffi: times as fast as the reference, more is better. "
            'Python: "x the time", less is.'
            + _about(results, [*results.c.get("calls", []), *results.c.get("live", [])])
        ),
        left=frozenset({0, 3}),
    )


# ---- the table of the README

#: One row each for the shortest call, pointers, many arguments, and a struct.
SHORT = ("int_int", "ptr_ptr_ptr", "mixed10", "struct_dd")


def short(results: Results) -> Table:
    """Make five rows of four columns: some calls, and the geometric mean of all of them."""
    table = Table(
        "",
        ["one call from C", "system libffi", "ffi_static", "times as fast", "written by hand"],
        left=frozenset({0}),
    )
    for row in results.c.get("calls", []):
        if row["id"] not in SHORT:
            continue
        system, ours, hand = (
            row["rivals"].get(name, {}) for name in (results.baseline, OURS, "hand")
        )
        shown = [_number(cell.get("ns"), ".1f", " ns") for cell in (system, ours)]
        hand_shown = _number(hand.get("ns"), ".1f", " ns")
        table.rows.append([f"`{row['row']}`", *shown, _fast(ours), hand_shown])
    means = [results.geometric_mean(name) for name in (OURS, "hand")]
    ours_mean, hand_mean = (_number(mean, ".2f", "x") for mean in means)
    count = len(results.c.get("calls", []))
    table.rows.append(
        [f"geometric mean of {count} signatures", "1x", "", f"**{ours_mean}**", hand_mean]
    )
    return table


# ---- the tables of the page


def calls(results: Results) -> Table:
    """Make the table of nanoseconds and instructions per call."""
    names = _shown(results, results.rivals())
    header = ["signature"]
    for name in names:
        header += [f"{_label(results, name)} ns (instr.)"]
        header += ["times as fast"] if name not in (results.baseline, "hand", "direct") else []
    header.append("ffi_static, calls per second")
    table = Table(
        "Calls",
        header,
        remark=(
            "Nanoseconds per call and, in brackets, instructions per call, the C caller's loop "
            "included. `hand` is a hand-written C callback that builds `args[]` and calls the "
            "same handler: the limit. `direct` calls a C function. `text`: on closures of mapped "
            "tables, where each one after the 256th of a process is."
            + _about(results, results.c.get("calls", []))
        ),
    )
    for row in results.c.get("calls", []):
        counted = results.instructions.get(row["id"], {})
        sure = results.is_measurable(row["rivals"])
        cells = [row["row"]]
        for name in names:
            cell = row["rivals"].get(name, {})
            count = f" ({counted[name]:.0f})" if name in counted else ""
            cells.append(_number(cell.get("ns")) + count)
            if name not in (results.baseline, "hand", "direct"):
                cells.append(_fast(cell, sure=sure))
        cells.append(_rate(row["rivals"].get(OURS, {}).get("ns")))
        table.rows.append(cells)
    means = [results.geometric_mean(name) for name in names]
    last = ["**geometric mean**"]
    for name, mean in zip(names, means):
        shown = f"**{_number(mean, '.2f', 'x')}**"
        if name == results.baseline:
            last.append("")
        elif name in ("hand", "direct"):
            last.append(shown)
        else:
            last += ["", shown]
    table.rows.append([*last, ""])
    return table


def live(results: Results) -> Table:
    """Make the table of making, freeing and calling with many closures live."""
    names = _shown(results, results.rivals(libraries=True))
    header = ["nanoseconds per operation", "live"]
    header += [_label(results, name) for name in names] + ["plain records"]
    table = Table(
        "Many closures",
        header,
        remark=(
            "`alloc+prep+free` replaces one of the live closures; `all freed, all made` frees "
            "every one, then makes as many again, per closure. Random order means that each "
            "closure is cold; `plain records` shows what 64-byte records in an array cost then."
            + _about(results, results.c.get("live", []))
        ),
    )
    words = {"calls": "calls", "replace": "alloc+prep+free", "drain": "all freed, all made"}
    for row in results.c.get("live", []):
        sure = results.is_measurable(row["rivals"])
        cells = [f"{words[row['what']]}, {row['order']}", f"{int(row['live']):,}"]
        for name in [*names, CONTROL]:
            cell = row["rivals"].get(name, {})
            ratio = (
                f" ({_fast(cell, sure=sure)})" if name not in (results.baseline, CONTROL) else ""
            )
            shown = _number(cell.get("ns")) + ratio
            cells.append(cell.get("note", "-") if cell.get("ns") is None else shown)
        table.rows.append(cells)
    return table


def memory(results: Results) -> Table:
    """Make the table of memory, mappings and the first closure, each in fresh processes."""
    table = Table(
        "Memory, and the first closure",
        ["rival", "live", "PSS B", "RSS B", "mappings", "first closure", "system calls"],
        remark="Per closure, in a fresh process; the first closure is made and called.",
    )
    for name in _shown(results, results.rivals(libraries=True)):
        first = results.first(name)
        ns = first.get("called_ns")
        shown = "-" if ns is None else f"{ns / 1e3:.1f} µs"
        syscalls = first.get("syscalls_note") or _number(first.get("syscalls"), ".0f")
        for count in LIVE:
            cell = results.memory(count, name)
            if not cell:
                continue
            made = f"{int(cell['made']):,}" if cell.get("note") else f"{count:,}"
            cells = [_number(cell.get(key)) for key in ("pss_bytes", "rss_bytes")]
            row = [_label(results, name), made, *cells, _number(cell.get("vmas"), ".6f")]
            table.rows.append([*row, shown, syscalls])
    return table


def python(results: Results) -> Table:
    """Make the table of Python callbacks: a row per rival, a column per workload."""
    ratios = results.python_ratios()
    rivals: list[str] = []
    for found in ratios.values():
        rivals += [name for name in found if name not in rivals]
    table = Table(
        "Python callbacks",
        ["time, as a multiple of the hand-written callback's", *ratios],
        remark=f"`{results.python_reference}` is 1.00; less is better.",
    )
    for rival in rivals:
        cells = [_number(ratios[group].get(rival), ".2f") for group in ratios]
        table.rows.append([rival, *cells])
    reference = [_number(results.python_reference_ns(group), ",.0f", " ns") for group in ratios]
    if ratios:
        table.rows.append(["one call of the hand-written one", *reference])
    return table


def ctypes(results: Results) -> Table:
    """Make the table of ctypes on the patched libffi, on stock and on upstream's."""
    found = results.ctypes.get("ctypes", {})
    base = results.ctypes.get("base", "")
    table = Table(
        "ctypes on the patched libffi",
        ["nanoseconds", *(f"on {name}" for name in patched.RIVALS), "stock / patched"],
        remark=(
            f"The same Python; patched and stock are libffi {base}, upstream the newest with "
            "static trampolines. `2000 live`: all are dropped and made again, each."
        ),
    )
    for what in patched.CTYPES if found else ():
        cells = [_number(found[name][what], ".0f") for name in patched.RIVALS]
        ratio = found[STOCK][what] / found[PATCHED][what]
        table.rows.append([what, *cells, f"{ratio:.2f}x"])
    return table
