# SPDX-License-Identifier: MIT
"""emulated - the test programs of architectures that closures run on, elsewhere than here.

``make ISA=<isa> lib tests-c tests-abi tests-unwind`` puts them below ``build/<isa>``; qemu-user
runs them. A test that uses one skips where it, or the emulator, is not there.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest

from tests.arch.isas import ISAS
from tests.support.ctests import BUILD

ELSEWHERE = [name for name, isa in ISAS.items() if isa.planned and name != platform.machine()]
#: QEMU 7.2 has no processor of that name there; its default one has no more and no less.
WITHOUT_MAX = {"powerpc64le", "riscv64"}


def program(isa: str, name: str) -> Path:
    """The test program `name` ("core/c/api") of an architecture, or skip."""
    for command in ISAS[isa].runner[:1]:  # none, where this kernel runs its programs
        if not shutil.which(command):
            pytest.skip(f"{command} is not installed: apt-get install qemu-user-static")
    made = BUILD / isa / "tests" / name
    if not made.exists():
        pytest.skip(f"`make ISA={isa} lib tests-c tests-abi tests-unwind` has not made {made}")
    return made


def environment(isa: str) -> dict[str, str]:
    """What the programs must know (harness.h)."""
    return {"FS_TEST_DIVIDE": "50", **({"FS_TEST_EMULATED": "1"} if ISAS[isa].runner else {})}


def emulator(isa: str) -> tuple[str, ...]:
    """What a program's command begins with: a processor that enforces all that there is."""
    runner = ISAS[isa].runner
    return (*runner, *(() if isa in WITHOUT_MAX or not runner else ("-cpu", "max")))
