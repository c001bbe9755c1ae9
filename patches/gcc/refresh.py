#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refresh.py - write the generated part of the patches to GCC's libgcc from csrc, or check it.

The *body* adds files under ``libgcc/config/ffi-static/``: copies of what csrc/rooms.txt says is
built into libffi_static-nested, and ``t-ffi-static``, which adds them to libgcc. Nobody edits the
body by hand. The *hooks* are the few lines of libgcc's own that ask for t-ffi-static.

    python3 patches/gcc/refresh.py            write the body
    python3 patches/gcc/refresh.py --check    exit 1 and say what differs (make test runs this)
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CSRC = HERE.parents[1] / "csrc"
BODY = HERE / "ffi-static-body.patch"
FOLDER = "libgcc/config/ffi-static"

ROOMS = re.findall(r"^(\w+) .*\bnested\b", (CSRC / "rooms.txt").read_text(), re.MULTILINE)
#: What only closures need; flang's functions have a runtime of their own.
LEFT_OUT = re.compile(r"abi(_\w+)?\.[ch]|entry(_\w+)?\.[hS]|flang\.c")

#: Names that are internal here are the compiler's there: any program may link libgcc_eh.a.
INTERNAL = re.compile(r"\bfs_(?=[a-z0-9])")
INSIDE_LIBGCC = "__gcc_fs_"

HEADER = """\
Description: nested functions without writable and executable memory
 Pointers to nested functions (-ftrampoline-impl=heap) from trampolines in read-only text, whose
 data is private memory. The files are those of the ffi_static project's csrc/, with fs_ in names
 made __gcc_fs_, and generated from there (patches/gcc/refresh.py): report and mend them there.
 Nothing here is built before the hooks of the next patch.
Author: The ffi_static authors
Forwarded: no
Last-Update: 2026-11-29
---
This patch header follows DEP-3: http://dep.debian.net/deps/dep3/
"""


def inside(path: Path) -> str:
    """Where a file of csrc goes. libgcc names an object after the last part: no two are alike."""
    relative = path.relative_to(CSRC)
    if path.suffix == ".h":
        return str(relative)
    return f"ffi-static-{relative.parent.name}-{path.name}"


def body_files() -> dict[str, str]:
    """Path inside GCC's tree -> text, for every file that the patch adds."""
    files = {}
    hops = {path.parent.name for path in (CSRC / "arch").glob("*/hop.S")}
    for room in [*ROOMS, "kernel/include"]:
        for path in sorted((CSRC / room).rglob("*")):
            isa = path.parent.name if path.parent.parent.name == "arch" else None
            wanted = path.suffix in {".c", ".h", ".S"} and not LEFT_OUT.fullmatch(path.name)
            if wanted and (isa is None or isa in hops):
                text = INTERNAL.sub(INSIDE_LIBGCC, path.read_text(encoding="utf-8"))
                files[f"{FOLDER}/{inside(path)}"] = text
    files[f"{FOLDER}/isa.sh"] = (CSRC / "arch/isa.sh").read_text(encoding="utf-8")
    files[f"{FOLDER}/t-ffi-static"] = (HERE / "t-ffi-static").read_text(encoding="utf-8")
    return dict(sorted(files.items()))


def body_patch() -> str:
    """Give the whole body."""
    parts = [HEADER]
    for name, text in body_files().items():
        lines = text.splitlines(keepends=True)
        parts.append("".join(difflib.unified_diff([], lines, "/dev/null", f"b/{name}", n=0)))
    return "".join(parts)


def main() -> int:
    """Write or check the body; the exit status."""
    parser = argparse.ArgumentParser(description="patches/gcc from csrc")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on a difference")
    wanted = body_patch()
    found = BODY.read_text(encoding="utf-8") if BODY.exists() else ""
    if not parser.parse_args().check:
        BODY.write_text(wanted, encoding="utf-8")
        return 0
    if found == wanted:
        return 0
    diff = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), BODY.name, "csrc", lineterm="", n=1
    )
    print("\n".join(list(diff)[:40]))
    print(f"{BODY.name} is not what csrc gives; run: python3 patches/gcc/refresh.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
