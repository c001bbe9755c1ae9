# SPDX-License-Identifier: MIT
"""selinux - ctypes' and cffi's callbacks under SELinux, in an emulated machine (x86-64, Linux 6.1).

``python -m tests.peers.selinux``. The policy allows everything but execmem, execstack, execheap and
execmod: tests/kernel/selinux.py makes it. The guest sees this machine's files, read-only, with a
tmpfs above them. Stock callbacks of cffi must fail there and those with the drop-in work, or the
exit status is 1; it is 2 when a guest could not be made.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.kernel import selinux
from tests.support.machine import (
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    boot,
    debian_kernel,
    fresh_folder,
    need,
    pack,
    run,
    sharing_jobs,
    write_jobs,
)

from .__main__ import CFFI, reference
from .places import PEERS, with_ours

HERE = PEERS / "selinux"
PROGRAM = ROOT / "tests/peers/both.py"
BUSYBOX = "/bin/busybox|busybox-static|loads the policy in the guest"
ENFORCE = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t selinuxfs s /sys/fs/selinux
$B dd if=/policy of=/sys/fs/selinux/load bs=1000000 count=1
echo 1 >/sys/fs/selinux/enforce; echo enforcing $($B cat /sys/fs/selinux/enforce)
"""
WANTED = ("enforcing 1", "stock cffi MemoryError", "drop-in ctypes 42", "drop-in cffi 42")


def initramfs(modules: Path, python: Path) -> tuple[Path, list[Job]]:
    """Pack the guest's first file system; give its path, and what the guest does."""
    top = fresh_folder(HERE / "root")
    (top / "bin").mkdir()
    shutil.copy("/bin/busybox", top / "bin")
    shutil.copy(ROOT / "build/vm/bin/x86_64/init", top)
    (top / "enforce").write_text(ENFORCE, encoding="ascii")
    (top / "enforce").chmod(0o755)
    policy = selinux.refuse(selinux.base_policy(), "process", "execmem execstack execheap")
    selinux.compile_policy(selinux.refuse(policy, "file", "execmod"), top / "policy")
    jobs = [*sharing_jobs(modules, top), Job("/enforce", 60)]
    jobs += [Job(f"in / {python} {PROGRAM} stock", 600)]
    jobs += [Job(f"FFI_STATIC_INSTALL=require in / {python} {PROGRAM} drop-in", 600)]
    write_jobs(jobs, top)
    return pack(top, HERE / "initramfs.gz"), jobs


def guest() -> list[str]:
    """Boot; give what the guest did not say, of WANTED."""
    run("make vm-programs", "make", "-s", "vm-programs-x86_64")
    image, modules = debian_kernel("6.1", "x86_64")
    packed, jobs = initramfs(modules, with_ours(reference(), CFFI))
    machine, log = MACHINES["x86_64"], HERE / "log"
    how = {"append": selinux.APPEND, "label": "selinux"}
    boot(machine, image, packed, jobs, log=log, share="/", **how)
    told = [line.strip() for job in jobs for line in job.output]
    print("\n".join(line for line in told if line.startswith(("enforcing", "stock ", "drop-in "))))
    return [line for line in WANTED if line not in told]


def main() -> int:
    try:
        need(MACHINES["x86_64"], selinux.CHECKPOLICY, BUSYBOX)
        missing = guest()
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if missing:
        print(f"selinux: the guest did not say {missing}; its log is {os.path.relpath(HERE)}/log")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
