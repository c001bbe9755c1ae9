# SPDX-License-Identifier: MIT
"""laps - the stopwatch: rivals take short turns, round after round, and are compared per round.

Machines are noisy, and their speed drifts. So no rival runs alone for long: in each round every
rival runs one slice of about two milliseconds, and each round begins with the next rival. The ratio
to the reference is taken within the round. The median over the rounds is reported. The clock is the
CPU time of the process with all its threads, so time that other programs take is not counted. On
one CPU the threads wait for nothing except that CPU, so the clock sees every cost of a callback.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Callable

from .rivals import CALLER, REFERENCE, Callback, Rival
from .workloads import Caller, Workload, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SLICE = 0.002  # seconds; one sort is longer and is then the slice
FEWEST_ROUNDS = 15

cpu_time = time.process_time


@dataclass(frozen=True)
class Lap:
    """What one rival did in one workload.

    ``seconds`` has one entry per round, per callback; ``calls`` is the callbacks in a slice;
    the ratios are to the reference in the same round: quartiles, the middle one is the result;
    ``caller_seconds`` is the same caller with a callback in plain C, which every rival pays.
    """

    rival: str
    workload: str
    calls: int
    seconds: list[float]
    reference_ratio: float
    reference_ratio_quartiles: list[float]
    caller_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON; Lap(**d) is the way back."""
        return asdict(self)


@contextmanager
def quiet() -> Iterator[None]:
    """Pin this process to one CPU and keep the garbage collector out, for the time of a race."""
    allowed = os.sched_getaffinity(0)
    collecting = gc.isenabled()
    os.sched_setaffinity(0, {max(allowed)})
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        os.sched_setaffinity(0, allowed)


def race(
    caller: Caller,
    workload: Workload,
    rivals: Sequence[Rival],
    seconds: float,
) -> list[Lap]:
    """Let ``rivals`` (one of which is the reference) do ``workload`` for about ``seconds``.

    Each rival's answer is checked before anything is timed and after each slice. Raises
    WrongAnswerError, or whatever making a callback raised, with the rival's name in front.
    """
    callbacks = {rival.name: _make(caller, workload, rival) for rival in rivals}
    turns = {name: caller.turn(workload, c.address) for name, c in callbacks.items()}
    turns[CALLER] = caller.turn(workload, caller.plain_c(workload))
    with quiet():
        sizes = {name: _calibrate(turn) for name, turn in turns.items()}
        samples: dict[str, list[float]] = {name: [] for name in turns}
        for order in _rounds(list(turns), seconds):
            for name in order:
                n, turn = sizes[name], turns[name]
                start = cpu_time()
                answer = turn(n)
                samples[name].append((cpu_time() - start) / n)
                if answer != workload.expected(n):
                    raise WrongAnswerError(f"{name}: {workload.name}: {n} calls gave {answer}")
    per_n = caller.calls_per_n(workload)
    return [_lap(rival.name, workload, sizes[rival.name], samples, per_n) for rival in rivals]


def _make(caller: Caller, workload: Workload, rival: Rival) -> Callback:
    """Make and check a callback; errors name the rival."""
    try:
        callback = rival.make(workload.shape)
        caller.check(workload, callback.address)
    except Exception as error:
        raise RuntimeError(f"{rival.name}: {type(error).__name__}: {error}") from error
    return callback


def _calibrate(turn: Callable[[int], int]) -> int:
    """How large ``n`` must be for a turn to last a slice."""
    n = 1
    while True:
        start = cpu_time()
        turn(n)
        took = cpu_time() - start
        if took >= SLICE / 4:
            return max(1, round(n * SLICE / took))
        n *= 4


def _rounds(names: list[str], seconds: float) -> Iterator[list[str]]:
    """Give the names, rotated by one more each time, until the time is over."""
    end = time.monotonic() + seconds
    done = 0
    while done < FEWEST_ROUNDS or time.monotonic() < end:
        first = done % len(names)
        yield names[first:] + names[:first]
        done += 1


def _lap(name: str, workload: Workload, n: int, samples: dict[str, list[float]], per_n: int) -> Lap:
    """Put one rival's samples together."""
    ratios = [mine / theirs for mine, theirs in zip(samples[name], samples[REFERENCE])]
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive")
    return Lap(
        rival=name,
        workload=workload.name,
        calls=n * per_n,
        seconds=[sample / per_n for sample in samples[name]],
        reference_ratio=quartiles[1],
        reference_ratio_quartiles=quartiles,
        caller_seconds=statistics.median(samples[CALLER]) / per_n,
    )
