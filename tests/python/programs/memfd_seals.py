# SPDX-License-Identifier: MIT
"""memfd_seals - what root tries on the code of the memfd provider"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from pathlib import Path
from typing import Callable, NamedTuple

import ffi_static
from tests.python.programs.caller import caller
from tests.python.programs.fresh import skip

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL, SHRINK, GROW, WRITE, EXEC = 1, 2, 4, 8, 32


class Code(NamedTuple):
    """A callback of the memfd provider, and the code that it lies in."""

    callback: ffi_static.Callback
    path: str  # of the file behind the mapping, for those who may open it
    reader: int
    begin: int
    before: bytes

    @property
    def size(self) -> int:
        return len(self.before)


def code() -> Code:
    callback = ffi_static.callback("int(int)", lambda x: x + 1)
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(number, 16) for number in line.split()[0].split("-"))
        if begin <= callback.address < end:
            break
    assert line.split()[1] == "r-xp" and "/memfd:ffi_static" in line, line
    path = f"/proc/self/map_files/{begin:x}-{end:x}"
    try:
        reader = os.open(path, os.O_RDONLY)
    except PermissionError as error:
        skip(error)
    before = os.pread(reader, end - begin, 0)
    assert before == ctypes.string_at(begin, end - begin)
    return Code(callback, path, reader, begin, before)


def every_seal_is_set() -> None:
    # EXEC comes with MFD_NOEXEC_SEAL, where the kernel knows it (Linux 6.3): no execve() of it.
    seals = fcntl.fcntl(code().reader, F_GET_SEALS)
    assert seals & ~EXEC == WRITE | GROW | SHRINK | SEAL, seals
    print("done")


# Linux opens a sealed file for writing; it is each change that it refuses.
CHANGES: dict[str, Callable[[Code, int], object]] = {
    "write": lambda _, writer: os.pwrite(writer, b"x", 0),
    "append": lambda at, writer: os.pwrite(writer, b"x", at.size),
    "shrink": lambda at, writer: os.ftruncate(writer, at.size - 4096),
    "grow": lambda at, writer: os.ftruncate(writer, at.size + 4096),
    "truncate": lambda at, _: os.open(at.path, os.O_WRONLY | os.O_TRUNC),
    "map": lambda at, writer: mmap.mmap(
        writer, at.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE
    ),
    "seal": lambda _, writer: fcntl.fcntl(writer, F_ADD_SEALS, WRITE),
}


def code_cannot_be_changed(change: str) -> None:
    at = code()
    writer = os.open(at.path, os.O_RDWR)
    try:
        CHANGES[change](at, writer)
    except OSError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise AssertionError("not refused")
    assert os.fstat(at.reader).st_size == at.size
    assert os.pread(at.reader, at.size, 0) == at.before == ctypes.string_at(at.begin, at.size)
    assert caller.call(at.callback.address, 1) == 2
    print("done")
