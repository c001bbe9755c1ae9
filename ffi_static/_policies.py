# SPDX-License-Identifier: MIT
"""_policies - which rules about writable and executable memory hold for this process.

Why it exists: a callback that works on a desk and fails in a service does so because of one of
these rules. They come from five places with five spellings, and not all of them can be read from
inside a process; so they are read where that is possible, and then the system is *asked*, in a
child that exits at once (`trials`). Every trial is a trial of refusal: it makes memory of a kind
that this package never makes, and reports whether the system let it.

Sources: prctl(2) PR_SET_MDWE, proc(5) status, selinux(8), systemd.exec(5) MemoryDenyWriteExecute=,
Linux Documentation/admin-guide/sysctl/vm.rst (memfd_noexec).
"""

from __future__ import annotations

import errno
import mmap
import os
from functools import cache
from pathlib import Path
from typing import Any

from ._child import run_in_child

PR_SET_MDWE = 65
PR_GET_MDWE = 66
MDWE_REFUSE_EXEC_GAIN = 1
PAGE = mmap.PAGESIZE

_SECCOMP = {0: "off", 1: "strict", 2: "filter"}
_NOEXEC = {
    0: "memfds may be executable",
    1: "memfds are not executable unless asked for (MFD_EXEC)",
    2: "no memfd may be executable",
}


class LibC:
    """The few functions of the C library that Python does not offer, through cffi.

    Not through ctypes: to import it makes a callback on some versions, which is what is examined.
    """

    def __init__(self) -> None:
        from cffi import FFI

        self.ffi = FFI()
        self.ffi.cdef(
            "int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);"
            "void *mmap(void *, size_t, int, int, int, long);"
            "int mprotect(void *, size_t, int);"
        )
        self.lib: Any = self.ffi.dlopen(None)

    def _check(self, failed: bool) -> None:
        if failed:
            raise OSError(self.ffi.errno, os.strerror(self.ffi.errno))

    def prctl(self, option: int, argument: int = 0) -> int:
        """Call prctl with one argument, the others zero; raises OSError when it fails."""
        result = int(self.lib.prctl(option, argument, 0, 0, 0))
        self._check(result < 0)
        return result

    def mmap(self, prot: int, flags: int, fd: int = -1) -> Any:
        """Map one page; raises OSError when it is refused."""
        page = self.lib.mmap(self.ffi.NULL, PAGE, prot, flags, fd, 0)
        self._check(int(self.ffi.cast("intptr_t", page)) == -1)
        return page

    def mprotect(self, page: Any, prot: int) -> None:
        """Change the rights of one page; raises OSError when it is refused."""
        self._check(self.lib.mprotect(page, PAGE, prot) != 0)


@cache
def libc() -> LibC:
    """Give the one LibC; made in the parent, a child need not parse the declarations again."""
    return LibC()


def deny_write_execute() -> None:
    """Switch MDWE on for this process, for good; OSError (EINVAL) before Linux 6.3."""
    libc().prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN)


