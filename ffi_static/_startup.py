# SPDX-License-Identifier: MIT
"""_startup - install() at the start of the interpreter, when FFI_STATIC_INSTALL asks for it

Why it exists: a unit file hardens a service, and should also give it its callbacks back, without a
change of the program. If the variable is set, ffi_static_start.py, beside the package, imports this
module while Python starts, before the program. If not, that costs one look at the environment.

    FFI_STATIC_INSTALL=1                    ctypes and cffi; "0" or nothing: neither. yes, true and
                                            on are as 1; no, false and off as 0. All words may be
                                            in capitals
    FFI_STATIC_INSTALL=word[,word...]       ctypes, cffi: only these; keep_thread_state: as in
                                            install(); no_turbo: as turbo=False there;
                                            require: do not go on without
    FFI_STATIC_REPORT=1                     each process tells at its exit what was served; yes and
                                            so on as above

When the value is wrong or install() refuses, one line on stderr says so, and Python goes on with
stock callbacks: a service that may never make a callback must not fail to start. With ``require``
Python exits instead, with status 125, as env(1) and timeout(1) do for their own failures. Children
inherit the environment, so they are served as well.
"""

from __future__ import annotations

import os
import sys

from ffi_static import _lib
from ffi_static._dropin import install, installed, serving
from ffi_static._dropin.serving import Served
from ffi_static._errors import Error

INSTALL, REPORT = "FFI_STATIC_INSTALL", "FFI_STATIC_REPORT"
WORDS = ("1", "ctypes", "cffi", "keep_thread_state", "no_turbo", "require")
YES, NO = ("1", "yes", "true", "on"), ("", "0", "no", "false", "off")
#: The exit status when `require` was asked for and a module cannot be served.
FAILED = 125
#: The value that `run --report` sets: this process reports, its children do not.
PROGRAM = "program"


def say(sentence: str) -> None:
    """Write one line to stderr. Where there is no stderr, or it is full, nobody can be told.

    The line goes around the buffer of Python's own stderr. A line that cannot be written would stay
    in the buffer, and the program's exit would fail with status 120.
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


def split(value: str) -> list[str]:
    """Give the words of a variable as they are compared."""
    return value.lower().split(",")


def arguments(value: str) -> dict[str, bool] | None:
    """Translate the variable's value into install()'s arguments. Give None for a word of NO.

    Raises ValueError, which names the legal words.
    """
    words = ["1" if word in YES else word for word in split(value)]
    if len(words) == 1 and words[0] in NO:
        return None
    wrong = [word for word in words if word not in WORDS]
    if wrong:
        raise ValueError(
            f"{INSTALL}={value}: {wrong[0]!r} is unknown; give 0, or words of these with commas: "
            + ", ".join(WORDS)
        )
    every = "1" in words or ("ctypes" not in words and "cffi" not in words)
    return {
        "ctypes": every or "ctypes" in words,
        "cffi": every or "cffi" in words,
        "keep_thread_state": "keep_thread_state" in words,
        "turbo": "no_turbo" not in words,
    }


def start() -> None:
    """Do what the environment asks for. Exits only if that says `require`."""
    value = os.environ.get(INSTALL, "")
    require = "require" in split(value)
    try:
        asked = arguments(value)
        if asked is None:
            return
        if require:  # also of modules that are imported later
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
    elif value.lower() in NO:
        return
    elif value.lower() not in YES:
        say(f"{REPORT}={value}: give 0 or 1; there will be no report")
        return
    import atexit

    atexit.register(report, os.getpid() if value == PROGRAM else None)


def report(only: int | None) -> None:
    """Tell what was served. If `only` is a process, its forked children tell nothing."""
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
    made, freed = _lib.callback_counts()
    if made:
        say(f"{prefix}ffi_static.callback: {_counts(made, made - freed, freed)}")


def _counts(made: int, live: int, freed: int) -> str:
    return f"{made} callbacks made, {live} live, {freed} freed"


def describe(each: Served) -> str:
    """Put one record of installed() into a sentence."""
    if each.state == "waiting":
        return f"{each.module}: was not imported"
    if each.state == "unserved":
        return f"{each.module} ({each.file}): not served: {each.reason}"
    where = f"{each.module} {each.version} ({each.file})"
    if each.state == "refused":
        return f"{where}: refused, its callbacks are stock: {each.reason}"
    counts = _counts(each.made, each.live, each.freed)
    left = f"; {each.leftover} made before, in the module's own memory" if each.leftover else ""
    if each.state == "served" and each.no_turbo:
        turbo = f"; none turbo: {each.no_turbo}"
    else:
        turbo = f", {each.turbo} turbo"
    return f"{where}: {each.state}, {counts}{turbo}{left}"


start()
