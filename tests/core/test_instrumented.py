# SPDX-License-Identifier: MIT
"""test_instrumented - the bad days' cases once more: sanitizers, valgrind, other builds

The programs are those of test_bad_days.py, each linked with a library that was compiled for it.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.core.test_bad_days import PROGRAMS
from tests.support.ctests import BUILD, build, cases, judge, run


@pytest.fixture(autouse=True)
def _built() -> None:
    build("tests-bad-days")


WHOLE = ("input", "signatures", "fork", "limits", "exec", "threads", "stamps", "stamps_later")
EXEMPT = {
    # A sanitizer's shadow lives in the address space, the mappings and the descriptors that
    # these cases take away; malloc's redzones do not help there.
    "address_space_at_its_limit_before_the_first",
    "address_space_at_its_limit_after_the_999th",
    "address_space_of_data_at_its_limit_before_the_first",
    "address_space_of_data_at_its_limit_after_the_999th",
    "tables_go_when_no_mapping_is_left",
    "no_mapping_left",
    "few_mappings_left",
    "the_smallest_stack_is_enough_to_make_tables",  # instrumented frames are larger
    # A sanitizer makes mlock() and mlockall() do nothing.
    "locked_now_and_in_future",
    "locked_now",
    "locked_by_root_who_is_nobody_now",
    "far_side",  # is run by the other case of exec.c
}
INSTRUMENTED = [(p, c) for p in WHOLE for c in cases("bad_days", p) if c not in EXEMPT]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["asan", "debug"])
@pytest.mark.parametrize(("program", "case"), INSTRUMENTED)
def test_instrumented(program: str, case: str, variant: str) -> None:
    build(f"tests-{variant}")
    env = {"FS_TEST_DIVIDE": "10", "ASAN_OPTIONS": "detect_leaks=0"}  # ptrace is not ours to use
    judge(run(BUILD / variant / "core" / "bad_days" / program, case, env=env))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["static", "clang"])
@pytest.mark.parametrize(
    ("program", "case"), [(p, c) for p in ("input", "signatures") for c in cases("bad_days", p)]
)
def test_refusals_in_other_builds(program: str, case: str, variant: str) -> None:
    if variant == "clang" and not shutil.which("clang"):
        pytest.skip("clang is not installed: apt-get install clang")
    build(f"tests-{variant}")
    judge(run(BUILD / variant / "core" / "bad_days" / program, case))


# In the last round of a thread's destructors the sanitizer's own record of it is gone.
TSAN_CASES = [c for c in cases("bad_days", "threads") if not c.endswith("while_it_ends")]


@pytest.mark.slow
@pytest.mark.parametrize("case", TSAN_CASES)
def test_tsan(case: str) -> None:
    """Ten seconds in `make test`, a minute in `make test-tsan` ($FS_TSAN_SECONDS)."""
    build("tests-tsan")
    env = {
        "FS_TEST_SECONDS": os.environ.get("FS_TSAN_SECONDS", "10"),
        "FS_TEST_DIVIDE": "5",
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    # Its shadow does not fit the wide address space randomisation of new kernels.
    judge(
        run(
            BUILD / "tsan" / "core" / "bad_days" / "threads",
            case,
            env=env,
            before=("setarch", "-R"),
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", ["eight_threads_copy_and_free", "fork_while_others_copy"])
def test_stamps_under_tsan(case: str) -> None:
    build("tests-tsan")
    env = {"FS_TEST_DIVIDE": "5", "TSAN_OPTIONS": "halt_on_error=1"}
    program = BUILD / "tsan" / "core" / "c" / "stamp"
    judge(run(program, case, env=env, before=("setarch", "-R")))


@pytest.mark.slow
@pytest.mark.parametrize("program", ["input", "signatures"])
def test_bad_input_under_valgrind(program: str) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed: apt-get install valgrind")
    for case in cases("bad_days", program):
        env = {"FS_TEST_DIVIDE": "200", "FS_TEST_VALGRIND": "1"}
        before = ("valgrind", "--quiet", "--error-exitcode=99")
        done = run(PROGRAMS / program, case, env=env, before=before)
        judge(done)
        assert "== " not in done.stderr, done.stderr
