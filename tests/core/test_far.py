# SPDX-License-Identifier: MIT
"""test_far - the parts of a large program, far apart: it works, or the linker refuses it.

A jump to a wrong place must never come of it. Programs of tests/core/abi are linked with the
library's own objects: with its assembly far from C, in the large code model, as static-pie. On
other architectures they run under qemu-user.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from tests.arch.isas import ISAS as MACHINES
from tests.fuzz.isa import ISAS
from tests.support import process
from tests.support.ctests import BUILD, ROOT, judge, run
from tests.support.ctests import build as make
from tests.support.emulated import ELSEWHERE, emulator, environment, program

HERE = platform.machine()
ASSEMBLY = ("entry.S.o", "table.S.o", "hop.S.o")
#: How many MiB a direct jump reaches, where that is less than 2 GiB.
REACH = {
    "aarch64": 128,
    "arm": 32,
    "armel": 32,
    "loongarch64": 128,
    "powerpc64le": 32,
    "riscv64": 1,
}
#: The assembly calls C where a signature is long and gathered, and to report what was freed.
FAR = {
    "layout": ("aligned_in_every_register",),
    "life": ("calling_the_freed_aborts", "calling_the_unprepared_aborts"),
}
#: Compilers that have a code model for programs of any size.
LARGE = ("aarch64", "powerpc64le", "x86_64")
#: Machines of 64 bits, whose linkers refuse assembly 32 GiB away from C, and 8 GiB of variables.
BEYOND = ("aarch64", "powerpc64le", "riscv64", "s390x", "x86_64")
#: Its linker (binutils 2.44) checks neither R_LARCH_PCALA_HI20 nor R_LARCH_32_PCREL, in compilers'
#: code as in ours: a program of more than 2 GiB that is not of the code model "extreme" is wrong.
UNCHECKED = pytest.param("loongarch64", marks=pytest.mark.xfail(strict=True, reason="GNU ld"))
BEYOND_HERE = [isa for isa in BEYOND if isa in (HERE, *ELSEWHERE)]
REFUSED = re.compile(r"relocation truncated to fit|out of range|overflow|too far", re.IGNORECASE)


def folder(isa: str) -> Path:
    return BUILD if isa == HERE else BUILD / isa


def made(isa: str, name: str) -> Path:
    """The object of a program of tests/core/abi."""
    if isa == HERE:
        make("tests-abi")
        return BUILD / f"tests/core/abi/{name}.o"
    return Path(f"{program(isa, f'core/abi/{name}')}.o")


def objects(isa: str) -> tuple[list[Path], list[Path]]:
    """The library's objects that compilers made, with the tests' own; and its assembly."""
    library = sorted((folder(isa) / "obj").rglob("*.o"))
    library = [path for path in library if not {"nested", "clang"} & set(path.parts)]
    support = sorted((folder(isa) / "tests/support").glob("*.o"))
    c = [path for path in library if path.name not in ASSEMBLY]
    c += [path for path in support if path.name != "fs_test.dlopen.o"]
    return c, [path for path in library if path.name in ASSEMBLY]


def gcc(isa: str) -> list[str]:
    found = [MACHINES[isa].gcc, "-pthread"]
    libffi = ISAS[isa].libffi()
    return found + ([f"-L{libffi}/archive", f"-I{libffi}/include"] if libffi else [])


def link(isa: str, out: Path, how: list[str], files: list[Path | str]) -> None:
    # A program that is linked statically has no loader.
    loader = () if isa == HERE or "-static-pie" in how else MACHINES[isa].link
    process.run([*gcc(isa), *how, *loader, "-o", str(out), *map(str, files)])


def runs_right(isa: str, out: Path, name: str) -> None:
    env, before = (environment(isa), emulator(isa)) if isa != HERE else ({}, ())
    for provider in ({}, {"FFI_STATIC_PROVIDER": "file"}):
        for case in FAR[name]:
            judge(run(out, case, env={**env, **provider}, before=before))
    out.unlink()  # it may be large


def has_start_file(isa: str, how: str) -> bool:
    """Whether the C library can be linked so."""
    start = ["-print-file-name=rcrt1.o"] if how == "-static-pie" else ["-print-libgcc-file-name"]
    return Path(process.output([*gcc(isa)[:1], *start]).strip()).is_absolute()


@pytest.mark.slow
@pytest.mark.parametrize("isa", [HERE, *ELSEWHERE])
@pytest.mark.parametrize("how", ["-pie", "-static-pie"])
@pytest.mark.parametrize("name", FAR)
def test_text_that_no_jump_reaches_over(isa: str, name: str, how: str, tmp_path: Path) -> None:
    """Or, where every jump reaches all of a program, a MiB of it."""
    own = made(isa, name)
    if not has_start_file(isa, how):
        pytest.skip("the C library has no rcrt1.o, which -static-pie needs")
    c, assembly = objects(isa)
    gap = tmp_path / "gap.S"
    space = REACH.get(isa, 0) + 1
    gap.write_text(f'.text\n.space {space} << 20\n.section .note.GNU-stack,"",%progbits\n')
    # What compilers made lies together before the gap: its own jumps are no longer.
    libraries = ["-lffi", "-lm", "-lc"]
    if how == "-static-pie":
        libraries[-1] = "-Wl,--start-group,-lc,-lgcc,-lgcc_eh,--end-group"
    link(isa, tmp_path / name, [how], [own, *c, *libraries, gap, *assembly])
    runs_right(isa, tmp_path / name, name)


@pytest.mark.slow
@pytest.mark.parametrize("isa", [isa for isa in LARGE if isa in (HERE, *ELSEWHERE)])
@pytest.mark.parametrize("name", FAR)
def test_program_of_the_large_code_model(isa: str, name: str, tmp_path: Path) -> None:
    made(isa, name)
    how = ["-mcmodel=large", "-fno-pic", "-no-pie", "-std=gnu11", "-O2", "-Wno-psabi"]
    how += [f"-I{ROOT}/csrc/include", f"-I{ROOT}/tests/support", f"-I{ROOT}/tests/core/c"]
    how += [f"-I{ROOT}/tests/core/abi/{MACHINES[isa].folder}"]
    c, assembly = objects(isa)
    source = ROOT / f"tests/core/abi/{name}.c"
    link(isa, tmp_path / name, how, [source, *c, *assembly, "-lffi", "-lm"])
    runs_right(isa, tmp_path / name, name)


def works_or_is_refused(isa: str, name: str, out: Path, files: list[Path | str], *how: str) -> str:
    """What becomes of a program that is linked so: it runs right, or the linker says why not."""
    refusal = ""
    try:
        link(isa, out, ["-no-pie", *how], files)
    except process.ProcessError as error:
        refusal = str(error)
    if not refusal:
        runs_right(isa, out, name)
        return "works"
    assert REFUSED.search(refusal), refusal
    return "is refused"


@pytest.mark.slow
@pytest.mark.parametrize("isa", [*BEYOND_HERE, UNCHECKED])
@pytest.mark.parametrize("name", FAR)
def test_text_beyond_every_jump(isa: str, name: str, tmp_path: Path) -> None:
    """C is 32 GiB away from the assembly."""
    own = made(isa, name)
    c, assembly = objects(isa)
    copy = "objcopy" if isa == HERE else f"{MACHINES[isa].triple}-objcopy"
    for path in assembly:
        process.run([copy, "--rename-section", ".text=.far", path, tmp_path / path.name])
    files: list[Path | str] = [own, *c, *(tmp_path / path.name for path in assembly)]
    far = "-Wl,--section-start=.far=0x800000000"
    seen = works_or_is_refused(isa, name, tmp_path / name, [*files, "-lffi", "-lm"], far)
    assert seen == "is refused"


@pytest.mark.slow
@pytest.mark.parametrize("isa", [*BEYOND_HERE, UNCHECKED])
@pytest.mark.parametrize("name", FAR)
def test_variables_beyond_every_address(isa: str, name: str, tmp_path: Path) -> None:
    """8 GiB of a program's variables lie before the library's."""
    own = made(isa, name)
    c, assembly = objects(isa)
    gap = tmp_path / "gap.S"
    gap.write_text('.bss\n.space 8 << 30\n.section .note.GNU-stack,"",%progbits\n')
    files: list[Path | str] = [own, gap, *c, *assembly, "-lffi", "-lm"]
    seen = works_or_is_refused(isa, name, tmp_path / name, files)
    assert seen == "is refused"
