# SPDX-License-Identifier: MIT
"""_startup - install() at the start of the interpreter, when FFI_STATIC_INSTALL asks for it

Why it exists: a service is hardened in its unit file, and should get its callbacks back there,
without a change of its program. ``ffi_static.pth``, in the wheel, imports this module while Python
starts, before the program, if the variable is set; if not, it costs one look at the environment.

    FFI_STATIC_INSTALL=1                    ctypes and cffi; "0" or nothing: do not
    FFI_STATIC_INSTALL=word[,word...]       ctypes, cffi: only these; keep_thread_state: as
                                            install()'s; require: do not go on without
    FFI_STATIC_REPORT=1                     each process tells at its exit what was served

When the value is wrong or install() refuses, one line on stderr says so and Python goes on with
stock callbacks: a service that may never make one must not fail to start. With ``require`` it says
so and exits with status 125, as env(1) and timeout(1) do for their own failures. Children inherit
the environment, so that they are served as well.
"""

from __future__ import annotations

import os
import sys

from ffi_static._dropin import install, installed, serving
from ffi_static._dropin.served import Served
from ffi_static._errors import Error

INSTALL, REPORT = "FFI_STATIC_INSTALL", "FFI_STATIC_REPORT"
WORDS = ("1", "ctypes", "cffi", "keep_thread_state", "require")
#: The exit status when `require` was asked for and cannot be had.
FAILED = 125
#: What `run --report` sets: this process reports, its children do not.
PROGRAM = "program"


def say(sentence: str) -> None:
    """Write one line to stderr; where there is none, or it is full, nobody can be told.

    Python's own stderr is not written through its buffer: what it cannot write would stay there,
    and make the exit of the program fail with status 120.
    """
    line = f"ffi_static: {' '.join(sentence.split())}\n"
    stream = sys.stderr
    try:
        if stream is not None and stream is sys.__stderr__:
            stream.flush()
            os.write(stream.fileno(), line.encode(stream.encoding, "backslashreplace"))
        elif stream is not None:
            stream.write(line)
            stream.flush()
    except (OSError, ValueError):
        pass


def arguments(value: str) -> dict[str, bool] | None:
    """Translate the variable's value into install()'s arguments; None for "0" and "".

    Raises ValueError that names the legal words.
    """
    if value in ("", "0"):
        return None
    words = value.split(",")
    wrong = [word for word in words if word not in WORDS]
    if wrong:
        raise ValueError(
            f"{INSTALL}={value}: {wrong[0]!r} is unknown; it is 0, or these joined by commas: "
            + ", ".join(WORDS)
        )
    every = "1" in words or ("ctypes" not in words and "cffi" not in words)
    return {
        "ctypes": every or "ctypes" in words,
        "cffi": every or "cffi" in words,
        "keep_thread_state": "keep_thread_state" in words,
    }


def start() -> None:
    """Do what the environment asks for; exits only where it says `require`."""
    value = os.environ.get(INSTALL, "")
    require = "require" in value.split(",")
    try:
        asked = arguments(value)
        if asked is None:
            return
        if require:  # of what is imported later, too
            serving.required = True
            serving.tell = say
        install(**asked, at_exit=None)
    except (ValueError, OSError, Error) as why:
        say(f"{why}; {'giving up, as required' if require else 'callbacks are stock'}")
        if require:
            os._exit(FAILED)
    prepare_report()


def prepare_report() -> None:
    """Have the report printed at exit, when the environment asks for one."""
    value = os.environ.get(REPORT, "")
    if value == PROGRAM:
        del os.environ[REPORT]
    elif value in ("", "0"):
        return
    elif value != "1":
        say(f"{REPORT}={value}: it is 0 or 1; there will be no report")
        return
    import atexit

    atexit.register(report, os.getpid() if value == PROGRAM else None)


def report(only: int | None) -> None:
    """Tell what was served; in a forked child of process `only`, nothing."""
    if only is None:
        prefix = f"[{os.getpid()}] "
    elif only == os.getpid():
        prefix = ""
    else:
        return
    served = installed()
    for each in served:
        say(prefix + describe(each))
    if not served:
        say(prefix + "nothing was installed")


def describe(each: Served) -> str:
    """Put one record of installed() into a sentence."""
    if each.state == "waiting":
        return f"{each.module}: was not imported"
    if each.state == "unserved":
        return f"{each.module} ({each.file}): not served: {each.reason}"
    where = f"{each.module} {each.version} ({each.file})"
    if each.state == "refused":
        return f"{where}: refused, its callbacks are stock: {each.reason}"
    counts = f"{each.made} callbacks made, {each.live} live, {each.freed} freed"
    left = f"; {each.leftover} made before, in memory of its own" if each.leftover else ""
    return f"{where}: {each.state}, {counts}{left}"


start()
