# SPDX-License-Identifier: MIT
"""test_emulated - the C tests of the library on other architectures, under qemu-user.

On a processor that has all of its architecture: signed return addresses, landing pads.
"""

from __future__ import annotations

import pytest

from tests.support.ctests import cases, judge, run
from tests.support.emulated import ELSEWHERE, ENVIRONMENT, emulator, program

PROGRAMS = {
    "c": ("api", "alloc", "tables", "hop"),
    "abi": ("errors", "life", "layout", "silent", "conventions"),
    "bad_days": ("input", "signatures"),
}
ALL = [
    (room, name, case) for room in PROGRAMS for name in PROGRAMS[room] for case in cases(room, name)
]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize(("room", "name", "case"), ALL)
def test_emulated(isa: str, room: str, name: str, case: str) -> None:
    if name == "conventions" and isa != "i686":
        pytest.skip("only i386 has conventions that no compiler knows")
    made = program(isa, f"core/{room}/{name}")
    judge(run(made, case, env=ENVIRONMENT, before=emulator(isa)))


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("provider", ["resident", "file", "memfd"])
@pytest.mark.parametrize("case", ["every_pair_of_registers", "twenty_thousand"])
def test_general_form_on_each_provider(isa: str, provider: str, case: str) -> None:
    env = {**ENVIRONMENT, "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "core/c/hop"), case, env=env, before=emulator(isa)))
