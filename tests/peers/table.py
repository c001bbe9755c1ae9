# SPDX-License-Identifier: MIT
"""table - the four runs of each suite side by side, and every test that ends unlike stock.

Tests are compared by their names, because the same number of passes may be of other tests.
"""

from __future__ import annotations

from collections import Counter

from .modes import MODES
from .suites import Suite, results, state

GOOD = ("passed", "xfailed")
SHOWN = 20  # differences of one run


def cell(suite: Suite, mode: str) -> str:
    known = state(suite, mode)
    if known == "not run":
        return known
    count = Counter(outcome for outcome, _ in results(suite, mode).values())
    good = sum(count.pop(each, 0) for each in GOOD)
    text = ", ".join([f"{good} pass", *(f"{n} {what}" for what, n in sorted(count.items()))])
    return text if known == "done" else f"{text} ({known})"


def render(suites: list[Suite]) -> str:
    """Give the table as Markdown."""
    rows = ["| suite | " + " | ".join(MODES) + " |", "|---" * (1 + len(MODES)) + "|"]
    rows += [f"| {s.name} | " + " | ".join(cell(s, mode) for mode in MODES) + " |" for s in suites]
    return "\n".join(rows)


def differences(suites: list[Suite]) -> list[str]:
    """Name each test that ends differently from stock, and each run that is missing."""
    wrong: list[str] = []
    for suite in suites:
        stock = results(suite, "stock")
        for mode, (ours, _) in MODES.items():
            if (known := state(suite, mode)) != "done":
                wrong.append(f"{suite.name} {mode}: {known}")
            if known == "not run":
                continue
            found = compare(stock, results(suite, mode)) if ours else []
            wrong += [f"{suite.name} {mode}: {each}" for each in found[:SHOWN]]
            if len(found) > SHOWN:
                wrong.append(f"{suite.name} {mode}: and {len(found) - SHOWN} more")
    return wrong


def compare(stock: dict[str, tuple[str, str]], other: dict[str, tuple[str, str]]) -> list[str]:
    """Name each test whose outcome is not the same in both."""
    absent = ("absent", "")
    found = []
    for test in sorted({*stock, *other}):
        before, (after, why) = stock.get(test, absent)[0], other.get(test, absent)
        if before != after:
            found.append(f"{test}: {before} -> {after} {' '.join(why.split())[:200]}")
    return found