def _read(root: Path, path: str) -> str | None:
    try:
        return (root / path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def _status(root: Path) -> dict[str, str]:
    lines = (_read(root, "proc/self/status") or "").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def mdwe() -> dict[str, Any]:
    """Tell whether memory-deny-write-execute is on: {"state", "about"}."""
    try:
        bits = libc().prctl(PR_GET_MDWE)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return {"state": "unsupported", "about": "this kernel has no PR_SET_MDWE (Linux 6.3)"}
        return {"state": "unknown", "about": f"prctl(PR_GET_MDWE): {error.strerror}"}
    if bits & MDWE_REFUSE_EXEC_GAIN:
        return {"state": "on", "about": "no mapping may be, or become, writable and executable"}
    return {"state": "off", "about": "prctl(PR_SET_MDWE) was not called for this process"}


def selinux(root: Path = Path("/")) -> dict[str, Any]:
    """Tell SELinux's mode and what is visible of execmem: {"state", "context", "about"}."""
    enforce = _read(root, "sys/fs/selinux/enforce")
    if enforce is None:
        listed = "selinuxfs" in (_read(root, "proc/filesystems") or "")
        about = "in the kernel, but selinuxfs is not mounted" if listed else "not in this kernel"
        return {"state": "unknown" if listed else "absent", "context": None, "about": about}
    deny = _read(root, "sys/fs/selinux/booleans/deny_execmem")
    about = {
        None: "the policy has no deny_execmem boolean; the trials tell",
        "1 1": "deny_execmem is on: anonymous executable memory is refused to all domains",
    }.get(deny, "deny_execmem is off; the domain's own rules remain, the trials tell")
    return {
        "state": "enforcing" if enforce == "1" else "permissive",
        "context": _read(root, "proc/self/attr/current"),
        "about": about,
    }


def seccomp(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the seccomp mode, not what a filter refuses: {"state", "filters", "about"}."""
    status = _status(root)
    if "Seccomp" not in status:
        return {"state": "unknown", "filters": None, "about": "/proc/self/status does not tell"}
    state = _SECCOMP.get(int(status["Seccomp"]), status["Seccomp"])
    filters = int(status["Seccomp_filters"]) if "Seccomp_filters" in status else None
    about = {
        "off": "no filter",
        "filter": "what the filter refuses cannot be read; the trials tell",
    }.get(state, "")
    return {"state": state, "filters": filters, "about": about}


def memfd_noexec(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the sysctl vm.memfd_noexec: {"state", "about"}."""
    value = _read(root, "proc/sys/vm/memfd_noexec")
    if value is None:
        return {"state": "unsupported", "about": "this kernel has no vm.memfd_noexec (Linux 6.3)"}
    return {"state": value, "about": _NOEXEC.get(int(value), "not a value known in 2026")}


def pax(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the PaX flags: {"state", "about"}; an upper-case letter is a feature that is on."""
    flags = _status(root).get("PaX")
    if flags is None:
        return {"state": "absent", "about": "no PaX line in /proc/self/status"}
    on = "M" in flags
    return {"state": flags, "about": "MPROTECT is on: no W+X" if on else "MPROTECT is off"}


def policies(root: Path = Path("/")) -> dict[str, dict[str, Any]]:
    """Collect every policy that can be read; `root` is for tests with files of their own."""
    return {
        "mdwe": mdwe(),
        "selinux": selinux(root),
        "seccomp": seccomp(root),
        "memfd_noexec": memfd_noexec(root),
        "pax": pax(root),
    }


def _anonymous_wx() -> None:
    # The trial of refusal; the one place of this package that asks for both rights at once.
    both = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    libc().mmap(both, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _write_then_execute() -> None:
    page = libc().mmap(mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    libc().mprotect(page, mmap.PROT_READ | mmap.PROT_EXEC)


def _memfd_alias() -> None:
    fd = os.memfd_create("trial", os.MFD_CLOEXEC)
    os.ftruncate(fd, PAGE)
    libc().mmap(mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd)
    libc().mmap(mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_SHARED, fd)


_TRIALS = {
    "anonymous_wx": ("map anonymous memory writable and executable", _anonymous_wx),
    "write_then_execute": ("write anonymous memory, then make it executable", _write_then_execute),
    "memfd_alias": ("map a memfd twice, writable and executable", _memfd_alias),
}


def trials() -> dict[str, dict[str, Any]]:
    """Ask the system for each kind of dangerous memory, in a child: {"allowed", "about", "answer"}.

    "allowed" is None when the trial itself could not be made, for example without cffi.
    """
    results = {}
    for name, (about, attempt) in _TRIALS.items():

        def ask(attempt: Any = attempt) -> dict[str, Any]:
            try:
                attempt()
            except OSError as error:
                code = errno.errorcode.get(error.errno or 0, str(error.errno))
                return {"allowed": False, "answer": f"{code} ({error.strerror})"}
            return {"allowed": True, "answer": "allowed"}

        said = run_in_child(ask)
        if "error" in said:
            killed = said["error"].startswith("killed")
            said = {"allowed": False if killed else None, "answer": said["error"]}
        results[name] = {"about": about, **said}
    return results
