# SPDX-License-Identifier: MIT
"""test_nested - libffi_static-nested: the calls that GCC's and flang's code makes, by hand.

Every program kills itself when anything asks for memory that is writable and executable, and looks
for such memory at its end. GCC 14's own code is tried by ``make test-nested`` (slow).
"""

from __future__ import annotations

import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.ctests import BUILD, ROOT, build, judge, run
from tests.support.policies import MDWE, refusal, run_under
from tests.support.process import output

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("frames", "leave", "signals", "stacks", "process", "flang", "exceptions")
SOURCES = ROOT / "tests" / "nested" / "c"
VARIANTS = ("debug", "asan", "tsan", "static", "clang")

#: These end the process: how, and what the last line says.
DEATHS = {
    ("process", "deleted_of_nothing"): "__gcc_nested_func_ptr_deleted",
    ("process", "deleted_twice"): "__gcc_nested_func_ptr_deleted",
    ("process", "deleted_by_another_thread"): "__gcc_nested_func_ptr_deleted",
    ("process", "called_after_deleted"): "was called after it was freed",
    ("flang", "freed_twice"): "is not the handle",
    ("flang", "adjusted_null"): "is not the handle",
    ("flang", "freed_what_gcc_made"): "is not the handle",
}
FAULTS = [("process", "called_where_no_code_is"), ("process", "called_where_null_is")]
NO_TRAMPOLINES = ("process", "out_of_trampolines")
#: Not in every build: coroutines are unknown to TSan, it delivers signals late, also while the
#: program blocks them, and delivers none any more after siglongjmp() out of a handler.
NOT_UNDER_TSAN = re.compile(
    "coroutine|the_one_of_another_stack|each_instruction|left_by_siglongjmp"
)


def cases(program: str) -> list[str]:
    text = next(SOURCES.glob(f"{program}.c*")).read_text(encoding="utf-8")
    return re.findall(r"^CASE(?:_WITHOUT_AUDIT)?\((\w+)\)", text, flags=re.MULTILINE)


ALL = [(program, case) for program in PROGRAMS for case in cases(program)]
GOOD = [c for c in ALL if c not in DEATHS and c not in FAULTS and c != NO_TRAMPOLINES]


def plain(program: str) -> Path:
    build("tests-nested")
    return BUILD / "tests" / "nested" / "c" / program


@pytest.mark.parametrize(("program", "case"), GOOD)
def test_plain(program: str, case: str) -> None:
    judge(run(plain(program), case))


@pytest.mark.parametrize("provider", ["text", "file", "memfd"])
@pytest.mark.parametrize(
    ("program", "case"),
    [("frames", "each_frame_has_its_own"), ("frames", "recursion_a_hundred_thousand_deep"),
     ("leave", "coroutines_interleave"), ("flang", "twenty_thousand_are_alive")],
)  # fmt: skip
def test_each_provider_alone(program: str, case: str, provider: str) -> None:
    env = {"FFI_STATIC_PROVIDER": provider, "FS_TEST_DIVIDE": "10"}
    judge(run(plain(program), case, env=env))


@pytest.mark.parametrize("program", PROGRAMS)
def test_under_mdwe(program: str) -> None:
    if refusal(MDWE):
        pytest.skip(refusal(MDWE))
    made = plain(program)
    for name, case in GOOD:
        if name == program:
            judge(run_under(MDWE, [str(made), case], env={"FS_TEST_DIVIDE": "20"}))


@pytest.mark.parametrize(("program", "case"), DEATHS)
def test_ends_with_one_line(program: str, case: str) -> None:
    done = run(plain(program), case)
    assert done.returncode == -signal.SIGABRT, (done.returncode, done.stderr)
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("ffi_static: ")
    assert DEATHS[program, case] in done.stderr
    assert done.stdout.strip() in done.stderr


@pytest.mark.parametrize(("program", "case"), FAULTS)
def test_call_of_no_code_is_a_fault(program: str, case: str) -> None:
    assert run(plain(program), case).returncode == -signal.SIGSEGV


def test_without_trampolines_each_provider_has_its_reason() -> None:
    done = run(plain("process"), "out_of_trampolines")
    assert done.returncode == -signal.SIGABRT, (done.returncode, done.stderr)
    assert done.stderr.count("\n") == 1
    assert "no trampoline for a pointer to a nested function" in done.stderr
    for provider in ("resident", "trampfd", "text", "file", "memfd"):
        assert f"{provider}: " in done.stderr, done.stderr


# ---- other builds


def variant(name: str, program: str) -> Path:
    if name == "clang" and not shutil.which("clang"):
        pytest.skip("clang is not installed: apt-get install clang")
    build(f"tests-nested-{name}")
    return BUILD / name / "nested" / "c" / program


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("program", "case"), GOOD)
def test_other_builds(program: str, case: str, name: str) -> None:
    if name == "tsan" and NOT_UNDER_TSAN.search(case):
        pytest.skip("the thread sanitizer knows no coroutines, nor when signals come")
    divide = "20" if name in {"asan", "tsan"} else "4"
    judge(run(variant(name, program), case, env={"FS_TEST_DIVIDE": divide}))


#: valgrind takes a change of stacks for a mistake, and delays signals; a fault is what it reports.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "case"),
    [
        (program, case)
        for program, case in GOOD
        if program in {"frames", "process", "flang"} and "cannot_be_written" not in case
    ],
)
def test_valgrind(program: str, case: str) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed: apt-get install valgrind")
    before = ("valgrind", "--quiet", "--error-exitcode=99")
    env = {"FS_TEST_DIVIDE": "500", "FS_TEST_VALGRIND": "1"}
    judge(run(plain(program), case, env=env, before=before))


# ---- the library, as it is built


def test_exports_are_libgccs_and_flangs_names() -> None:
    build("nested")
    library = BUILD / "lib" / "libffi_static-nested.so.0"
    lines = output(["readelf", "--dyn-syms", "-W", library]).splitlines()
    names = {words[7] for words in map(str.split, lines) if len(words) > 7 and words[6].isdigit()}
    assert names == {
        "__gcc_nested_func_ptr_created@@GCC_14.0.0",
        "__gcc_nested_func_ptr_deleted@@GCC_14.0.0",
        "_FortranATrampolineInit@@FFI_STATIC_0.1",
        "_FortranATrampolineAdjust@@FFI_STATIC_0.1",
        "_FortranATrampolineFree@@FFI_STATIC_0.1",
    }


def test_needs_no_library_but_the_c_library() -> None:
    build("nested")
    said = output(["readelf", "-d", BUILD / "lib" / "libffi_static-nested.so.0"])
    assert re.findall(r"NEEDED.*\[(.*)\]", said) == ["libc.so.6"]
    assert "NODELETE" in said


def test_every_case_of_the_sources_is_in_its_program() -> None:
    for program in PROGRAMS:
        assert judge(run(plain(program))).split() == cases(program)
