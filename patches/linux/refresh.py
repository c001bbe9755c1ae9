#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refresh.py - write the in-tree form of the kernel module from csrc/kernel, or check it.

``0001-trampfd-driver.patch`` adds files that are those of ``csrc/kernel`` at their places in a
kernel's own tree; nobody edits it by hand. ``0002-trampfd-hooks.patch``, written by hand, is the
few lines in the kernel's own Kconfig, Makefile and documentation index.

    python3 patches/linux/refresh.py            write the first
    python3 patches/linux/refresh.py --check    exit 1 and say what differs (make test runs this)
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL = HERE.parents[1] / "csrc" / "kernel"
BODY = HERE / "0001-trampfd-driver.patch"
DRIVER = "drivers/misc/trampfd"

HEADER = """\
Description: misc: trampfd, trampolines written by the kernel
 A program describes a table of trampolines, each of which loads a register and jumps to static
 code, gets a descriptor, and maps it readable and executable; nobody can write to the pages.
 The files are those of the ffi_static project's csrc/kernel, from which this is generated
 (patches/linux/refresh.py): report and mend them there.
Author: The ffi_static authors
Forwarded: no
Last-Update: 2026-11-22
---
This patch header follows DEP-3: http://dep.debian.net/deps/dep3/
"""


def makefile() -> str:
    """Give the driver's Makefile: Kbuild without what only a build outside of the tree needs."""
    lines = (KERNEL / "Kbuild").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.startswith(("obj-", "trampfd-", "# SPDX"))]
    return "".join(kept)


def body_files() -> dict[str, str]:
    """Path inside the kernel's tree -> text, for every file that the patch adds."""
    files = {
        f"{DRIVER}/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted(KERNEL.glob("*.[ch]"))
    }
    files[f"{DRIVER}/Kconfig"] = (KERNEL / "Kconfig").read_text(encoding="utf-8")
    files[f"{DRIVER}/Makefile"] = makefile()
    uapi = "include/uapi/linux/trampfd.h"
    files[uapi] = (KERNEL / uapi).read_text(encoding="utf-8")
    page = (KERNEL / "trampfd.rst").read_text(encoding="utf-8")
    files["Documentation/userspace-api/trampfd.rst"] = page
    return dict(sorted(files.items()))


def body_patch() -> str:
    """Give the whole first patch."""
    parts = [HEADER]
    for name, text in body_files().items():
        diff = difflib.unified_diff([], text.splitlines(keepends=True), "/dev/null", f"b/{name}")
        parts.append("".join(diff))
    return "".join(parts)


def main() -> int:
    """Write it, or say in which files what is there is stale."""
    parser = argparse.ArgumentParser(description="patches/linux from csrc/kernel")
    parser.add_argument("--check", action="store_true", help="only say what differs")
    wanted = body_patch()
    if not parser.parse_args().check:
        BODY.write_text(wanted, encoding="utf-8")
        return 0
    found = BODY.read_text(encoding="utf-8") if BODY.exists() else ""
    if found == wanted:
        return 0
    old, new = found.splitlines(keepends=True), wanted.splitlines(keepends=True)
    sys.stdout.writelines(difflib.unified_diff(old, new, BODY.name, "csrc", n=1))
    print(f"{BODY.name} is not what csrc/kernel makes, in {changed(found)}: run `make patch-linux`")
    return 1


def changed(found: str) -> str:
    """Name the files that differ."""
    stale = [
        name
        for name, text in body_files().items()
        if "".join(f"+{line}" for line in text.splitlines(keepends=True)) not in found
    ]
    return ", ".join(stale) or "its header"


if __name__ == "__main__":
    sys.exit(main())
