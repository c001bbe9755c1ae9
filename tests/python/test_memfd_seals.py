# SPDX-License-Identifier: MIT
"""test_memfd_seals - what root can and cannot do to the code of the memfd provider

A memory file has no name, but /proc/<pid>/map_files opens the file behind any mapping, for those
who may. The kernel must then refuse every change of it.
"""

from __future__ import annotations

import os

import pytest

from tests.python.conftest import Script
from tests.python.programs import memfd_seals
from tests.support.programs import program


def run_as_root(script: Script, command: list[str]) -> None:
    if os.geteuid():
        pytest.skip("needs root: /proc/self/map_files is for CAP_SYS_ADMIN")
    assert script(command, FFI_STATIC_PROVIDER="memfd").stdout.strip() == "done"


def test_every_seal_is_set(script: Script) -> None:
    run_as_root(script, program(memfd_seals.every_seal_is_set))


@pytest.mark.parametrize("change", memfd_seals.CHANGES)
def test_code_cannot_be_changed_through_its_file(script: Script, change: str) -> None:
    run_as_root(script, program(memfd_seals.code_cannot_be_changed, change))
