# SPDX-License-Identifier: MIT
"""container_profile - a container's seccomp profile, made to refuse writable code as well

    python3 container_profile.py /usr/share/containers/seccomp.json > no-wx.json
    podman run --security-opt seccomp=no-wx.json ...      (docker run: the same option)

The profiles that Docker and Podman come with allow memory that is writable and executable. What
comes out refuses (EPERM): mmap() with both rights, mprotect() that makes anything executable,
shmat() of executable memory, and memfd_create(). It is what systemd's MemoryDenyWriteExecute=yes
does, and the way around it closed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

WRITE, EXECUTE = 2, 4  # PROT_WRITE, PROT_EXEC
SHM_EXEC = 0o100000
ALLOW, REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
EPERM = {ALLOW: {}, REFUSE: {"errnoRet": 1}}
REFUSED = {"mmap", "mmap2", "mprotect", "pkey_mprotect", "shmat", "memfd_create"}


def rule(action: str, names: list[str], mask: int, value: int) -> dict[str, Any]:
    """Give a rule for calls whose third argument, protection or flags, has `value` in `mask`."""
    bits = {"index": 2, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": names, "action": action, "args": [bits], **EPERM[action]}


def without_writable_code(profile: dict[str, Any]) -> dict[str, Any]:
    """Change the profile: what was allowed without a condition gets one."""
    for each in profile["syscalls"]:
        if each["action"] == ALLOW:
            each["names"] = [name for name in each["names"] if name not in REFUSED]
    maps, protects = ["mmap", "mmap2"], ["mprotect", "pkey_mprotect"]
    both = WRITE | EXECUTE
    profile["syscalls"] = [each for each in profile["syscalls"] if each["names"]] + [
        *(rule(ALLOW, maps, both, value) for value in (0, WRITE, EXECUTE)),
        rule(REFUSE, maps, both, both),
        rule(ALLOW, protects, EXECUTE, 0),
        rule(REFUSE, protects, EXECUTE, EXECUTE),
        rule(ALLOW, ["shmat"], SHM_EXEC, 0),
        rule(REFUSE, ["shmat"], SHM_EXEC, SHM_EXEC),
        {"names": ["memfd_create"], "action": REFUSE, "args": [], **EPERM[REFUSE]},
    ]
    return profile


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: container_profile.py PROFILE.json > no-wx.json")
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(without_writable_code(given), sys.stdout, indent=1)
