# SPDX-License-Identifier: MIT
"""run - run a program with the drop-in, and with policies against writable code if asked for

    python -m ffi_static run [--mdwe] [--no-memfd] [--report] program.py [argument...]
    python -m ffi_static run [...] -m module [argument...]
    python -m ffi_static run [...] -c code [argument...]

This module does not run the program itself. It sets the policies and FFI_STATIC_INSTALL. Then it
becomes, by exec, the same interpreter with the same options on the program. So the program finds
its argv, __main__, import path, stdin, signals, exit status, tracebacks, atexit and children of
multiprocessing as if started alone. ffi_static_start.py installs the drop-in, as in services (see
_startup.py). Children inherit it, and the policies.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path
from typing import NoReturn

from ffi_static._startup import FAILED, INSTALL, PROGRAM, REPORT

USAGE = """\
usage: python [python's options] -m ffi_static run [option...] program.py [argument...]
       python [python's options] -m ffi_static run [option...] -m module [argument...]
       python [python's options] -m ffi_static run [option...] -c code [argument...]
"""
HELP = """
Run a program with ctypes' and cffi's callbacks on closures of ffi_static. A program may also be a
folder or zip file with a __main__.py, or - for stdin.

options:
  --mdwe               refuse the program and its children memory that is or becomes writable and
                       executable, as MemoryDenyWriteExecute= does (Linux 6.3)
  --no-memfd           refuse them memfd_create() and shared executable mappings too (seccomp)
  --report             tell at the program's exit, on stderr, which callbacks were served
  --keep-thread-state  as in ffi_static.install()
  --no-turbo           leave the calls of callbacks to ctypes' and cffi's own code
  -h, --help           this text

`ffi-static run` is the same, with no options of Python's own.
The exit status is the program's, 125 without the drop-in or a policy, or 2 for wrong usage.
"""
#: The file that Python reads at its start (see ffi_static_start.py).
STARTUP_FILE = "ffi_static.start" if sys.version_info >= (3, 15) else "ffi_static.pth"
OPTIONS = ("--mdwe", "--no-memfd", "--report", "--keep-thread-state", "--no-turbo")


def fail(why: str, status: int = FAILED) -> NoReturn:
    """Say why the program was not run, and exit."""
    print(f"{USAGE if status == 2 else ''}ffi_static run: {why}", file=sys.stderr)
    sys.exit(status)


def parse(argv: list[str]) -> tuple[set[str], list[str]]:
    """Split the options from the program. Words after the program's name are the program's."""
    options: set[str] = set()
    for index, word in enumerate(argv):
        if word in ("-h", "--help"):
            print(USAGE + HELP, end="")
            sys.exit(0)
        if word in OPTIONS:
            options.add(word)
            continue
        program = argv[index:]
        if word == "--":
            program = program[1:]
        elif word[:2] in ("-m", "-c"):
            if len(word) == 2 and len(program) == 1:
                fail(f"argument expected for the {word} option", 2)
        elif word.startswith("-") and word != "-":
            fail(f"unknown option {word}; python's own options go before -m ffi_static", 2)
        if program:
            return options, program
    fail("no program was given", 2)


def interpreter_options(given: list[str]) -> list[str]:
    """Give this interpreter's command line up to ``-m ffi_static``, which is left out.

    `given` is the rest of the command line: sys.argv without its first word.
    """
    line = getattr(sys, "orig_argv", None)
    if line is None:  # Python 3.9
        line = [os.fsdecode(word) for word in Path("/proc/self/cmdline").read_bytes().split(b"\0")]
        line.pop()
    head = line[: len(line) - len(given)] if line[len(line) - len(given) :] == given else []
    if len(head) > 2 and head[-1] == "ffi_static" and head[-2][:1] == "-" and head[-2][-1] == "m":
        head[-2:] = [head[-2][:-1]] if head[-2] != "-m" else []
    elif len(head) > 1 and head[-1].startswith("-") and head[-1].endswith("mffi_static"):
        letters = head[-1][: -len("mffi_static")]
        head[-1:] = [letters] if letters != "-" else []
    else:  # main() was called by a program, or __main__.py by its path
        import subprocess

        head = [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]  # noqa: SLF001
    return head


def check_startup_file() -> None:
    """Exit if the interpreter would start without reading the startup file."""
    if sys.flags.no_site:
        fail("python was started with -S, which leaves out the startup files of site-packages")
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders = [*folders, site.getusersitepackages()]
    if not any((Path(folder) / STARTUP_FILE).is_file() for folder in folders):
        fail(
            f"{STARTUP_FILE} is in none of the folders that {sys.executable} reads at its start "
            f"({', '.join(folders)}): install the package with pip instead of using it in place, "
            "or call ffi_static.install() in the program"
        )


def switch_on(options: set[str]) -> None:
    """Switch the chosen policies on. They cannot be switched off."""
    from ffi_static import _strict

    for option, policy in (
        ("--no-memfd", _strict.refuse_memfd),
        ("--mdwe", _strict.deny_write_execute),
    ):
        if option in options:
            try:
                policy()
            except OSError as error:
                fail(f"{option}: {error.strerror}")


def main(argv: list[str]) -> NoReturn:
    """Become the program. Returns only by SystemExit, with status 2 or 125."""
    options, program = parse(argv)
    check_startup_file()
    command = [*interpreter_options(sys.argv[1:]), *program]
    if options & {"--mdwe", "--no-memfd"}:
        switch_on(options)
    words = {"--keep-thread-state": "keep_thread_state", "--no-turbo": "no_turbo"}
    asked = [word for option, word in words.items() if option in options]
    os.environ[INSTALL] = ",".join(["require", *asked])
    os.environ.pop(REPORT, None)
    if "--report" in options:
        os.environ[REPORT] = PROGRAM
    try:
        os.execv(sys.executable, command)  # noqa: S606
    except OSError as error:
        fail(f"{sys.executable}: {error.strerror}")
