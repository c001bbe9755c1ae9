# SPDX-License-Identifier: MIT
"""_strict - switch on policies against writable code, for this process and all that it starts

Why it exists: a hardened service has two rules. ``PR_SET_MDWE`` refuses memory that is, or becomes,
writable and executable. libffi then maps a memfd twice, so administrators refuse memfds and shared
executable mappings too. Here any user can set both rules, to find out whether a program works under
them. Neither can be taken back, and both outlive fork() and exec().

The filter is a few BPF comparisons, written by hand. BPF looks at 32 bits at a time. The arguments
of system calls have 64 bits, but protection and flags are `int`.

Sources: prctl(2), seccomp(2), Linux Documentation/userspace-api/seccomp_filter.rst, the kernel's
system call tables.
"""

from __future__ import annotations

import errno
import os
import platform
import struct

from ffi_static._libc import MDWE_REFUSE_EXEC_GAIN, PR_SET_MDWE, libc

__all__ = ["deny_write_execute", "refuse_memfd", "refuse_memfd_filter"]

_PR_SET_SECCOMP, _FILTER = 22, 2
_PR_SET_NO_NEW_PRIVS = 38

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]; little-endian.
_NR, _ARCH, _ARG2, _ARG3 = 0, 4, 16 + 2 * 8, 16 + 3 * 8
_LOAD, _EQUAL, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM  # what systemd's filters answer
_UNKNOWN = 0x00050000 | errno.ENOSYS

_PROT_EXEC, _MAP_SHARED = 4, 1  # MAP_SHARED_VALIDATE is 3
_X32_BIT = 0x40000000

_I386, _ARM = {0x40000003: (356, 192)}, {0x40000028: (385, 192)}
# {machine: {audit number of the architecture: (memfd_create, mmap or mmap2)}}. The second
# architecture of a machine is that of its 32-bit programs. s390x cannot be here: the arguments of
# its mmap are in memory, where no filter can look.
_CALLS = {
    "x86_64": {0xC000003E: (319, 9), **_I386},
    "i686": _I386,
    "aarch64": {0xC00000B7: (279, 222), **_ARM},
    "armv7l": _ARM,
    "armv8l": _ARM,
    "riscv64": {0xC00000F3: (279, 222)},
    "loongarch64": {0xC0000102: (279, 222)},
    "ppc64le": {0xC0000015: (360, 90)},
}


def deny_write_execute() -> None:
    """Refuse this process and its children memory that is or becomes writable and executable.

    Raises OSError, which says what is needed, where the kernel has no PR_SET_MDWE (Linux 6.3).
    """
    try:
        libc().prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN)
    except OSError as error:
        said = f"prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN): {error.strerror}"
        if error.errno == errno.EINVAL:
            said += f"; it needs Linux 6.3, this is {platform.release()}"
        raise OSError(error.errno, said) from None


def refuse_memfd_filter(machine: str) -> bytes:
    """Give the BPF program for `machine`, as an array of `struct sock_filter`.

    Raises OSError (ENOSYS) for a machine whose system calls are not listed here.
    """
    calls = _CALLS.get(machine)
    if calls is None:
        known = ", ".join(_CALLS)
        raise OSError(errno.ENOSYS, f"no seccomp filter is known for {machine}, only for {known}")
    code: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, _ARCH)]
    for audit, (memfd_create, mmap) in calls.items():
        code += [
            (_EQUAL, 0, 10, audit),  # for another architecture go on to the next block
            (_LOAD, 0, 0, _NR),
            (_AND, 0, 0, 0xFFFFFFFF ^ _X32_BIT),
            (_EQUAL, 6, 0, memfd_create),
            (_EQUAL, 0, 4, mmap),
            (_LOAD, 0, 0, _ARG2),
            (_ANY_BIT, 0, 2, _PROT_EXEC),
            (_LOAD, 0, 0, _ARG3),
            (_ANY_BIT, 1, 0, _MAP_SHARED),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
        ]
    code.append((_RETURN, 0, 0, _UNKNOWN))
    return b"".join(struct.pack("=HBBI", *each) for each in code)


def refuse_memfd() -> None:
    """Refuse this process and its children memfd_create() and shared executable mmap(): EPERM.

    Without CAP_SYS_ADMIN the kernel demands no_new_privs first: set-user-id programs among the
    children then run as the same user. Raises OSError when the kernel refuses the filter.
    """
    code = refuse_memfd_filter(platform.machine())
    ffi, lib = libc().ffi, libc().lib
    instructions = ffi.new("char[]", code)
    where = int(ffi.cast("uintptr_t", instructions))
    program = ffi.new("char[]", struct.pack("@HP", len(code) // 8, where))  # struct sock_fprog
    for privileged in (True, False):
        if not privileged and lib.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            break
        if lib.prctl(_PR_SET_SECCOMP, _FILTER, int(ffi.cast("uintptr_t", program)), 0, 0) == 0:
            return
    number = int(ffi.errno)
    raise OSError(number, f"prctl(PR_SET_SECCOMP): {os.strerror(number)}")
