# SPDX-License-Identifier: MIT
"""test_bolt - the library after a post-link optimizer (LLVM's BOLT) has moved its text.

BOLT takes functions apart and writes them elsewhere, shorter. The places of trampolines and hops
are computed, so it must leave their tables as they are. The rest of the library may be moved: the
cases of the C tests run on it.
"""

from __future__ import annotations

import platform
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import process
from tests.support.ctests import BUILD, LIBRARY, ROOT, build, cases, judge, run

if TYPE_CHECKING:
    from pathlib import Path

if platform.machine() != "x86_64":
    pytest.skip("tried on x86-64 only", allow_module_level=True)

ARCHIVE = BUILD / "lib" / "libffi_static.a"
TABLES = ("fs_table_code", "fs_resident_code", "fs_hops")
#: Not -instrument: its segment is writable and executable, and its counters change the flags that a
#: hop must keep. Nor -use-gnu-stack, which takes away the mark that the stack is not executable.
OPTIONS = ("-reorder-blocks=ext-tsp", "-reorder-functions=hfsort", "-split-functions",
           "-split-all-cold", "-icf=1", "--lite=0")  # fmt: skip
PROGRAMS = ("api", "alloc", "tables", "hop")
ALL = [(name, case) for name in PROGRAMS for case in cases("c", name)]


def optimizers() -> list[str]:
    """Each version of BOLT that is installed: Debian's names end with it."""
    names = ("llvm-bolt", *(f"llvm-bolt-{version}" for version in range(16, 30)))
    return [name for name in names if shutil.which(name)] or [""]


def symbols(file: Path) -> dict[str, int]:
    found = re.findall(r"^([0-9a-f]+) \w (\w+)$", process.output(["nm", file]), re.MULTILINE)
    return {name: int(address, 16) for address, name in found}


def optimized(linked: Path, to: Path, bolt: str) -> None:
    """Run BOLT, which must move the library's functions, and leave its tables."""
    process.run([bolt, linked, "-o", to, *OPTIONS])
    before, after = symbols(linked), symbols(to)
    assert before["fs_enter_slot"] != after["fs_enter_slot"], "nothing was moved"
    assert {name: before[name] for name in TABLES} == {name: after[name] for name in TABLES}


@pytest.fixture(scope="module", params=optimizers())
def bolt(request: pytest.FixtureRequest) -> str:
    if not request.param:
        pytest.skip("llvm-bolt is not installed: apt-get install bolt-19")
    build("tests-c")
    return str(request.param)


@pytest.fixture(scope="module")
def folder(bolt: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the optimized shared library."""
    made: Path = tmp_path_factory.mktemp("bolt")
    linked = made / "linked.so"
    whole: list[str | Path] = ["-Wl,--whole-archive", ARCHIVE, "-Wl,--no-whole-archive", "-lffi"]
    options = ["-shared", "-pthread", "-Wl,-q", "-Wl,-z,now", f"-Wl,-soname,{LIBRARY.name}",
               f"-Wl,--version-script={ROOT}/csrc/libffi_static.map"]  # fmt: skip
    process.run(["gcc", *options, *whole, "-o", linked])
    optimized(linked, made / LIBRARY.name, bolt)
    return made


@pytest.mark.parametrize(("name", "case"), ALL)
def test_shared_library(folder: Path, name: str, case: str) -> None:
    env = {"LD_LIBRARY_PATH": str(folder)}
    judge(run(BUILD / "tests/core/c" / name, case, env=env))


@pytest.mark.parametrize("order", ["resident", "text", "file", "memfd"])
@pytest.mark.parametrize("case", ["every_pair_of_registers", "twenty_thousand"])
def test_each_provider(folder: Path, order: str, case: str) -> None:
    env = {"LD_LIBRARY_PATH": str(folder), "FFI_STATIC_PROVIDER": order}
    judge(run(BUILD / "tests/core/c/hop", case, env=env))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_with_the_library_inside(bolt: str, name: str, tmp_path: Path) -> None:
    support = ("harness", "fs_test", "days", "fs_maps", "seccomp")
    objects = [BUILD / f"tests/core/c/{name}.o", *(BUILD / f"tests/support/{s}.o" for s in support)]
    words: list[str | Path] = [
        "-pthread",
        "-Wl,-q",
        *objects,
        ARCHIVE,
        "-lffi",
        "-lm",
        "-o",
        tmp_path / "linked",
    ]
    process.run(["gcc", *words])
    optimized(tmp_path / "linked", tmp_path / "program", bolt)
    for case in cases("c", name):
        done = run(tmp_path / "program", case)
        assert done.returncode in (0, 77), (case, done.stdout, done.stderr)
