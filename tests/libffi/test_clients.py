# SPDX-License-Identifier: MIT
"""test_clients - the judges of `make test-clients` and `make libffi-bad-days` can say no.

The runs themselves need a patched libffi, which takes minutes and a network to build: they are
targets of make. What decides about pass and fail in them is tried here, on made-up outcomes and
on the libffi that this machine has.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.libffi.bad_days.rows import SECTIONS
from tests.libffi.bad_days.run import told
from tests.libffi.clients.run import Row, judge, judge_all, table
from tests.support.ctests import BUILD, ROOT, build
from tests.support.process import run

CODE = "7f0000000000-7f0000001000 r-xs 00000000 00:01 77 /memfd:x\n"
ALIAS = "7f0000002000-7f0000003000 rw-s 00000000 00:01 77 /memfd:x\n"
BOTH = "7f0000004000-7f0000005000 rwxp 00000000 00:00 0\n"


def rows(patched: str = "none", stock: str = "1 W+X mappings", failure: str = "") -> list[Row]:
    return [
        Row("Guile", "patched", "plain", 10, 10, failure, patched),
        Row("Guile", "stock", "plain", 10, 10, "", stock),
    ]


def test_a_good_client_run_passes() -> None:
    assert judge_all(rows()) == []


def test_writable_code_on_patched_fails() -> None:
    assert "1 W+X" in judge_all(rows(patched="1 W+X mappings"))[0]


def test_a_wrong_answer_on_patched_fails() -> None:
    assert "got 1" in judge_all(rows(failure="status 1: got 1, not 2"))[0]


def test_a_clean_stock_fails_because_nothing_would_be_seen() -> None:
    assert "would not see" in judge_all(rows(stock="none"))[0]


def test_a_client_that_is_not_ours_is_shown_and_not_counted() -> None:
    ecl = Row("ECL", "patched", "plain", 0, 0, "SIGSEGV")
    assert judge_all([ecl]) == []
    assert "SIGSEGV" in table([ecl], {"ECL": "21"})


@pytest.mark.parametrize(
    ("maps", "verdict"),
    [
        (CODE, "none"),
        (CODE + ALIAS, "1 writable aliases of code"),
        (CODE + BOTH, "1 W+X mappings"),
    ],
)
def test_the_worst_moment_of_a_client_counts(maps: str, verdict: str) -> None:
    assert judge([CODE, maps, CODE]) == verdict


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "goes on"),
        (1, "**wrong**: why"),
        (3, "goes on, with **W+X memory**"),
        (77, "not run: goes on"),
        (-signal.SIGTRAP, "**SIGTRAP**"),
        (-signal.SIGSYS, "**asked for W+X memory** (killed by this test's filter)"),
        (-signal.SIGABRT, "aborts: why"),
    ],
)
def test_each_end_of_a_bad_day_has_its_words(status: int, words: str) -> None:
    done = subprocess.CompletedProcess([], status, "goes on\n", "why\n")
    assert told(done, "/nowhere") == words


def test_every_row_names_a_case_and_every_case_has_a_row() -> None:
    build("tests-libffi-bad-days")
    program = BUILD / "tests" / "libffi" / "bad_days" / "days"
    there = run([program]).stdout.split()
    named = {row.case[0] for rows_ in SECTIONS.values() for row in rows_}
    assert named == set(there)


def test_bad_days_see_the_memory_of_the_systems_libffi() -> None:
    build("tests-libffi-bad-days")
    program = BUILD / "tests" / "libffi" / "bad_days" / "days"
    done = run([program, "as_it_is"], status=None, env={"DAYS_LIBFFI": "libffi.so.8"})
    if "dlopen" in done.stderr:
        pytest.skip(f"no system libffi: {done.stderr.strip()}")
    clean = done.returncode == 0
    assert clean or (done.returncode, "writable" in done.stderr) == (3, True), done.stderr


@pytest.mark.parametrize("page", ["libffi-clients.md", "libffi-bad-days.md"])
def test_the_pages_have_their_tables(page: str) -> None:
    text = Path(ROOT, "docs/results", page).read_text()
    assert "| patched | stock | upstream |" in text
    assert text.count(": begin (make") == text.count(": end -->") == 1
