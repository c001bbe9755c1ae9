# SPDX-License-Identifier: MIT
"""policies - run a program with, or without, the kernel's refusal of writable code.

``PR_SET_MDWE`` (Linux 6.3) makes the kernel refuse to make memory executable that is or was
writable. It cannot be taken back, and is inherited by fork and exec: a test therefore never sets
it in its own process, but runs what it tests under run_under(). This file is also the launcher
that does it: ``python policies.py mdwe program argument...`` sets the policy and becomes the
program, which so lives under it from its first instruction.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import subprocess
import sys
from typing import Any

PR_SET_MDWE = 65
PR_GET_MDWE = 66
PR_MDWE_REFUSE_EXEC_GAIN = 1

PLAIN = "plain"
MDWE = "mdwe"
POLICIES = (PLAIN, MDWE)

_NO_POLICY = 125  # exit status of the launcher when the policy could not be set
_TRIED = "prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)"


def set_mdwe() -> None:
    """Refuse this process, and all it will ever start, writable memory that becomes executable.

    Raises OSError (EINVAL before Linux 6.3, or where the architecture has no MDWE).
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    if prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{_TRIED}: {os.strerror(number)}; it needs Linux 6.3 or later")


def mdwe_is_set() -> bool:
    """Whether this process lives under MDWE."""
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return int(prctl(PR_GET_MDWE, 0, 0, 0, 0)) == PR_MDWE_REFUSE_EXEC_GAIN


@functools.cache
def mdwe_refusal() -> str:
    """Why no process can be put under MDWE here, found by trying it; empty where it works.

    Works means: prctl accepts it, it outlives exec, and the kernel then refuses a mapping that is
    writable and executable.
    """
    ask = "import mmap; mmap.mmap(-1, 4096, prot=7)"
    done = run_under(MDWE, [sys.executable, "-I", "-c", ask])
    if done.returncode == _NO_POLICY:
        return done.stderr.strip() or f"{_TRIED} failed"
    if "PermissionError" not in done.stderr:
        return f"{_TRIED} was accepted, but a W+X mapping is not refused: {done.stderr.strip()}"
    return ""


def mdwe_supported() -> bool:
    """Whether processes can be put under MDWE here."""
    return not mdwe_refusal()


def refusal(policy: str) -> str:
    """Why ``policy`` cannot be had on this machine; empty where it can. For pytest.skip()."""
    return mdwe_refusal() if policy == MDWE else ""


def run_under(policy: str, argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` to its end under ``policy`` ("plain" or "mdwe").

    ``options`` are those of run() in process.py; every exit status is accepted.
    Exit status 125 with a sentence in stderr means that the policy could not be set.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r}: the legal ones are {', '.join(POLICIES)}")
    command = argv if policy == PLAIN else [sys.executable, "-I", __file__, policy, *argv]
    from tests.support.process import run  # not where this file is the launcher

    return run(command, status=None, **{"timeout": 300, **options})


def _launch(arguments: list[str]) -> int:
    """Be the launcher: set the policy, then become the program."""
    if len(arguments) < 2 or arguments[0] != MDWE:
        print("usage: policies.py mdwe program [argument...]", file=sys.stderr)
        return _NO_POLICY
    try:
        set_mdwe()
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        print(error.strerror if error.errno != errno.ENOENT else error, file=sys.stderr)
    return _NO_POLICY


if __name__ == "__main__":
    sys.exit(_launch(sys.argv[1:]))
