# SPDX-License-Identifier: MIT
"""test_subinterpreters - a callback belongs to the interpreter that made it"""

from __future__ import annotations

from typing import Any

from tests.python.conftest import Script
from tests.python.programs import subinterpreters
from tests.support.programs import cases, program


@cases(subinterpreters)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))
