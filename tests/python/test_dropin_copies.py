# SPDX-License-Identifier: MIT
"""test_dropin_copies - copies of ctypes and cffi inside of packages, and other users of libffi

What an object has and imports tells, not its name. What is not served is named: by installed(), by
the report, and where all is required.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.python.conftest import Script, build_extension
from tests.python.programs import dropin_copies, fresh
from tests.support.process import run
from tests.support.programs import cases, program


@cases(dropin_copies)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


def test_an_extension_that_fails_has_the_traceback_of_stock(script: Script, tmp_path: Path) -> None:
    build_extension(tmp_path, "failing")
    failing = dropin_copies.an_extension_that_fails_has_the_traceback_of_stock
    script(program(failing, str(tmp_path)))


# ---- other users of libffi


@pytest.mark.parametrize("loaded", ["before", "after"])
def test_an_extension_that_uses_libffi_itself_is_named(
    script: Script, tmp_path: Path, loaded: str
) -> None:
    made = str(build_extension(tmp_path, "user"))
    named = dropin_copies.an_extension_that_uses_libffi_itself_is_named
    script(program(named, str(tmp_path), made, loaded))


def test_a_library_that_uses_libffi_is_named_while_it_is_loaded(
    script: Script, tmp_path: Path
) -> None:
    made = str(build_extension(tmp_path, "library"))
    script(program(dropin_copies.a_library_that_uses_libffi_is_named_while_it_is_loaded, made))


# ---- where all is required


def start(command: list[str], value: str, **env: str) -> Any:
    env = {"FFI_STATIC_INSTALL": value, **env}
    return run(command, status=None, env=env, without=("FFI_STATIC_",))


def test_required_an_extension_that_uses_libffi_fails_its_import(tmp_path: Path) -> None:
    made = build_extension(tmp_path, "user")
    fails = program(fresh.user_fails_its_import_each_time)
    said = start(fails, "require", PYTHONPATH=str(tmp_path))
    lines = said.stdout.splitlines()
    assert len(lines) == 3, said
    assert lines[2] == "on"
    assert all(line.startswith(f"InstallError user ({made}) is not served") for line in lines[:2])
    relaxed = start(program(fresh.user_calls), "1", PYTHONPATH=str(tmp_path))
    assert (relaxed.stdout, relaxed.stderr) == ("42\n", "")


def test_required_an_extension_that_was_there_before_ends_python(tmp_path: Path) -> None:
    build_extension(tmp_path, "user")
    said = start(program(fresh.require_when_user_is_there), "0", PYTHONPATH=str(tmp_path))
    assert (said.stdout, said.returncode) == ("", 125)
    assert said.stderr.count("\n") == 1
    assert "user.so) is not served" in said.stderr
    assert "giving up, as required" in said.stderr


def test_required_a_copy_that_cannot_be_served_fails_its_import(tmp_path: Path) -> None:
    said = start(program(fresh.import_a_copy_that_cannot_be_served, str(tmp_path)), "require")
    assert said.stdout.startswith("InstallError carrier._cffi_backend ("), said


def test_required_a_library_is_told_of_once_and_works(tmp_path: Path) -> None:
    made = str(build_extension(tmp_path, "library"))
    said = start(program(fresh.use_a_library, made), "require", FFI_STATIC_REPORT="1")
    assert (said.stdout, said.returncode) == ("42\n", 0), said
    lines = [line for line in said.stderr.splitlines() if made in line]
    assert len(lines) == 2, "when it was met, and in the report"
    assert all("not served: it makes closures with libffi itself" in line for line in lines)
