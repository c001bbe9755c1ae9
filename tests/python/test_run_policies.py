# SPDX-License-Identifier: MIT
"""test_run_policies - the seccomp filter of `run --no-memfd`, for machines that this one is not.

The BPF program is run here, by an interpreter of the few instructions that it has; that the kernel
takes it and does the same is test_run.py's.
"""

from __future__ import annotations

import errno
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from ffi_static._strict import refuse_memfd_filter
from tests.support.process import run

ALLOWED, EPERM, ENOSYS = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
X86_64, I386, AARCH64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3
S390X, LOONGARCH64, PPC64LE = 0x80000016, 0xC0000102, 0xC0000015
READ, WRITE, EXEC = 1, 2, 4
SHARED, PRIVATE, SHARED_VALIDATE, ANONYMOUS = 1, 2, 3, 0x20


def answer(machine: str, arch: int, call: int, *args: int) -> int:
    """What the filter of `machine` answers to a call made in architecture `arch`."""
    code = refuse_memfd_filter(machine)
    program = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    data = struct.pack("<IIQ6Q", call, arch, 0, *args, *[0] * (6 - len(args)))
    at = value = 0
    while True:
        op, true, false, k = program[at]
        at += 1
        if op == 0x20:  # ld [k]
            (value,) = struct.unpack_from("<I", data, k)
        elif op == 0x54:  # and #k
            value &= k
        elif op == 0x15:  # jeq #k
            at += true if value == k else false
        elif op == 0x45:  # jset #k
            at += true if value & k else false
        else:
            assert op == 0x06, hex(op)  # ret #k
            return int(k)


CALLS = [  # machine, architecture of the program, memfd_create, mmap
    ("x86_64", X86_64, 319, 9),
    ("x86_64", I386, 356, 192),
    ("x86_64", X86_64, 0x40000000 | 319, 0x40000000 | 9),  # x32
    ("aarch64", AARCH64, 279, 222),
    ("aarch64", ARM, 385, 192),
    ("riscv64", RISCV64, 279, 222),
    ("i686", I386, 356, 192),
    ("armv7l", ARM, 385, 192),
    ("armv8l", ARM, 385, 192),
    ("loongarch64", LOONGARCH64, 279, 222),
    ("ppc64le", PPC64LE, 360, 90),
]


@pytest.mark.parametrize(("machine", "arch", "memfd_create", "mmap"), CALLS)
def test_memfds_and_shared_executable_mappings_are_refused(
    machine: str, arch: int, memfd_create: int, mmap: int
) -> None:
    assert answer(machine, arch, memfd_create) == EPERM
    for flags in (SHARED, SHARED_VALIDATE, SHARED | ANONYMOUS):
        for rights in (EXEC, READ | EXEC, READ | WRITE | EXEC):
            assert answer(machine, arch, mmap, 0, 4096, rights, flags) == EPERM
            # What is above 32 bits of an int argument is not looked at by the kernel either.
            high = rights | 1 << 40
            assert answer(machine, arch, mmap, 0, 4096, high, flags | 1 << 35) == EPERM


@pytest.mark.parametrize(("machine", "arch", "memfd_create", "mmap"), CALLS)
def test_all_else_is_allowed(machine: str, arch: int, memfd_create: int, mmap: int) -> None:
    assert answer(machine, arch, mmap, 0, 4096, READ | EXEC, PRIVATE) == ALLOWED
    assert answer(machine, arch, mmap, 0, 4096, READ | WRITE, SHARED) == ALLOWED
    others = set(range(600)) - {memfd_create & 0xFFFF, mmap & 0xFFFF}
    assert {answer(machine, arch, call, 4, 4, 4, 1) for call in others} == {ALLOWED}


@pytest.mark.parametrize("machine", sorted({machine for machine, *_ in CALLS}))
def test_calls_of_an_architecture_that_is_not_known_do_not_exist(machine: str) -> None:
    assert answer(machine, S390X, 1) == ENOSYS


def test_machine_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(OSError, match="no seccomp filter is known for s390x, only for x86_64"):
        refuse_memfd_filter("s390x")


# ---- examples/hardened/container_profile.py

SHM_RDONLY, SHM_EXEC = 0o10000, 0o100000
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": ["mmap", "read", "mprotect", "memfd_create"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mmap2", "pkey_mprotect", "shmat"], "action": "SCMP_ACT_ALLOW", "args": []},
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    ],
}


def matching(profile: Any, call: str, protection: int = 0) -> list[str]:
    """The actions of all rules that a call with this third argument matches."""
    return [
        rule["action"]
        for rule in profile["syscalls"]
        if call in rule["names"]
        and all(protection & arg["value"] == arg["valueTwo"] for arg in rule.get("args", ()))
    ]


def test_container_profile_refuses_writable_code_and_nothing_else(tmp_path: Path) -> None:
    before = tmp_path / "profile.json"
    before.write_text(json.dumps(PROFILE), encoding="utf-8")
    program = Path(__file__).parents[2] / "examples/hardened/container_profile.py"
    said = run([sys.executable, str(program), str(before)])
    profile = json.loads(said.stdout)
    allow, refuse = ["SCMP_ACT_ALLOW"], ["SCMP_ACT_ERRNO"]
    for call in ("mmap", "mmap2"):
        for rights in range(8):
            both = rights & (WRITE | EXEC) == WRITE | EXEC
            assert matching(profile, call, rights) == (refuse if both else allow)
    for call in ("mprotect", "pkey_mprotect"):
        for rights in range(8):
            assert matching(profile, call, rights) == (refuse if rights & EXEC else allow)
    for flags in (0, SHM_RDONLY, SHM_EXEC, SHM_EXEC | SHM_RDONLY):
        assert matching(profile, "shmat", flags) == (refuse if flags & SHM_EXEC else allow)
    assert matching(profile, "memfd_create") == refuse
    assert matching(profile, "read") == allow
    assert matching(profile, "clone") == refuse
    assert all(rule["names"] for rule in profile["syscalls"])
    assert run([sys.executable, str(program)], status=1).stderr.startswith("usage: ")
