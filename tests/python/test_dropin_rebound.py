# SPDX-License-Identifier: MIT
"""test_dropin_rebound - another tool, or another copy of this package, at the same imports"""

from __future__ import annotations

from typing import Any

from tests.python.conftest import Script
from tests.python.programs import dropin_rebound
from tests.support.programs import cases, program


@cases(dropin_rebound)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))
