# SPDX-License-Identifier: MIT
"""conftest - caller.c, compiled once: C code that calls what the tests of this folder make"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def caller_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of caller.c's shared library."""
    path = str(tmp_path_factory.mktemp("caller") / "caller.so")
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread"]
    subprocess.run([*compiler, *flags, str(HERE / "caller.c"), "-o", path], check=True)
    return path


def declare(library: Any) -> Any:
    pointer = ctypes.c_void_p
    for name, restype, argtypes in (
        ("call", ctypes.c_int, [pointer, ctypes.c_int]),
        ("loop", ctypes.c_longlong, [pointer, ctypes.c_int]),
        ("call_after", ctypes.c_int, [pointer, pointer, ctypes.c_char_p, pointer]),
        ("call_double", ctypes.c_double, [pointer, ctypes.c_double, ctypes.c_float]),
        ("call_wide", ctypes.c_longlong, [pointer]),
        ("call_errno", ctypes.c_int, [pointer, ctypes.c_int]),
        ("in_threads", ctypes.c_longlong, [pointer, ctypes.c_int, ctypes.c_int]),
        ("start", pointer, [pointer]),
        ("step", ctypes.c_int, [pointer]),
        ("stop", None, [pointer]),
        ("park", ctypes.c_int, [pointer, ctypes.c_int]),
        ("unpark", None, [pointer]),
        ("spin", ctypes.c_int, [pointer]),
        ("call_at_exit", None, [pointer]),
        ("call_in_destructor", ctypes.c_int, [pointer]),
        ("call_when_gone", ctypes.c_int, [pointer, ctypes.c_char, ctypes.c_char]),
        ("call_to_the_end", ctypes.c_int, [pointer, ctypes.c_int]),
        ("call_without_end", None, [pointer]),
        ("call_strictly", ctypes.c_int, [pointer, ctypes.c_int]),
        ("start_slowly", ctypes.c_int, [pointer]),
        ("has_got_its_state", ctypes.c_int, []),
        ("end_slowly", ctypes.c_int, []),
        ("dirty_pointer", pointer, [pointer]),
        ("dirty_double", ctypes.c_double, [pointer]),
        ("dirty_wide", ctypes.c_longlong, [pointer]),
        ("take_mixed", ctypes.c_double, [pointer, ctypes.c_int, ctypes.c_char_p, ctypes.c_double]),
        ("take_large", ctypes.c_long, [pointer, ctypes.c_long, ctypes.c_int]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = restype, argtypes
    return library


@pytest.fixture(scope="session")
def caller(caller_path: str) -> Any:
    """Give caller.c, called with the GIL released."""
    return declare(ctypes.CDLL(caller_path))


@pytest.fixture(scope="session")
def holder(caller_path: str) -> Any:
    """Give caller.c, called with the GIL held."""
    return declare(ctypes.PyDLL(caller_path))


@pytest.fixture
def script(caller_path: str) -> Any:
    """Run code in a fresh interpreter, with `caller` and `holder` as above; what it printed.

    The code must end with the exit status that is asked for (negative: the signal).
    """

    def run(code: str, *, status: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        prelude = (
            "import ctypes, faulthandler, gc, os, sys, threading, time\n"
            "import ffi_static\n"
            f"sys.path.insert(0, {str(HERE)!r})\n"
            "from conftest import declare\n"
            f"caller = declare(ctypes.CDLL({caller_path!r}))\n"
            f"holder = declare(ctypes.PyDLL({caller_path!r}))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", prelude + code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **env},
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give the list of what went to sys.unraisablehook, as (message, object, type, text)."""
    seen: list[Any] = []

    def hook(args: Any) -> None:
        seen.append((args.err_msg, args.object, args.exc_type, str(args.exc_value)))

    monkeypatch.setattr(sys, "unraisablehook", hook)
    return seen
