# SPDX-License-Identifier: MIT
"""examples - what test_examples.py does to the examples, each in a process of its own"""

from __future__ import annotations

import ctypes
import mmap
import sys
from _ctypes import dlclose
from pathlib import Path
from typing import Any

from examples import expat_parse, nftw_doc


def folder_that_changes(folder: str, changes: int) -> None:
    """Walk a folder that changes during the first walks."""
    walks: list[Any] = []
    real = nftw_doc.walk_with_python

    def walk(where: Path) -> Any:
        walks.append(real(where))
        if len(walks) < changes:
            (where / f"{len(list(where.iterdir()))}").touch()
        return walks[-1]

    vars(nftw_doc)["walk_with_python"] = walk
    try:
        a, b = nftw_doc.walk_both_ways(Path(folder))
        print(a == b, a.files, len(walks))
    except OSError as error:
        print(error.strerror)


def no_xml_file() -> None:
    vars(expat_parse)["PLACES"] = ("/nowhere",)
    sys.exit(expat_parse.main())


class Angry(expat_parse.Document):
    def start(self, data: Any, name: Any, attributes: Any) -> None:
        super().start(data, name, attributes)
        if name == b"b":
            raise LookupError("no b, please")


def handler_that_fails(path: str) -> None:
    document = Angry()
    try:
        expat_parse.parse(Path(path), document)
    except LookupError as error:
        print(error, sorted(document.tags))


def ask_for_writable_code() -> None:
    mmap.mmap(-1, 4096, prot=7)


def run_and_unload(path: str) -> None:
    """Call main() of an example that was linked as a library, and unload it."""
    library = ctypes.CDLL(path)
    status = library.main(2, (ctypes.c_char_p * 3)(b"callback_page", b"9000", None))
    ctypes.CDLL(None).fflush(None)
    dlclose(library._handle)
    print("still mapped" if path in Path("/proc/self/maps").read_text() else "unloaded")
    sys.exit(status)
