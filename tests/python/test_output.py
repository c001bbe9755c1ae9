# SPDX-License-Identifier: MIT
"""test_output - commands and reports whose output nobody reads, or nothing takes"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.python.programs import fresh
from tests.support.process import run
from tests.support.programs import words

DOCTOR = ("-m", "ffi_static", "doctor")


def python(*arguments: str, before: str = "", **options: Any) -> Any:
    """Run Python on `arguments` by a shell that did `before`, such as closing a descriptor."""
    shell = ["sh", "-c", f'{before}\nexec "$@"', "sh", sys.executable, *arguments]
    streams = {"stdout": None, "stderr": None, **options}
    return run(shell, status=None, **streams)


@pytest.mark.parametrize(
    "arguments",
    [DOCTOR, (*DOCTOR, "--json"), (*DOCTOR, "--help"), ("-m", "ffi_static", "--help"),
     ("-m", "ffi_static", "run", "--help"), ("-m", "ffi_static.doctor")],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_has_gone_ends_a_command_by_sigpipe(arguments: Any, unbuffered: str) -> None:
    receive, send = os.pipe()
    os.close(receive)
    env = {"PYTHONUNBUFFERED": unbuffered}
    done = python(*arguments, stdout=send, stderr=subprocess.PIPE, env=env)
    os.close(send)
    assert done.stderr == ""
    # argparse's own print takes no notice; then the status is 0
    assert done.returncode in (-signal.SIGPIPE, *([0] if "--help" in arguments else []))


def test_output_to_a_full_disk_is_a_sentence() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = python(*DOCTOR, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "ffi_static: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_doctor_without_a_stdout_says_nothing(json: Any) -> None:
    done = python(*DOCTOR, *json, before="exec >&-", stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_wrong_usage_without_a_stderr_keeps_its_status() -> None:
    done = python(*DOCTOR, "--nonsense", before="exec 2>&-", stdout=subprocess.PIPE)
    assert done.returncode == 2


REPORTED = ("-m", "ffi_static", "run", "--report", "-c")


@pytest.mark.parametrize("closing", ["os.close(2)", "sys.stderr.close()", "sys.stderr = None", ""])
def test_report_does_not_change_the_status_of_a_program(closing: str) -> None:
    code = f"import ctypes, os, sys\n{closing}\nsys.exit(4)"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        assert python(*REPORTED, code, stderr=None if closing else full).returncode == 4


def test_report_without_a_stderr_does_not_change_the_status_of_a_program() -> None:
    code = "import sys; sys.exit(4)"
    assert python(*REPORTED, code, before="exec 2>&-").returncode == 4


def test_report_that_cannot_be_written_leaves_nothing_in_stderrs_buffer() -> None:
    done = python(*words(fresh.say_without_a_stderr), stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "nothing\n")


def test_report_goes_where_a_program_has_turned_its_stderr() -> None:
    done = python(*words(fresh.say_into_another_stderr), stdout=subprocess.PIPE)
    assert done.stdout == "ffi_static: a sentence\n"
