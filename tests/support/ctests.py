# SPDX-License-Identifier: MIT
"""ctests - build the C test programs and run one case of one of them.

The cases are read from the sources (``CASE(name)``, or a macro whose name ends in ``_CASE``), so
that pytest can name them before anything is built, and a case that is written is a case that runs.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import process

ROOT = process.ROOT
BUILD = ROOT / "build"
LIBRARY = BUILD / "lib" / "libffi_static.so.0"
SKIPPED = 77  # the exit status of a case that this system cannot run
# The providers that need no kernel module, and trampfd where its module is loaded.
PROVIDERS: tuple[str, ...] = ("resident", "text", "file", "memfd")
if os.access("/dev/trampfd", os.R_OK):
    PROVIDERS += ("trampfd",)
WITH_MODULE = tuple(dict.fromkeys((*PROVIDERS, "trampfd")))

#: The programs of sealed closures, and their cases that need $FFI_STATIC_HARDEN.
SEALED_PROGRAMS = ("sealed", "sealed_attacked", "sealed_refused")
HARDENED = ("nothing_is_made_unsealed", "a_hardened_process_has_no_other")

_CASE = re.compile(r"^(?:CASE|CASE_WITHOUT_AUDIT|[A-Z_]+_CASE)\((\w+)[,)]", re.MULTILINE)


def cases(room: str, program: str) -> list[str]:
    """Names of the cases in tests/core/<room>/<program>.c, in their order."""
    return _CASE.findall((ROOT / "tests" / "core" / room / f"{program}.c").read_text())


def needs_module(provider: str) -> None:
    """Skip where `provider` is the one that needs our kernel module, and that is not loaded."""
    if provider == "trampfd" and not Path("/dev/trampfd").exists():
        pytest.skip("no /dev/trampfd: needs the kernel module, as in `make test-vm`")


@functools.cache
def build(target: str) -> None:
    """Make `target`; fails the test with make's own words."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".tests-lock").open("w") as lock:  # pytest -n: one make at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        process.make(target, "WERROR=-Werror", timeout=None)


def run(
    program: Path,
    *arguments: str,
    env: dict[str, str] | None = None,
    before: tuple[str, ...] = (),
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program with `env` and no variable of the project inherited; `before` runs it."""
    command = [*before, str(program), *arguments]
    return process.run(command, status=None, env=env, without=process.OURS, timeout=timeout)


def judge(done: subprocess.CompletedProcess[str]) -> str:
    """Pass, skip or fail by the exit status; returns what a passing case printed."""
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    if done.returncode != 0:
        how = process.ending(done.returncode)
        pytest.fail(process.said(done.args, how, done.stdout, done.stderr), pytrace=False)
    return done.stdout
