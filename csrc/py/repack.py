# SPDX-License-Identifier: MIT
"""repack - make an sdist that depends on its files alone: `make dist`

    python csrc/py/repack.py dist/ffi_static-VERSION.tar.gz

setuptools writes times and owners of the moment into it. Here each file has the time of
SOURCE_DATE_EPOCH (seconds since 1970), no owner, and its place by name. So the same commit gives
the same bytes. Fails, and leaves the file as it was, when the variable is not a number.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def repack(path: Path, when: int) -> None:
    """Write the archive again, in its own place."""
    out = io.BytesIO()
    with (
        tarfile.open(path) as old,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            is_program = member.isdir() or member.mode & 0o100
            member.mode = 0o755 if is_program else 0o644
            member.mtime, member.uid, member.gid = when, 0, 0
            member.uname = member.gname = ""
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    packed = path.with_suffix(".new")
    packed.write_bytes(gzip.compress(out.getvalue(), mtime=0))
    packed.replace(path)


def main(paths: list[str]) -> None:
    """Repack each."""
    when = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not when.isdigit():
        sys.exit(f"repack: SOURCE_DATE_EPOCH={when!r} is no number of seconds since 1970")
    for path in paths:
        repack(Path(path), int(when))


if __name__ == "__main__":
    main(sys.argv[1:])
