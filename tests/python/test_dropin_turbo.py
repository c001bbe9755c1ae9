# SPDX-License-Identifier: MIT
"""test_dropin_turbo - callbacks of ctypes and cffi by this package's dispatch: all is as stock

Programs of same_ctypes.py and same_cffi.py tell all that can be seen of callbacks. What they tell
is compared row by row: stock, by the modules' own handlers, and by this package's dispatch.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import dropin_turbo, same
from tests.support.programs import cases, program

MODULES = ("_ctypes", "_cffi_backend")


@pytest.fixture(scope="module")
def told(script: Script) -> Any:
    """Give what a program tells of a module's callbacks, by way; each runs once."""
    known: dict[tuple[str, str], Any] = {}

    def tell(how: str, module: str) -> Any:
        if (how, module) not in known:
            done = script(program(same.run, how, module))
            known[how, module] = json.loads(done.stdout.splitlines()[-1])
        return known[how, module]

    return tell


def differences(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Give the rows that differ, each with the name of the function that added it."""
    found = []
    part = ""
    for a, b in zip(before["rows"], after["rows"]):
        part = a[0] if a[0].startswith("see_") else part
        if a != b:
            found.append((part, a, b))
    return found


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("how", ["theirs", "turbo"])
def test_all_that_a_program_sees_is_as_stock(told: Any, how: str, module: str) -> None:
    stock, ours = told("stock", module), told(how, module)
    assert not differences(stock, ours)
    assert len(stock["rows"]) == len(ours["rows"]) > 3000


@pytest.mark.parametrize("module", MODULES)
def test_most_of_these_callbacks_are_run_by_our_dispatch(told: Any, module: str) -> None:
    ours, theirs = told("turbo", module), told("theirs", module)
    assert theirs["turbo"] == 0
    assert ours["made"] == theirs["made"]
    assert ours["turbo"] > 0.8 * ours["made"]


@cases(dropin_turbo)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))
