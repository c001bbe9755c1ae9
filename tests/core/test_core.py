# SPDX-License-Identifier: MIT
"""test_core - the C library on good days: functions, allocator, instrumented builds."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ctests import (
    BUILD,
    HARDENED,
    ROOT,
    SEALED_PROGRAMS,
    WITH_MODULE,
    build,
    cases,
    judge,
    needs_module,
    run,
)

PROGRAMS = ("api", "alloc", "tables", "hop", "stamp", "device", *SEALED_PROGRAMS)
SEALED = [
    (program, case)
    for program in SEALED_PROGRAMS
    for case in cases("c", program)
    if case not in HARDENED
]
ALL = [
    (program, case) for program in PROGRAMS for case in cases("c", program) if case not in HARDENED
]

if TYPE_CHECKING:
    import subprocess

# The cases whose size says something that smaller ones do not: plain builds only.
LARGE = {"a_million_live_then_all_freed_at_random"}


@pytest.mark.parametrize(("program", "case"), ALL)
def test_plain(program: str, case: str) -> None:
    build("tests-c")
    judge(run(BUILD / "tests" / "core" / "c" / program, case))


@pytest.mark.parametrize("provider", [p for p in WITH_MODULE if p != "resident"])
@pytest.mark.parametrize(
    ("program", "case"),
    [
        ("alloc", "random_runs_and_slots"),
        ("alloc", "freed_at_random"),
        ("tables", "tables_go_after_a_mass_free"),
        ("api", "the_code_cannot_be_written_nor_the_data_run"),
    ],
)
def test_each_provider_alone(provider: str, program: str, case: str) -> None:
    needs_module(provider)
    build("tests-c")
    judge(
        run(BUILD / "tests" / "core" / "c" / program, case, env={"FFI_STATIC_PROVIDER": provider})
    )


@pytest.mark.parametrize("provider", WITH_MODULE)
@pytest.mark.parametrize("case", cases("c", "hop"))
def test_general_form_on_each_provider(provider: str, case: str) -> None:
    needs_module(provider)
    build("tests-c")
    judge(run(BUILD / "tests" / "core" / "c" / "hop", case, env={"FFI_STATIC_PROVIDER": provider}))


@pytest.mark.parametrize("provider", ["text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("c", "stamp"))
def test_stamp_on_each_provider(provider: str, case: str) -> None:
    build("tests-c")
    judge(
        run(BUILD / "tests" / "core" / "c" / "stamp", case, env={"FFI_STATIC_PROVIDER": provider})
    )


def sealed(program: str, case: str, **env: str) -> subprocess.CompletedProcess[str]:
    build("tests-c")
    return run(BUILD / "tests" / "core" / "c" / program, case, env=env)


@pytest.mark.parametrize("provider", ["default", *(p for p in WITH_MODULE if p != "resident")])
@pytest.mark.parametrize(
    ("program", "case"), [*SEALED, ("sealed", "a_hardened_process_has_no_other")]
)
def test_sealed_all_on_each_provider(program: str, case: str, provider: str) -> None:
    needs_module(provider)
    env = {} if provider == "default" else {"FFI_STATIC_PROVIDER": provider}
    judge(sealed(program, case, FFI_STATIC_HARDEN="1", **env))


@pytest.mark.parametrize("harden", ["0", "1"])
def test_a_page_left_writable_is_found(harden: str) -> None:
    case = "no_store_reaches_a_sealed_table"
    done = sealed("sealed_attacked", case, FFI_STATIC_HARDEN=harden, FS_TEST_HOLE="1")
    # Found by the count, in the parent or in a child; or by a call that went elsewhere.
    told = re.search(r"written\) is [1-9]|[1-9]\d* stores done|answers", done.stderr)
    assert done.returncode == 99 or (done.returncode == 1 and told), done


@pytest.mark.parametrize("harden", ["0", "1"])
@pytest.mark.parametrize("case", cases("c", "books"))
def test_book_keeping_is_not_believed(case: str, harden: str) -> None:
    build("tests-c")
    plain = "dies_when_a_plain_table_is_called_a_sealed_one"
    if harden == "1" and case == plain:
        pytest.skip("there are no plain tables")
    program = BUILD / "tests" / "core" / "c" / "books.static"
    done = run(program, case, env={"FFI_STATIC_HARDEN": harden})
    if not case.startswith("dies_"):
        judge(done)
        return
    assert done.returncode == -signal.SIGABRT, done
    assert re.fullmatch(r"ffi_static: .*0x[0-9a-f]+ .*written to.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("harden", ["2", "yes", "keys "])
def test_a_hardening_that_means_nothing_makes_nothing(harden: str) -> None:
    assert "pass 1 (by pages), keys, or 0" in judge(
        sealed("sealed_refused", "nothing_is_made_unsealed", FFI_STATIC_HARDEN=harden)
    )


def test_keys_where_there_are_none_make_nothing() -> None:
    if " pku " in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has protection keys")
    said = judge(sealed("sealed_refused", "nothing_is_made_unsealed", FFI_STATIC_HARDEN="keys"))
    assert "pkey_alloc" in said and "FFI_STATIC_HARDEN=1 needs none" in said


@pytest.mark.parametrize(("program", "case"), SEALED)
def test_sealed_by_keys(program: str, case: str) -> None:
    if " pku " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no protection keys: the guest of `make test-sealed-vm` has")
    judge(sealed(program, case, FFI_STATIC_HARDEN="keys"))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("case", [c for c in cases("c", "alloc") if c.startswith("random_")])
def test_allocator_by_other_seeds(case: str, seed: int) -> None:
    build("tests-c")
    judge(run(BUILD / "tests" / "core" / "c" / "alloc", case, str(seed * 7919)))


@pytest.mark.slow
@pytest.mark.parametrize(("program", "case"), [c for c in ALL if c[1] not in LARGE])
def test_debug(program: str, case: str) -> None:
    build("tests-debug")
    judge(run(BUILD / "debug" / "core" / "c" / program, case, env={"FS_TEST_DIVIDE": "20"}))


@pytest.mark.slow
@pytest.mark.parametrize(("program", "case"), [c for c in ALL if c[1] not in LARGE])
def test_asan(program: str, case: str) -> None:
    build("tests-asan")
    judge(run(BUILD / "asan" / "core" / "c" / program, case, env={"FS_TEST_DIVIDE": "4"}))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["static", "clang"])
@pytest.mark.parametrize(("program", "case"), [c for c in ALL if c[1] not in LARGE])
def test_other_builds(program: str, case: str, variant: str) -> None:
    if variant == "clang" and not shutil.which("clang"):
        pytest.skip("clang is not installed: apt-get install clang")
    build(f"tests-{variant}")
    judge(run(BUILD / variant / "core" / "c" / program, case, env={"FS_TEST_DIVIDE": "4"}))


VALGRIND = (
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--show-leak-kinds=definite",
)


@pytest.mark.slow
@pytest.mark.parametrize(("program", "case"), [c for c in ALL if c[1] not in LARGE])
def test_valgrind(program: str, case: str) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed: apt-get install valgrind")
    build("tests-c")
    done = run(
        BUILD / "tests" / "core" / "c" / program,
        case,
        env={"FS_TEST_DIVIDE": "200", "FS_TEST_VALGRIND": "1"},
        before=VALGRIND,
    )
    judge(done)
    assert "== " not in done.stderr, done.stderr


def test_every_case_of_the_sources_is_in_its_program() -> None:
    build("tests-c")
    for program in PROGRAMS:
        listed = judge(run(BUILD / "tests" / "core" / "c" / program)).split()
        assert sorted(listed) == sorted(cases("c", program))


def test_no_program_is_left_out() -> None:
    sources = {path.stem for path in (ROOT / "tests" / "core" / "c").glob("*.c")}
    assert sources == {*PROGRAMS, "books", "provider_env"}  # the last by test_bad_days.py


def test_first_closure_makes_no_system_call() -> None:
    build("tests-bad-days")
    done = run(
        BUILD / "tests" / "core" / "bad_days" / "policy", "first_closure_without_a_system_call"
    )
    assert done.returncode != -signal.SIGSYS, "a system call was made"
    assert re.fullmatch("done\n", judge(done))
