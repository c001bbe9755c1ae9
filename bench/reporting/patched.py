# SPDX-License-Identifier: MIT
"""patched - the targets of the patched libffi, beside the results of one run.

Works on callbench's JSON, whatever names the rivals have in it. ``make bench`` measures against the
system's libffi, and stock of the suite is one more rival. ``make bench-libffi`` has stock as its
baseline and loads it twice (``again``), to show the effect of the order of loading.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Callable

from .results import OURS, PATCHED, STOCK, UPSTREAM
from .targets import MISSING, Judgement, Verdict

#: Without these three in one run there is nothing to hold against each other.
RIVALS = (PATCHED, STOCK, UPSTREAM)
MANY = 100_000
#: What ctypes was asked to do, as the benchmark's JSON and the tables call it.
CTYPES = ("callback", "make and free", "2000 live")


@dataclass(frozen=True)
class Run:
    """Callbench's results, and which rival is stock: loaded first, and perhaps once more."""

    c: Any
    stock: str = STOCK
    again: str = ""

    def ratios(self, rows: list[dict[str, Any]], over: str, under: str) -> list[tuple[float, str]]:
        """Give the time of `over` as a multiple of that of `under`, row by row.

        From the medians of the ratios to the baseline within each round, as all tables are.
        """
        found = []
        for row in rows:
            a, b = (row["rivals"].get(name, {}).get("times_as_fast") for name in (over, under))
            if a and b:
                label = row.get("row") or f"{row['what']} {row['order']}, {row['live']:,} live"
                found.append((b / a, label))
        return found


def mean(found: list[tuple[float, str]]) -> float:
    """Give the geometric mean."""
    return statistics.geometric_mean([ratio for ratio, _ in found])


def like_ours(run: Run) -> Judgement:
    """Hold calls against csrc's own closures."""
    found = run.ratios(run.c.get("calls", []), PATCHED, OURS)
    if not found:
        return MISSING
    worst, row = max(found)
    return f"{mean(found):.3f}x, worst row {worst:.2f}x: {row}", mean(found) <= 1.1


def against_stock(run: Run) -> Judgement:
    """Hold calls against stock."""
    found = run.ratios(run.c.get("calls", []), run.stock, PATCHED)
    if not found:
        return MISSING
    least, row = min(found)
    return f"{mean(found):.2f}x, least {least:.2f}x: {row}", mean(found) >= 4


def allocation(run: Run) -> Judgement:
    """Hold making and freeing against stock: one at a time, and all at once, in both orders.

    Where stock was loaded twice it is the geometric mean of both, which differ only in when.
    """
    rows = [row for row in run.c.get("live", []) if row["what"] != "calls"]
    found = run.ratios(rows, PATCHED, run.stock)
    if run.again:
        last = {row: ratio for ratio, row in run.ratios(rows, PATCHED, run.again)}
        found = [((ratio * last.get(row, ratio)) ** 0.5, row) for ratio, row in found]
    if not found:
        return MISSING
    worst, row = max(found)
    slower = sum(ratio > 1 for ratio, _ in found)
    text = f"at most {worst:.2f}x its time: {row}; {mean(found):.2f}x in the mean"
    return (f"slower in {slower} of {len(found)}, {text}" if slower else text), not slower


def random_frees(run: Run) -> Judgement:
    """Hold random frees against upstream's static trampolines."""
    rows = [
        r
        for r in run.c.get("live", [])
        if (r["what"], r["order"], r["live"]) == ("replace", "random", MANY)
    ]
    found = run.ratios(rows, UPSTREAM, PATCHED)
    if not found:
        notes = [r["rivals"].get(UPSTREAM, {}).get("note") for r in rows]
        return (f"upstream left out: {notes[0]}", None) if notes and notes[0] else MISSING
    return f"{found[0][0]:.0f}x", found[0][0] >= 20


def first(run: Run) -> Judgement:
    """Give the time of the first closure, made and called."""
    ns = run.c.get("first", {}).get(PATCHED, {}).get("called_ns")
    return (f"{ns / 1e3:.1f} µs", ns <= 15_000) if ns else MISSING


def memory(run: Run) -> Judgement:
    """Give the memory per closure."""
    for row in run.c.get("memory", []):
        value = row["rivals"].get(PATCHED, {}).get("pss_bytes")
        if row["live"] == MANY and value:
            return f"{value:.1f} B", value <= 66
    return MISSING


TARGETS: list[tuple[str, str, Callable[[Run], Judgement]]] = [
    ("calls against csrc's own closures", "within 1.1x (geometric mean)", like_ours),
    ("calls against stock", "at least 4x as fast (geometric mean)", against_stock),
    ("alloc + prep + free, any number live", "no slower than stock", allocation),
    ("the same, 100,000 live, random order", "20x as fast as upstream's static", random_frees),
    ("first closure, made and called", "at most 15 µs", first),
    ("memory per closure, 100,000 live", "at most 66 B PSS", memory),
]


def judge(run: Run) -> list[Verdict]:
    """Hold every target against the results."""
    return [Verdict(f"patched libffi: {n}", wanted, *hold(run)) for n, wanted, hold in TARGETS]


def measured(c: Any) -> bool:
    """Tell whether all rivals that the targets name were in the run."""
    return set(RIVALS) <= {rival["name"] for rival in c.get("rivals", [])}
