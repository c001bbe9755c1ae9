# SPDX-License-Identifier: MIT
"""test_emulated - the programs of this folder on other architectures, under qemu-user.

``make ISA=<isa> tests-nested`` puts them below ``build/<isa>``. The chain's register is another one
on each, and so is the way in which frames move the stack pointer.
"""

from __future__ import annotations

import pytest

from tests.nested.test_nested import DEATHS, FAULTS, GOOD
from tests.support.ctests import judge, run
from tests.support.emulated import ELSEWHERE, emulator, environment, program


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize(("name", "case"), [c for c in GOOD if "each_instruction" not in c[1]])
def test_emulated(isa: str, name: str, case: str) -> None:
    judge(run(program(isa, f"nested/c/{name}"), case, env=environment(isa), before=emulator(isa)))


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize(("name", "case"), [*DEATHS, *FAULTS])
def test_ends_the_process(isa: str, name: str, case: str) -> None:
    made = program(isa, f"nested/c/{name}")
    done = run(made, case, env=environment(isa), before=emulator(isa))
    assert done.returncode < 0 or done.returncode > 128
    assert DEATHS.get((name, case), "") in done.stderr
