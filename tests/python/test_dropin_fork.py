# SPDX-License-Identifier: MIT
"""test_dropin_fork - after fork() both sides own what they had: a thousand times, also under MDWE

Stock libffi under MDWE maps a shared file a second time: there a child overwrites the callbacks of
its parent. cffi's stock callbacks do not exist at all under it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import dropin_fork
from tests.support.programs import cases, program

pytestmark = pytest.mark.slow


@cases(dropin_fork)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))
