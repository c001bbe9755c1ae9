# SPDX-License-Identifier: MIT
"""test_callbacks - one benchmark; the workloads and the rivals are its parameters.

pytest-benchmark would time one rival after the other. Here the rivals have already taken turns
(see callbench.laps) when a test asks for its lap, and pytest-benchmark is handed the recorded
durations through its own ``timer`` setting: its table, statistics and JSON are then about the
interleaved run. One "round" is one slice, and its time is that of one callback.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from callbench import rivals
from callbench.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Races

_recorded: Iterator[float] = iter(())


def recorded_time() -> float:
    """Be the clock that pytest-benchmark reads: 0 before a slice, its recorded duration after."""
    return next(_recorded)


def _recorded_group(name: str) -> pytest.MarkDecorator:
    """Mark the workload as a group whose durations come from recorded_time()."""
    return pytest.mark.benchmark(group=name, timer=recorded_time, warmup=False)


RIVALS = [*rivals.names_with_installed_cffi(), *rivals.names_with_source_cffi()]


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize(
    "workload",
    [pytest.param(name, marks=_recorded_group(name)) for name in WORKLOADS],
)
def test_callback(benchmark: Any, races: Races, workload: str, rival: str) -> None:
    """The answers were checked before and during the race; the lap is recorded here."""
    global _recorded  # noqa: PLW0603 - the clock has no other way to see what it shall tell
    lap = races.lap(workload, rival)
    assert len(lap.seconds) > 1
    benchmark.extra_info.update(
        rival=rival,
        reference=rivals.REFERENCE,
        reference_ratio=lap.reference_ratio,
        reference_ratio_quartiles=lap.reference_ratio_quartiles,
        calls_per_round=lap.calls,
        caller_ns=lap.caller_seconds * 1e9,
    )
    _recorded = chain.from_iterable((0.0, duration) for duration in lap.seconds)
    benchmark.pedantic(lambda: None, rounds=len(lap.seconds), iterations=1)
