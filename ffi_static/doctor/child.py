# SPDX-License-Identifier: MIT
"""child - run a function in a forked child that exits at once, and bring its answer back

Why it exists: the sure way to learn what a system refuses is to ask it. But asking may end in a
signal (seccomp), or leave memory of the kind that this package avoids. So a child asks.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import warnings
from typing import IO, Any, Callable, NoReturn

#: Seconds after which a child that hangs is killed. Nothing is measured by this.
PATIENCE = 120


def run_in_child(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Give what `ask()` returned in a child, or {"error": why it did not return}.

    The error of an exception is its type and text. The error of a fatal signal is its name, and the
    last line that the child wrote to stderr. `ask` must return what JSON can hold. Raises OSError
    when fork or pipe fail.
    """
    with tempfile.TemporaryFile() as stderr:
        receive, send = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of fork() beside other threads. The child only asks and exits.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _answer(ask, send, stderr)
        os.close(send)
        with os.fdopen(receive, "rb") as pipe:
            answer = pipe.read()
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            stderr.seek(0)
            said = stderr.read().decode(errors="replace").strip().splitlines()
            name = signal.Signals(os.WTERMSIG(status)).name
            return {"error": f"killed by {name}" + (f": {said[-1]}" if said else "")}
        if not answer:
            return {"error": f"the child exited with {os.WEXITSTATUS(status)} and no answer"}
        result: dict[str, Any] = json.loads(answer)
        return result


def _answer(ask: Callable[[], dict[str, Any]], send: int, stderr: IO[bytes]) -> NoReturn:
    try:
        signal.alarm(PATIENCE)
        os.dup2(stderr.fileno(), 2)
        try:
            result = ask()
        except BaseException as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(send, "wb") as pipe:
            pipe.write(json.dumps(result).encode())
    finally:
        os._exit(0)
