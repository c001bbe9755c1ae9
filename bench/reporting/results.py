# SPDX-License-Identifier: MIT
"""results - reads the JSON files of the benchmarks and answers questions about them.

A result that is not there is None (or an empty mapping), never an invented number.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

OURS = "ours"
OURS_TEXT = "ours (text)"  # the same on closures of mapped tables, in the calls alone
CONTROL = "records"
PATCHED, STOCK, UPSTREAM = "patched", "stock", "upstream"  # what `make bench-rivals` builds
#: How far two measurements of the same libffi may be apart in a row that says anything.
SAME = (0.9, 1.1)

Cells = dict[str, dict[str, Any]]  # of one row: what was measured of each rival


def load(path: Path) -> Any:
    """Read a JSON file; None when it does not exist. ValueError names a broken one."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON ({error}); run the benchmark again") from error


@dataclass
class Results:
    """What was measured: ``c`` of callbench, ``instructions``, ``python`` of pytest-benchmark."""

    c: dict[str, Any] = field(default_factory=dict)
    instructions: dict[str, dict[str, float]] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    ctypes: dict[str, Any] = field(default_factory=dict)  # on the patched libffi and its rivals
    not_measured: list[str] = field(default_factory=list)

    @property
    def baseline(self) -> str:
        """The name of the rival that ratios are taken to: the system's libffi."""
        return str(self.c.get("baseline", "system"))

    def rivals(self, *, libraries: bool = False) -> list[str]:
        """Name callbench's rivals; only those whose making is measured, when ``libraries``."""
        found = self.c.get("rivals", [])
        if libraries:
            kinds = ("libffi", "ffi_static")
            found = [r for r in found if r["kind"] in kinds and not r.get("calls_only")]
        return [str(rival["name"]) for rival in found]

    def rival(self, name: str) -> dict[str, Any]:
        """Tell kind, path and version of one rival of callbench."""
        for rival in self.c.get("rivals", []):
            if rival["name"] == name:
                return dict(rival)
        return {}

    def call(self, row: str, rival: str) -> dict[str, Any]:
        """Give the cell of one row of the calls."""
        for found in self.c.get("calls", []):
            if found["id"] == row:
                return dict(found["rivals"].get(rival, {}))
        return {}

    def is_measurable(self, cells: Cells) -> bool:
        """Tell whether the same libffi, loaded twice, was equally fast twice (the A/A control).

        Where it was not, the place of the code or of the closures decides. A run without the
        control has nothing against its rows.
        """
        again = cells.get(STOCK, {}).get("times_as_fast")
        same = self.ctypes.get("same_as_system", False)
        return not (same and again) or SAME[0] <= float(again) <= SAME[1]

    def live(self, what: str, order: str, live: int, rival: str) -> dict[str, Any]:
        """Give the cell of one measurement with ``live`` closures."""
        for found in self.c.get("live", []):
            if (found["what"], found["order"], found["live"]) == (what, order, live):
                return dict(found["rivals"].get(rival, {}))
        return {}

    def memory(self, live: int, rival: str) -> dict[str, Any]:
        """Give bytes and mappings per closure with ``live`` closures."""
        for found in self.c.get("memory", []):
            if found["live"] == live:
                return dict(found["rivals"].get(rival, {}))
        return {}

    def first(self, rival: str) -> dict[str, Any]:
        """Give the time to the first closure."""
        return dict(self.c.get("first", {}).get(rival, {}))

    # ---- Python

    @property
    def python_reference(self) -> str:
        """The rival that Python's ratios are taken to."""
        return str(self.python.get("callbench", {}).get("reference", "hand-written C-API"))

    @property
    def python_ours(self) -> str:
        """Our rival in Python."""
        return str(self.python.get("callbench", {}).get("ours", "ffi_static"))

    def python_ratios(self) -> dict[str, dict[str, float]]:
        """Give workload -> rival -> time as a multiple of the reference's, from one run.

        The benchmark's own ratio (taken within each round) is used where it recorded one; else
        the ratio of the medians.
        """
        ratios: dict[str, dict[str, float]] = {}
        medians: dict[str, dict[str, float]] = {}
        for benchmark in self.python.get("benchmarks", []):
            info, group = benchmark["extra_info"], str(benchmark["group"])
            medians.setdefault(group, {})[info["rival"]] = benchmark["stats"]["median"]
            if "reference_ratio" in info:
                ratios.setdefault(group, {})[info["rival"]] = info["reference_ratio"]
        for group, found in medians.items():
            reference = found.get(self.python_reference)
            for rival, seconds in found.items():
                if reference:
                    ratios.setdefault(group, {}).setdefault(rival, seconds / reference)
        return ratios

    def python_reference_ns(self, group: str) -> float | None:
        """Give the median nanoseconds of one call of the reference in a workload."""
        for benchmark in self.python.get("benchmarks", []):
            info = benchmark["extra_info"]
            if benchmark["group"] == group and info["rival"] == self.python_reference:
                return float(benchmark["stats"]["median"]) * 1e9
        return None

    def geometric_mean(self, rival: str) -> float | None:
        """Give how many times as fast as the baseline a rival is over all rows."""
        found = [
            cell["times_as_fast"]
            for row in self.c.get("calls", [])
            for name, cell in row["rivals"].items()
            if name == rival and cell.get("times_as_fast")
        ]
        return statistics.geometric_mean(found) if found else None
