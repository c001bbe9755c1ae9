# SPDX-License-Identifier: MIT
"""test_checks - the benchmark refuses a rival that answers wrongly, in each of its workloads."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from callbench import laps, rivals
from callbench.workloads import WORKLOADS

if TYPE_CHECKING:
    from callbench.shapes import Shape
    from conftest import Races


def always_zero(shape: Shape) -> rivals.Callback:
    """Make a ctypes callback that does not do its work."""
    return rivals.make_ctypes(dataclasses.replace(shape, function=lambda *_arguments: 0))


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_wrong_answer_is_an_error(races: Races, name: str) -> None:
    entrants = [rivals.Rival(rivals.REFERENCE, always_zero)]
    with pytest.raises(RuntimeError, match=r"hand-written C-API: WrongAnswerError: .* gave 0, not"):
        laps.race(races.caller, WORKLOADS[name], entrants, seconds=0.01)
