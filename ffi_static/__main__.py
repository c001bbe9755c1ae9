# SPDX-License-Identifier: MIT
"""__main__ - ``python -m ffi_static <command>``, also called ``ffi-static <command>``"""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ffi_static import __version__
from ffi_static._output import program, run_command


def main(argv: list[str] | None = None) -> int:
    """Run one command. Only that command is imported."""
    parser = argparse.ArgumentParser(
        prog=program(),
        description="C callbacks without writable and executable memory.",
    )
    parser.add_argument("--version", action="version", version=f"ffi_static {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    commands.add_parser(
        "doctor",
        help="what this system allows, and which provider is used",
        add_help=False,  # doctor has its own
    )
    commands.add_parser(
        "run",
        help="run a program with the callbacks of ctypes and cffi on closures of this package",
        add_help=False,
    )
    given = list(sys.argv[1:] if argv is None else argv)
    options, rest = parser.parse_known_args(given[:1])
    rest = [*rest, *given[1:]]
    if options.command == "run":
        from ffi_static import run

        run.main(rest)  # never returns
    from ffi_static import doctor

    return int(doctor.main(rest) or 0)


def command() -> NoReturn:
    """Run main(), and end as a command does. The script ``ffi-static`` calls this."""
    run_command(main)


if __name__ == "__main__":
    command()
