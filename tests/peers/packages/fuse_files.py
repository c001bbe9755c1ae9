# SPDX-License-Identifier: MIT
"""fuse_files - fusepy: a file system in Python, mounted, listed and read by other processes.

libfuse is given a struct of thirty ctypes callbacks, which it calls from threads of its own.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if not os.access("/dev/fuse", os.R_OK | os.W_OK):
    print("skip: /dev/fuse cannot be opened")
    sys.exit(77)

from fuse import FUSE, FuseOSError, Operations

CONTENT = b"served by Python\n"


class Files(Operations):  # type: ignore[misc]
    def getattr(self, path: str, fh: Any = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != "/file":
            raise FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": len(CONTENT)}

    def readdir(self, path: str, fh: Any) -> list[str]:
        return [".", "..", "file"]

    def read(self, path: str, size: int, offset: int, fh: Any) -> bytes:
        return CONTENT[offset : offset + size]


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="fuse"))
    reader = f"sleep 1; ls {place} && cat {place}/file; fusermount -u {place}"
    child = subprocess.Popen(["sh", "-c", reader], stdout=subprocess.PIPE)
    try:
        FUSE(Files(), str(place), foreground=True)
    finally:
        said = child.communicate(timeout=60)[0]
        place.rmdir()
    assert said == b"file\n" + CONTENT, said
    print(f"mounted, listed and read: {said!r}")


if __name__ == "__main__":
    main()
