# SPDX-License-Identifier: MIT
"""test_emulated - the C tests of the library on other architectures, under qemu-user.

On a processor that has all of its architecture: signed return addresses, landing pads.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.arch.isas import ISAS as MACHINES
from tests.core.abi.cases import all_cases
from tests.fuzz import build as fuzz
from tests.fuzz.isa import ISAS
from tests.support import process
from tests.support.ctests import BUILD, HARDENED, ROOT, SEALED_PROGRAMS, cases, judge, run
from tests.support.emulated import ELSEWHERE, emulator, environment, program

PROGRAMS = {
    "c": ("api", "alloc", "tables", "hop", "stamp", *SEALED_PROGRAMS),
    "abi": ("life", "layout", "silent", "variadic", "conventions"),
    "bad_days": ("input", "signatures", "stamps", "stamps_later"),
}
ALL = [
    (room, name, case)
    for room in PROGRAMS
    for name in PROGRAMS[room]
    for case in cases(room, name)
    if case not in HARDENED
]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize(("room", "name", "case"), ALL)
def test_emulated(isa: str, room: str, name: str, case: str) -> None:
    if name == "conventions" and isa != "i686":
        pytest.skip("only i386 has conventions that no compiler knows")
    made = program(isa, f"core/{room}/{name}")
    judge(run(made, case, env=environment(isa), before=emulator(isa)))


GROUPS = all_cases()
PARTS = [list(GROUPS)[i : i + 12] for i in range(0, len(GROUPS), 12)]


@pytest.mark.slow
@pytest.mark.parametrize("isa", [isa for isa in ELSEWHERE if isa in ISAS])
@pytest.mark.parametrize("groups", PARTS, ids=lambda part: f"{part[0]}-to-{part[-1]}")
def test_types(isa: str, groups: list[str], tmp_path: Path) -> None:
    missing = ISAS[isa].missing()
    if missing or not ISAS[isa].lib().is_dir():
        pytest.skip(f"`make lib ISA={isa}` makes what is missing: {missing}")
    o = fuzz.Options(isa=ISAS[isa])
    objects = fuzz.runtime(tmp_path, "gcc", o.isa)
    turns = fuzz.compilers(isa=o.isa)
    for n, group in enumerate(groups):
        sigs = GROUPS[group]
        seen = fuzz.run_batch(o, tmp_path / f"case{n}", sigs, turns[n % len(turns)], objects)
        assert not seen.failures, "\n\n".join(seen.failures.values())
        assert seen.signatures == len(sigs)


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("provider", ["resident", "file", "memfd"])
@pytest.mark.parametrize("case", ["every_pair_of_registers", "twenty_thousand"])
def test_general_form_on_each_provider(isa: str, provider: str, case: str) -> None:
    env = {**environment(isa), "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "core/c/hop"), case, env=env, before=emulator(isa)))


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("provider", ["file", "memfd"])
@pytest.mark.parametrize("case", cases("c", "stamp"))
def test_stamp_on_each_provider(isa: str, provider: str, case: str) -> None:
    env = {**environment(isa), "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "core/c/stamp"), case, env=env, before=emulator(isa)))


@pytest.mark.slow
@pytest.mark.parametrize("isa", [isa for isa in ELSEWHERE if MACHINES[isa].folder == "arm"])
@pytest.mark.parametrize("state", ["arm", "thumb"])
@pytest.mark.parametrize("name", ["life", "layout", "silent", "variadic"])
def test_callers_and_handlers_of_one_state(isa: str, state: str, name: str, tmp_path: Path) -> None:
    """Trampolines and entries are ARM code; compilers choose between ARM and Thumb for C."""
    program(isa, f"core/abi/{name}")
    support = (BUILD / isa / "tests/support").glob("*.o")
    folders = ["csrc/include", "tests/support", "tests/core/c", "tests/core/abi/arm"]
    command = [MACHINES[isa].gcc, f"-m{state}", *["-O2", "-std=gnu11", "-pthread", "-Wno-psabi"]]
    command += [f"-I{ROOT}/{each}" for each in folders]
    command += [f"-I{ISAS[isa].libffi()}/include", f"{ROOT}/tests/core/abi/{name}.c"]
    command += [str(path) for path in support if "dlopen" not in path.name]
    command += [f"{ISAS[isa].lib()}/libffi_static.a", f"-L{ISAS[isa].libffi()}/archive", "-lffi"]
    process.run([*command, "-lm", "-o", str(tmp_path / name)])
    symbols = process.output(["readelf", "-sW", str(tmp_path / name)])
    for case in cases("abi", name):
        address = re.search(rf": ([0-9a-f]+) .* FUNC .* {case}$", symbols, re.MULTILINE)
        assert address, case
        assert int(address[1], 16) % 2 == (state == "thumb")
        with suppress(pytest.skip.Exception):  # test_emulated has counted it
            judge(run(tmp_path / name, case, env=environment(isa), before=emulator(isa)))
