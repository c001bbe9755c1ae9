# SPDX-License-Identifier: MIT
"""test_abi - every type at every place where its passing changes, and the closure's life."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.core.abi import cases
from tests.fuzz import build
from tests.support.ctests import BUILD, judge, run
from tests.support.ctests import build as make
from tests.support.ctests import cases as names_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if not build.shim_folder().is_dir():
    pytest.skip(f"no call shim: {build.shim_folder()} does not exist", allow_module_level=True)


def named(program: str) -> list[str]:
    return names_of("abi", program)


CASES = cases.all_cases()
PROGRAMS = ("life", "layout", "silent", "variadic")
NAMED = [(program, name) for program in PROGRAMS for name in named(program)]


@pytest.fixture(scope="module")
def scratch() -> Iterator[tuple[Path, list[str]]]:
    make("lib")
    out = build.scratch()
    yield out, build.runtime(out, "gcc")
    shutil.rmtree(out)


@pytest.mark.parametrize("group", CASES)
def test_type(group: str, scratch: tuple[Path, list[str]]) -> None:
    out, objects = scratch
    sigs = CASES[group]
    turns = build.compilers()
    cc = turns[list(CASES).index(group) % len(turns)]
    seen = build.run_batch(build.Options(), out / "case", sigs, cc, objects)
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == len(sigs)


@pytest.mark.parametrize(("program", "name"), NAMED)
def test_named(program: str, name: str) -> None:
    make("tests-abi")
    judge(run(BUILD / "tests" / "core" / "abi" / program, name))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["debug", "asan", "static", "clang"])
@pytest.mark.parametrize(("program", "name"), NAMED)
def test_named_in_other_builds(program: str, name: str, variant: str) -> None:
    if variant == "clang" and not shutil.which("clang"):
        pytest.skip("clang is not installed: apt-get install clang")
    make(f"tests-{variant}")
    judge(run(BUILD / variant / "core" / "abi" / program, name))


@pytest.mark.parametrize("program", PROGRAMS)
def test_names_are_those_of_the_program(program: str) -> None:
    make("tests-abi")
    listed = judge(run(BUILD / "tests" / "core" / "abi" / program)).split()
    assert sorted(listed) == sorted(named(program))
