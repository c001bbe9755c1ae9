# SPDX-License-Identifier: MIT
"""targets - each target beside what was measured, and whether the target is met.

A target that could not be measured is neither met nor missed: it is "not measured".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from .results import CONTROL, OURS, OURS_TEXT

if TYPE_CHECKING:
    from .results import Results

COLD_RECORDS = 10  # a list that is walked costs hundreds
LEAST_RECORD_NS = 5.0  # below that, the control shows noise


@dataclass(frozen=True)
class Verdict:
    """One line of the table of targets; ``met`` is None when it was not measured."""

    target: str
    wanted: str
    measured: str
    met: bool | None

    @property
    def word(self) -> str:
        """Say it plainly."""
        return {True: "met", False: "NOT MET", None: "not measured"}[self.met]


Judgement = tuple[str, "bool | None"]
MISSING: Judgement = ("-", None)


def _every_row(results: Results) -> Judgement:
    found = [
        (row["rivals"].get(OURS, {}).get("times_as_fast"), row["row"])
        for row in results.c.get("calls", [])
    ]
    known = [(ratio, name) for ratio, name in found if ratio]
    if not known:
        return MISSING
    ratio, name = min(known)
    slower = sum(ratio <= 1 for ratio, _ in known)
    text = f"slowest row {ratio:.2f}x: {name}"
    return (f"{slower} rows are slower; {text}" if slower else text), not slower


def _geometric_mean(results: Results) -> Judgement:
    mean = results.geometric_mean(OURS)
    if mean is None:
        return MISSING
    mapped = results.geometric_mean(OURS_TEXT)
    beside = f"; {mapped:.2f}x on mapped tables (text)" if mapped else ""
    return f"{mean:.2f}x{beside}", mean >= 4


def _instructions(results: Results) -> Judgement:
    count = results.instructions.get("int_int", {}).get(OURS)
    return MISSING if count is None else (f"{count:.0f}", count <= 40)


def _allocation(results: Results) -> Judgement:
    found = [
        results.live("replace", order, 10, OURS).get("times_as_fast")
        for order in ("in order", "random")
    ]
    costs = [1 / ratio for ratio in found if ratio]
    return (f"{max(costs):.2f}x", max(costs) <= 0.85) if len(costs) == 2 else MISSING


def _order(results: Results) -> Judgement:
    """Compare the price of random order with the price of a plain record that is cold."""
    worst: tuple[float, str] | None = None
    largest = 0
    for row in results.c.get("live", []):
        what, live = row["what"], int(row["live"])
        if what == "calls" or row["order"] != "random":
            continue
        extra = []
        for rival in (OURS, CONTROL):
            random = row["rivals"].get(rival, {}).get("ns")
            ordered = results.live(what, "in order", live, rival).get("ns")
            if random is None or ordered is None:
                return MISSING
            extra.append(random - ordered)
        records = extra[0] / max(extra[1], LEAST_RECORD_NS)
        text = f"{extra[0]:.0f} ns more, {max(records, 0):.1f} cold records ({what}, {live:,} live)"
        largest = max(largest, live)
        worst = max(worst or (records, text), (records, text))
    if worst is None:
        return MISSING
    if largest < 1_000_000:
        return f"{worst[1]}; only up to {largest:,}", None
    return f"at worst {worst[1]}", worst[0] <= COLD_RECORDS


def _memory(field: str, limit: float, form: str) -> Callable[[Results], Judgement]:
    def judge(results: Results) -> Judgement:
        value = results.memory(100_000, OURS).get(field)
        return MISSING if value is None else (format(value, form), value <= limit)

    return judge


def _first_time(results: Results) -> Judgement:
    ns = results.first(OURS).get("called_ns")
    return MISSING if ns is None else (f"{ns / 1e3:.1f} µs", ns <= 10_000)


def _first_syscalls(results: Results) -> Judgement:
    first = results.first(OURS)
    count = first.get("syscalls")
    if count is None:
        return MISSING
    names = first.get("syscall_names")
    return f"{count}{f' ({names})' if names else ''}", count == 0


def _python(results: Results) -> Judgement:
    ratio = results.python_ratios().get("int(int)", {}).get(results.python_ours)
    return MISSING if ratio is None else (f"{ratio:.2f}x", ratio <= 1.15)


TARGETS: list[tuple[str, str, Callable[[Results], Judgement]]] = [
    ("a call against the system's libffi", "faster on every row", _every_row),
    ("calls, geometric mean over the rows", "at least 4x as fast", _geometric_mean),
    ("int(int), everything included", "at most 40 instructions", _instructions),
    ("alloc + prep + free, 10 live", "at most 0.85x the system libffi's time", _allocation),
    (
        "freeing in random order instead of in order, up to 1,000,000 live",
        f"at most {COLD_RECORDS} cold 64-byte records more",
        _order,
    ),
    ("memory per closure, 100,000 live", "at most 66 B PSS", _memory("pss_bytes", 66, ".1f")),
    ("mappings per closure, 100,000 live", "at most 0.0006", _memory("vmas", 0.0006, ".6f")),
    ("first closure, made and called", "at most 10 µs", _first_time),
    ("first closure, system calls", "0", _first_syscalls),
    (
        "Python int(int), GIL released, against a hand-written C-API callback",
        "at most 1.15x its time",
        _python,
    ),
]


def judge(results: Results) -> list[Verdict]:
    """Hold every target against the results."""
    return [Verdict(name, wanted, *judgement(results)) for name, wanted, judgement in TARGETS]
