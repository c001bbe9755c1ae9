# SPDX-License-Identifier: MIT
"""policies - which rules about writable and executable memory hold for this process

Why it exists: a callback that works on a desk and fails in a service fails because of one of these
rules. The rules come from five places with five spellings, and a process cannot read all of them.
So each rule is read where that is possible, and then a child *asks* the system (`trials`). Every
trial makes memory of a kind that this package never makes, and reports whether the system refused.

Sources: prctl(2) PR_SET_MDWE, proc(5) status, selinux(8), systemd.exec(5) MemoryDenyWriteExecute=,
Linux Documentation/admin-guide/sysctl/vm.rst (memfd_noexec).
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any

from ffi_static._libc import MDWE_REFUSE_EXEC_GAIN, PAGE, PR_GET_MDWE, libc
from ffi_static.doctor.child import run_in_child

_SECCOMP = {0: "off", 1: "strict", 2: "filter"}
_NOEXEC = {
    0: "memfds may be executable",
    1: "memfds are not executable unless asked for (MFD_EXEC)",
    2: "no memfd may be executable",
}


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
    """Tell SELinux's mode, and what can be seen of execmem: {"state", "context", "about"}."""
    enforce = _read(root, "sys/fs/selinux/enforce")
    if enforce is None:
        listed = "selinuxfs" in (_read(root, "proc/filesystems") or "")
        about = "in the kernel, but selinuxfs is not mounted" if listed else "not in this kernel"
        return {"state": "unknown" if listed else "absent", "context": None, "about": about}
    deny = _read(root, "sys/fs/selinux/booleans/deny_execmem")
    about = {
        None: "the policy has no deny_execmem boolean; see the trials",
        "1 1": "deny_execmem is on: anonymous executable memory is refused to all domains",
    }.get(deny, "deny_execmem is off; the domain may have rules of its own, see the trials")
    return {
        "state": "enforcing" if enforce == "1" else "permissive",
        "context": _read(root, "proc/self/attr/current"),
        "about": about,
    }


def seccomp(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the seccomp mode: {"state", "filters", "about"}. A filter's rules cannot be read."""
    status = _status(root)
    if "Seccomp" not in status:
        return {"state": "unknown", "filters": None, "about": "no Seccomp in /proc/self/status"}
    state = _SECCOMP.get(int(status["Seccomp"]), status["Seccomp"])
    filters = int(status["Seccomp_filters"]) if "Seccomp_filters" in status else None
    about = {
        "off": "no filter",
        "filter": "what the filter refuses cannot be read; see the trials",
    }.get(state, "")
    return {"state": state, "filters": filters, "about": about}


def memfd_noexec(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the sysctl vm.memfd_noexec: {"state", "about"}."""
    value = _read(root, "proc/sys/vm/memfd_noexec")
    if value is None:
        return {"state": "unsupported", "about": "this kernel has no vm.memfd_noexec (Linux 6.3)"}
    return {"state": value, "about": _NOEXEC.get(int(value), "not a value known in 2026")}


def pax(root: Path = Path("/")) -> dict[str, Any]:
    """Tell the PaX flags: {"state", "about"}. An upper-case letter is a feature that is on."""
    flags = _status(root).get("PaX")
    if flags is None:
        return {"state": "absent", "about": "no PaX line in /proc/self/status"}
    on = "M" in flags
    return {"state": flags, "about": "MPROTECT is on: no W+X" if on else "MPROTECT is off"}


def policies(root: Path = Path("/")) -> dict[str, dict[str, Any]]:
    """Collect every policy that can be read. Tests give a `root` with files of their own."""
    return {
        "mdwe": mdwe(),
        "selinux": selinux(root),
        "seccomp": seccomp(root),
        "memfd_noexec": memfd_noexec(root),
        "pax": pax(root),
    }


def _anonymous_wx() -> None:
    # A trial of refusal. No other place of this package asks for both rights at once.
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

    "allowed" is None when the trial could not be made, for example without cffi.
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
