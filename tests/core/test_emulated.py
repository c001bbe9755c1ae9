# SPDX-License-Identifier: MIT
"""test_emulated - the C tests of the library on other architectures, under qemu-user.

On a processor that has all of its architecture: signed return addresses, landing pads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.isas import ISAS as MACHINES
from tests.core.abi.cases import all_cases
from tests.fuzz import build as fuzz
from tests.fuzz.isa import ISAS
from tests.support import process
from tests.support.ctests import BUILD, cases, judge, run
from tests.support.emulated import ELSEWHERE, ENVIRONMENT, emulator, program

#: Cases that need $FFI_STATIC_HARDEN: test_core.py.
HARDENED = {"nothing_is_made_unsealed", "a_hardened_process_has_no_other"}
PROGRAMS = {
    "c": ("api", "alloc", "tables", "hop", "stamp", "sealed"),
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
    judge(run(made, case, env=ENVIRONMENT, before=emulator(isa)))


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
    env = {**ENVIRONMENT, "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "core/c/hop"), case, env=env, before=emulator(isa)))


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("provider", ["file", "memfd"])
@pytest.mark.parametrize("case", cases("c", "stamp"))
def test_stamp_on_each_provider(isa: str, provider: str, case: str) -> None:
    env = {**ENVIRONMENT, "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "core/c/stamp"), case, env=env, before=emulator(isa)))


#: How many MiB a direct jump reaches, where that is less than 2 GiB.
REACH = {"aarch64": 128, "arm": 32, "loongarch64": 128, "powerpc64le": 32, "riscv64": 1}
ASSEMBLY = ("entry.S.o", "table.S.o", "hop.S.o")
#: The assembly calls C where a signature is long and gathered, and to report what was freed.
FAR = {
    "layout": ("aligned_in_every_register",),
    "life": ("calling_the_freed_aborts", "calling_the_unprepared_aborts"),
}


def link_far_apart(isa: str, name: str, out: Path, how: str) -> Path:
    """Link a program of the C tests; more text than a jump reaches lies before the assembly."""
    build, machine, made = BUILD / isa, MACHINES[isa], out / name
    objects = sorted(path for path in (build / "obj").rglob("*.o") if "nested" not in path.parts)
    support = (build / "tests/support").glob("*.o")
    own = sorted(each for each in support if each.name != "fs_test.dlopen.o")
    gap = out / "gap.S"
    gap.write_text(f'.text\n.space {REACH[isa] + 1} << 20\n.section .note.GNU-stack,"",%progbits\n')
    command = [machine.gcc, "-pthread", how, "-o", made, f"{program(isa, f'core/abi/{name}')}.o"]
    command += [*own, *(o for o in objects if o.name not in ASSEMBLY), *machine.link]
    # What compilers made lies together before the gap: its own jumps are no longer.
    command += [f"-L{ISAS[isa].libffi()}/archive", "-lffi", "-lm", "-lc", gap]
    if how == "-static-pie":
        command[-2:-1] = ["-Wl,--start-group,-lc,-lgcc,-lgcc_eh,--end-group"]
    command += [o for o in objects if o.name in ASSEMBLY]
    process.run([str(word) for word in command])
    return made


@pytest.mark.slow
@pytest.mark.parametrize("isa", [isa for isa in ELSEWHERE if isa in REACH])
@pytest.mark.parametrize("how", ["-pie", "-static-pie"])
@pytest.mark.parametrize("name", FAR)
def test_text_that_no_jump_reaches_over(isa: str, name: str, how: str, tmp_path: Path) -> None:
    start = ["-print-file-name=rcrt1.o"] if how == "-static-pie" else ["-print-libgcc-file-name"]
    program(isa, f"core/abi/{name}")
    if not Path(process.output([MACHINES[isa].gcc, *start]).strip()).is_absolute():
        pytest.skip("the C library has no rcrt1.o, which -static-pie needs")
    made = link_far_apart(isa, name, tmp_path, how)
    for env in (ENVIRONMENT, {**ENVIRONMENT, "FFI_STATIC_PROVIDER": "file"}):
        for case in FAR[name]:
            judge(run(made, case, env=env, before=emulator(isa)))
    made.unlink()  # as large as its gap
