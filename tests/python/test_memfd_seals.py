# SPDX-License-Identifier: MIT
"""test_memfd_seals - what root can and cannot do to the code of the memfd provider

A memory file has no name, but /proc/<pid>/map_files opens the file behind any mapping, for those
who may. The kernel must then refuse every change of it.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

CODE = """
import errno, fcntl, mmap
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL, SHRINK, GROW, WRITE, EXEC = 1, 2, 4, 8, 32
callback = ffi_static.callback("int(int)", lambda x: x + 1)
for line in open("/proc/self/maps"):
    begin, end = (int(number, 16) for number in line.split()[0].split("-"))
    if begin <= callback.address < end:
        break
assert line.split()[1] == "r-xp" and "/memfd:ffi_static" in line, line
path = f"/proc/self/map_files/{begin:x}-{end:x}"
size = end - begin
try:
    reader = os.open(path, os.O_RDONLY)
except PermissionError as error:
    print(f"skip: {error}")
    sys.exit()
before = os.pread(reader, size, 0)
assert before == ctypes.string_at(begin, size)

def refused(what):
    try:
        what()
    except OSError as error:
        return error.errno == errno.EPERM
    return False
"""


def run_as_root(script: Any, code: str) -> None:
    if os.geteuid():
        pytest.skip("needs root: /proc/self/map_files is for CAP_SYS_ADMIN")
    printed = script(CODE + code, FFI_STATIC_PROVIDER="memfd").stdout
    if printed.startswith("skip: "):
        pytest.skip(printed.strip()[len("skip: ") :])
    assert printed.strip() == "done"


def test_every_seal_is_set(script: Any) -> None:
    # EXEC comes with MFD_NOEXEC_SEAL, where the kernel knows it (Linux 6.3): no execve() of it.
    code = """
seals = fcntl.fcntl(reader, F_GET_SEALS)
assert seals & ~EXEC == WRITE | GROW | SHRINK | SEAL, seals
print("done")
"""
    run_as_root(script, code)


# Linux opens a sealed file for writing; it is each change that it refuses.
@pytest.mark.parametrize(
    "change",
    [
        "os.pwrite(writer, b'x', 0)",
        "os.pwrite(writer, b'x', size)",
        "os.ftruncate(writer, size - 4096)",
        "os.ftruncate(writer, size + 4096)",
        "os.open(path, os.O_WRONLY | os.O_TRUNC)",
        "mmap.mmap(writer, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)",
        "fcntl.fcntl(writer, F_ADD_SEALS, WRITE)",
    ],
)
def test_code_cannot_be_changed_through_its_file(script: Any, change: str) -> None:
    code = f"""
writer = os.open(path, os.O_RDWR)
assert refused(lambda: {change})
assert os.fstat(reader).st_size == size
assert os.pread(reader, size, 0) == before == ctypes.string_at(begin, size)
assert caller.call(callback.address, 1) == 2
print("done")
"""
    run_as_root(script, code)
