# SPDX-License-Identifier: MIT
"""_output - what all commands share: their name, and their end when nobody takes their output

`doctor | head -1` closes the pipe before all is printed. Python ignores SIGPIPE, so a print raises.
The unwritten text stays in the buffer, so the exit fails as well, with status 120.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from typing import Callable, NoReturn


def program() -> str:
    """Give what the user types before a command's name: the script, or the module's name."""
    script = os.path.basename(sys.argv[0] if sys.argv else "")  # noqa: PTH119
    return script if script == "ffi-static" else "python -m ffi_static"


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run `command`, write out what it printed, and exit with its status.

    When the reader has gone, SIGPIPE ends the process, as it ends other programs. Any other failure
    to write, such as a full disk, gives status 1 and a sentence. A closed stdout is no failure.
    """
    if sys.stderr is None:  # up to Python 3.10 argparse needs a stderr
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    status: object = 0
    try:
        try:
            status = command()
        except SystemExit as leaving:  # argparse's
            status = leaving.code
        _flush()
    except BrokenPipeError:
        _die_by_sigpipe()
    except OSError as error:
        _drop_output()
        if error.errno != errno.EBADF:
            with contextlib.suppress(OSError):
                os.write(2, f"ffi_static: cannot write the output: {error.strerror}\n".encode())
            os._exit(1)
    sys.exit(status)  # type: ignore[arg-type]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _drop_output() -> None:
    """Throw the buffered text away, so that the exit does not fail because of it."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
            stream.flush()


def _die_by_sigpipe() -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)  # the signal is blocked
