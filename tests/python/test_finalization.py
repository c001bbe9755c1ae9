# SPDX-License-Identifier: MIT
"""test_finalization - calls from C while and after Python goes away"""

from __future__ import annotations

import pytest

from tests.python.conftest import Script
from tests.python.programs import callback
from tests.support.programs import program


def test_exit_with_foreign_threads_calling(script: Script) -> None:
    for _ in range(5):
        done = script(program(callback.exit_with_foreign_threads_calling))
        assert (done.stdout, done.stderr) == ("leaving\n", "")


@pytest.mark.parametrize("kept", [True, False])
def test_call_after_finalization_gives_the_error_value(script: Script, kept: bool) -> None:
    done = script(program(callback.call_after_finalization, kept))
    assert done.stdout == "last call gave 55\n"


def test_call_from_the_finalizing_thread_still_works(script: Script) -> None:
    assert script(program(callback.call_from_the_finalizing_thread)).stdout == "21\n"
