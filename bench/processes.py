# SPDX-License-Identifier: MIT
"""processes - the calls of callbench once more in other processes, and the median over all.

Every process has its libraries, its stack and its closures at other addresses. These addresses
decide which branches collide in the processor's tables. So a row of any rival can be four cycles
slower in one process than in another, for as long as the process lives. One process is therefore
only one sample. The other sections make processes of their own, or measure memory.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

#: How many are measured; odd, so that the median of a row is one process's.
PROCESSES = 7
#: What is measured of a rival in a row.
MEASURED = ("ns", "q1", "q3", "times_as_fast")


class ProcessError(Exception):
    """callbench ended with an error; the message says with which."""


def measure_again(command: list[str], first: Path, count: int = PROCESSES) -> None:
    """Run `command`'s calls until there are `count` results, and put their medians into `first`.

    `command` is a callbench command line without ``--json``, and `first` what it has left.
    """
    found = json.loads(first.read_text())
    calls = [found["calls"]]
    other = first.with_name(f"{first.stem}-again.json")
    for _ in range(count - 1):
        again = [*command, "--section", "calls", "--json", str(other)]
        done = subprocess.run(again, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise ProcessError(f"callbench ended with status {done.returncode}; see above")
        calls.append(json.loads(other.read_text())["calls"])
        other.unlink()
    found["calls"] = merge(calls)
    found["geometric_mean"] = geometric_means(found["calls"])
    found["processes"] = count
    first.write_text(json.dumps(found, indent=1) + "\n")


def merge(calls: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Give each row's and rival's median over the processes; everything else is the first one's."""
    merged = []
    for rows in zip(*calls):
        rivals = {}
        for name, cell in rows[0]["rivals"].items():
            values = [row["rivals"][name] for row in rows]
            rivals[name] = cell | {
                key: statistics.median(value[key] for value in values)
                for key in MEASURED
                if all(value.get(key) is not None for value in values)
            }
        merged.append(rows[0] | {"rivals": rivals})
    return merged


def geometric_means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give each rival's mean of how many times as fast as the baseline it is."""
    ratios: dict[str, list[float]] = {}
    for row in rows:
        for name, cell in row["rivals"].items():
            if cell.get("times_as_fast"):
                ratios.setdefault(name, []).append(cell["times_as_fast"])
    return {
        name: statistics.geometric_mean(values)
        for name, values in ratios.items()
        if len(values) == len(rows)
    }
