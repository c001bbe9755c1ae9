# SPDX-License-Identifier: MIT
"""table - the four runs of each suite side by side, and every test that does not end as stock does.

The comparison is by the tests' names: as many passes are not the same passes.
"""

from __future__ import annotations

from collections import Counter

from .suites import MODES, Suite, finished, results

GOOD = ("passed", "xfailed")


def cell(suite: Suite, mode: str) -> str:
    if not finished(suite, mode):
        return "not run"
    count = Counter(outcome for outcome, _ in results(suite, mode).values())
    good = sum(count.pop(each, 0) for each in GOOD)
    return ", ".join([f"{good} pass", *(f"{n} {what}" for what, n in sorted(count.items()))])


def render(suites: list[Suite]) -> str:
    """Give the table as Markdown."""
    rows = ["| suite | " + " | ".join(MODES) + " |", "|---" * (1 + len(MODES)) + "|"]
    rows += [f"| {s.name} | " + " | ".join(cell(s, mode) for mode in MODES) + " |" for s in suites]
    return "\n".join(rows)


def differences(suites: list[Suite]) -> list[str]:
    """Name each test that does not end as it does stock, and each run that is missing."""
    wrong = []
    for suite in suites:
        stock = results(suite, "stock")
        for mode, (ours, _) in MODES.items():
            if not finished(suite, mode):
                wrong.append(f"{suite.name} {mode}: not run")
                continue
            with_drop_in = results(suite, mode)
            for test in sorted({*stock, *with_drop_in}) if ours else ():
                before, after = stock.get(test), with_drop_in.get(test)
                if (before or ("absent",))[0] != (after or ("absent",))[0]:
                    told = f"{(before or ('absent',))[0]} -> {(after or ('absent',))[0]}"
                    why = (after or ("", ""))[1].splitlines()
                    wrong.append(f"{suite.name} {mode}: {test}: {told} {why[0] if why else ''}")
    return wrong
