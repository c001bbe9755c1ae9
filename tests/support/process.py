# SPDX-License-Identifier: MIT
"""process - run(): the one way in which tests start a program and wait for its end

Fails with one message that has the command, how the command ended, and both of its streams.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: For `without`: nothing is inherited.
EVERYTHING = ("",)
#: What would change how a program under test behaves: tests give such variables themselves.
OURS = ("FFI_STATIC_", "FS_TEST_", "LD_LIBRARY_PATH")
#: What a make that runs the tests gives to its children: its jobserver, its variables.
MAKE = ("MAKE", "MFLAGS")
ROOT = Path(__file__).resolve().parents[2]
#: What qemu-user itself says on stderr when its program ends by a signal.
QEMU = re.compile(r"^qemu: uncaught target signal \d+ \(.*\) - core dumped\n", re.MULTILINE)


def emulated() -> bool:
    """Tell whether qemu-user runs all this (tests/arch/python.sh says so)."""
    return "FS_TEST_EMULATED" in os.environ


class ProcessError(AssertionError):
    """A program that did not end as it should."""


class HangError(ProcessError):
    """A program that had not ended in time, and was killed."""


def ending(status: int) -> str:
    """Name an exit status: a number, or the signal."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def said(command: Sequence[object], how: str, *streams: str | bytes | None) -> str:
    """Give the message of a failure."""
    texts = [s.decode(errors="backslashreplace") if isinstance(s, bytes) else s for s in streams]
    named = zip(("stdout", "stderr"), texts)
    shown = "".join(f"\n-- {name}\n{text.rstrip()}" for name, text in named if text)
    return f"{' '.join(map(str, command))}\nended with {how}{shown or ' and said nothing'}"


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    status: int | None = 0,
    env: Mapping[str, str] | None = None,
    without: tuple[str, ...] = (),
    timeout: float | None = 600,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run `command` to its end, with its output captured as text.

    status: how the command must end (negative: the signal); None accepts every end.
    env: added to the environment, from which first goes what begins with a word of `without`.
    options: those of subprocess.run().
    Raises ProcessError; HangError when `timeout` seconds have passed.
    """
    words = [os.fspath(word) for word in command]
    inherited = {k: v for k, v in os.environ.items() if not (without and k.startswith(without))}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    if options["text"]:
        options.setdefault("errors", "backslashreplace")
    try:
        done = subprocess.run(
            words, check=False, timeout=timeout, env={**inherited, **(env or {})}, **options
        )
    except subprocess.TimeoutExpired as error:
        how = f"SIGKILL, after {timeout:g} seconds"
        raise HangError(said(words, how, error.stdout, error.stderr)) from None
    if emulated() and isinstance(done.stderr, str):
        done.stderr = QEMU.sub("", done.stderr)
    return done if status is None else ended(done, status)


def ended(done: subprocess.CompletedProcess[Any], status: int) -> subprocess.CompletedProcess[Any]:
    """Give what has run; ProcessError where it did not end with `status`."""
    if done.returncode != status:
        raise ProcessError(said(done.args, ending(done.returncode), done.stdout, done.stderr))
    return done


def output(command: Sequence[str | os.PathLike[str]], **options: Any) -> str:
    """Give what `command` prints to stdout; it must end with 0."""
    return str(run(command, **options).stdout)


def make(*words: str, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run this checkout's make as if no make ran these tests; `options` are those of run()."""
    return run(["make", "-s", "-C", ROOT, *words], without=MAKE, **options)
