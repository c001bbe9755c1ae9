# SPDX-License-Identifier: MIT
"""conftest - caller.c, compiled once: C code that calls what the tests of this folder make"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.python.programs.caller import PATH, declare
from tests.support.process import ended, run

HERE = Path(__file__).resolve().parent


def compile_library(source: Path, made: Path, *flags: str) -> Path:
    """Compile C code into a shared library."""
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
    run([*compiler, "-O1", *warnings, "-fPIC", "-shared", source, "-o", made, *flags])
    return made


def build_extension(folder: Path, name: str, *flags: str) -> Path:
    """Compile extensions/<name>.c, which is linked with libffi, into a folder."""
    source = HERE / "extensions" / f"{name}.c"
    python = f"-I{sysconfig.get_path('include')}"
    return compile_library(source, folder / f"{name}.so", python, *flags, "-lffi")


@pytest.fixture(scope="session")
def caller_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of caller.c's shared library; where there is no compiler, PATH names it."""
    if PATH in os.environ:
        return os.environ[PATH]
    made = tmp_path_factory.mktemp("caller") / "caller.so"
    return str(compile_library(HERE / "caller.c", made, "-pthread"))


@pytest.fixture(scope="session")
def caller(caller_path: str) -> Any:
    """Give caller.c, called with the GIL released."""
    return declare(ctypes.CDLL(caller_path))


@pytest.fixture(scope="session")
def holder(caller_path: str) -> Any:
    """Give caller.c, called with the GIL held."""
    return declare(ctypes.PyDLL(caller_path))


class Script(Protocol):
    """Runs program(...) with caller.c, to the exit status that is asked for."""

    def __call__(
        self, command: list[str], *, status: int = 0, **env: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def script(caller_path: str) -> Script:
    """Give what runs a program of programs/; the test is skipped where the program says so."""

    def start(command: list[str], *, status: int = 0, **env: str) -> Any:
        done = run(command, status=None, env={PATH: caller_path, **env})
        if done.returncode == 0 and done.stdout.startswith("skip: "):
            pytest.skip(done.stdout.strip()[len("skip: ") :])
        return ended(done, status)

    return start


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give the list of what went to sys.unraisablehook, as (message, object, type, text)."""
    seen: list[Any] = []

    def hook(args: Any) -> None:
        seen.append((args.err_msg, args.object, args.exc_type, str(args.exc_value)))

    monkeypatch.setattr(sys, "unraisablehook", hook)
    return seen
