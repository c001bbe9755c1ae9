#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""nftw_doc - nftw(3) walks /usr/share/doc and calls Python for every file it meets.

The signature is given with ctypes types, as a program that already uses ctypes would do it. The
callback reads a C struct, and stops the walk by what it returns. Run it as::

    python examples/nftw_doc.py [folder] [--stop-after N]
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISLNK
from typing import Any

import ffi_static

FOLDER = Path("/usr/share/doc")
TRIES = 5  # for a folder that a package manager is at work in

FTW_F, FTW_D, FTW_SL = 0, 1, 4  # <ftw.h>: a file, a directory, a symbolic link
FTW_PHYS = 1  # do not follow symbolic links
STOPPED = 1  # what our callback returns to end the walk; nftw() hands it on


class Stat(ctypes.Structure):
    """The beginning of struct stat; st_size is at byte 48 on every 64-bit Linux."""

    _fields_ = (("_before", ctypes.c_byte * 48), ("st_size", ctypes.c_int64))


Visitor = ctypes.CFUNCTYPE(
    ctypes.c_int,  # 0 to go on
    ctypes.c_char_p,  # path
    ctypes.POINTER(Stat),
    ctypes.c_int,  # FTW_F, FTW_D, ...
    ctypes.c_void_p,  # struct FTW: depth and offset of the name, not needed here
)

libc = ctypes.CDLL(None, use_errno=True)
libc.nftw.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]


@dataclass
class Totals:
    """What lies below a folder: regular files, their bytes, directories, links; files by suffix."""

    files: int = 0
    size: int = 0
    folders: int = 0
    links: int = 0
    suffixes: Counter[str] = field(default_factory=Counter)

    def add_file(self, path: Path, size: int) -> None:
        """Count a regular file."""
        self.files += 1
        self.size += size
        self.suffixes[path.suffix or "none"] += 1


def walk_with_nftw(folder: Path, stop_after: int) -> tuple[Totals, bool]:
    """Walk ``folder`` in C; the totals, and whether ``stop_after`` files ended the walk.

    Raises OSError if nftw() fails, and whatever the callback raised: C cannot pass an exception
    on, so ``onerror`` keeps it here, ``error`` tells nftw() to stop, and it is raised afterwards.
    """
    totals = Totals()
    raised: list[BaseException] = []

    def keep(_kind: Any, error: BaseException, _traceback: Any) -> None:
        raised.append(error)

    @ffi_static.callback(Visitor, error=STOPPED, onerror=keep)
    def visit(path: bytes, stat: Any, kind: int, _ftw: int | None) -> int:
        if kind == FTW_F:
            totals.add_file(Path(os.fsdecode(path)), stat.contents.st_size)
        elif kind == FTW_SL:
            totals.links += 1
        elif kind == FTW_D:
            totals.folders += 1
        return STOPPED if totals.files == stop_after else 0

    with visit:
        answer = libc.nftw(os.fsencode(folder), visit, 16, FTW_PHYS)
    if raised:
        raise raised[0]
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return totals, answer == STOPPED


def walk_with_python(folder: Path) -> Totals:
    """Do the same with os.walk() and os.lstat()."""
    totals = Totals(folders=1)
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in folders + files):
            with suppress(FileNotFoundError):  # gone since os.walk() saw it
                info = path.lstat()
                if S_ISLNK(info.st_mode):
                    totals.links += 1
                elif S_ISDIR(info.st_mode):
                    totals.folders += 1
                else:
                    totals.add_file(path, info.st_size)
    return totals


def walk_both_ways(folder: Path) -> tuple[Totals, Totals]:
    """Give what nftw() and what os.walk() found in a folder that did not change meanwhile.

    Two equal walks in Python with nftw()'s between them mean that nothing changed; otherwise all is
    done again. Raises OSError if nftw() fails or the folder does not come to rest.
    """
    before = walk_with_python(folder)
    for _ in range(TRIES):
        totals, _stopped = walk_with_nftw(folder, -1)
        after = walk_with_python(folder)
        if before == after:
            return totals, after
        before = after
    raise OSError(errno.EBUSY, f"changed during {TRIES} walks", str(folder))


def main() -> int:
    """Walk, compare, and show the result."""
    parser = argparse.ArgumentParser(description="Count files with nftw(3).")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--stop-after", type=int, default=-1, metavar="N", help="end at N files")
    options = parser.parse_args()
    if options.folder.is_file():
        parser.error(f"{options.folder} is a file; give a folder")
    try:
        if options.stop_after >= 0:
            totals, stopped = walk_with_nftw(options.folder, options.stop_after)
            how = "stopped by the callback after" if stopped else "not stopped: there are only"
            print(f"{how} {totals.files:,} files")
            return 0
        totals, expected = walk_both_ways(options.folder)
    except OSError as error:
        print(f"nftw_doc: {error}", file=sys.stderr)
        return 1
    if totals != expected:
        print("nftw_doc: nftw() and os.walk() do not agree", file=sys.stderr)
        return 1
    print(f"{totals.files:,} files with {totals.size:,} bytes in {totals.folders:,} folders,")
    print(f"and {totals.links:,} links in {options.folder}; os.walk() and os.lstat() agree")
    for suffix, count in totals.suffixes.most_common(5):
        print(f"{count:8,}  {suffix}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
