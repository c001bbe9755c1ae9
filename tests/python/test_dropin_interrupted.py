# SPDX-License-Identifier: MIT
"""test_dropin_interrupted - a signal's exception at any line, and rounds of install and uninstall

Whatever is raised where, callbacks can be made and called afterwards: stock ones or ours.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import dropin_interrupted
from tests.support.programs import cases, program


@pytest.mark.parametrize("served_before", [False, True])
@pytest.mark.parametrize("action", ["install", "uninstall"])
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "TimeoutError"])
def test_an_exception_at_each_line(
    script: Script, action: str, error: str, served_before: bool
) -> None:
    tried = program(dropin_interrupted.an_exception_at_each_line, action, error, served_before)
    lines = int(script(tried).stdout)
    assert lines > (60 if action == "install" else 10), "lines that were tried"


@cases(dropin_interrupted)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))
