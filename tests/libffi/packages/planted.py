# SPDX-License-Identifier: MIT
"""planted - makes the mapping that use.py must find: executable, and shared"""

from __future__ import annotations

import mmap
from pathlib import Path

from tests.libffi.packages import use


def executable_and_shared(path: str) -> None:
    before = use.audit()
    with Path(path).open("r+b") as file:
        made = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC)
    print(len(before), *(set(use.audit()) - set(before)))
    made.close()
