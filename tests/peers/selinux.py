# SPDX-License-Identifier: MIT
"""selinux - ctypes' and cffi's callbacks under SELinux, in an emulated machine (x86-64, Linux 6.1).

``python -m tests.peers.selinux``. The policy allows everything but execmem, execstack, execheap and
execmod: it is the one that tests/kernel/selinux.sh makes, which is run first if it was not yet. The
guest sees this machine's files, read-only, with a tmpfs above them. Stock callbacks of cffi must
fail there and those with the drop-in work, or the exit status is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .__main__ import CFFI, reference
from .places import PEERS, ROOT, run, with_ours

HERE = PEERS / "selinux"
POLICY = PEERS.parent / "kmod" / "selinux-6.1" / "policy.conf"
MODULES = ("virtio_ring", "virtio", "virtio_pci", "9pnet_virtio", "9p", "overlay")
BOTH = """
import ctypes, sys
for name in ("ctypes", "cffi"):
    try:
        if name == "ctypes":
            made = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
        else:
            import cffi
            made = cffi.FFI().callback("int(int)", lambda n: n + 1)
        print(sys.argv[1], name, made(41))
    except MemoryError:
        print(sys.argv[1], name, "MemoryError")
"""
INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mkdir -p /proc /sys /dev /lower /over /host
$B mount -t proc p /proc; $B mount -t sysfs s /sys; $B mount -t devtmpfs d /dev
for m in $($B cat /modules); do $B insmod /$m.ko; done
$B mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /lower
$B mount -t tmpfs t /over; $B mkdir /over/u /over/w
$B mount -t overlay -o lowerdir=/lower,upperdir=/over/u,workdir=/over/w o /host
for d in proc sys dev; do $B mount --bind /$d /host/$d; done
$B mount -t tmpfs t /host/tmp; $B cp /both.py /host/tmp/
$B mount -t selinuxfs s /sys/fs/selinux
$B dd if=/policy of=/sys/fs/selinux/load bs=1000000 count=1
echo 1 >/sys/fs/selinux/enforce; echo enforcing $($B cat /sys/fs/selinux/enforce)
$B chroot /host @PYTHON@ /tmp/both.py stock
FFI_STATIC_INSTALL=require $B chroot /host @PYTHON@ /tmp/both.py drop-in
$B poweroff -f
"""
WANTED = ("enforcing 1", "stock cffi MemoryError", "drop-in ctypes 42", "drop-in cffi 42")


def copy_modules(modules: Path, top: Path) -> None:
    """Copy kernel modules and what they need, and the order in which they load."""
    order: list[str] = []

    def visit(name: str) -> None:
        found = next(modules.rglob(f"{name}.ko"), None)
        if name in order or found is None:  # None: built in
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", found.read_bytes())
        for needed in filter(None, depends[1].decode().split(",") if depends else []):
            visit(needed)
        shutil.copy(found, top)
        order.append(name)

    for name in MODULES:
        visit(name)
    (top / "modules").write_text("\n".join(order) + "\n", encoding="ascii")


def initramfs(modules: Path, python: Path) -> Path:
    """Pack the guest's first file system; give its path."""
    top = HERE / "root"
    shutil.rmtree(top, ignore_errors=True)
    (top / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", top / "bin")
    (top / "both.py").write_text(BOTH, encoding="ascii")
    (top / "init").write_text(INIT.replace("@PYTHON@", str(python)), encoding="utf-8")
    (top / "init").chmod(0o755)
    copy_modules(modules, top)
    policy = POLICY.read_text(encoding="ascii")
    for kind, rights in (("process", "execmem execstack execheap"), ("file", "execmod")):
        rule = f"allow base_t base_t:{kind} *;"
        if rule not in policy:
            sys.exit(f"selinux: {POLICY} has no line {rule}")
        policy = policy.replace(rule, f"allow base_t base_t:{kind} ~{{ {rights} }};")
    (HERE / "policy.conf").write_text(policy, encoding="ascii")
    run("checkpolicy", "-c", "33", "-o", top / "policy", HERE / "policy.conf")
    packed = HERE / "initramfs"
    run("sh", "-c", f"cd '{top}' && find . | cpio -oHnewc --quiet >'{packed}'")
    return packed


def main() -> int:
    if not POLICY.exists():
        run("sh", ROOT / "tests/kernel/selinux.sh", "6.1")
    image, version = run("sh", ROOT / "csrc/kernel/packages.sh", "image", "6.1", "x86_64").split()
    packed = initramfs(Path(image, "lib/modules", version), with_ours(reference(), CFFI))
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"]
    command += ["-m", "1500", "-smp", "2", "-nographic", "-no-reboot", "-initrd", str(packed)]
    command += ["-kernel", f"{image}/boot/vmlinuz-{version}", "-virtfs"]
    command += [
        "local,path=/,mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap"
    ]
    command += ["-append", "console=ttyS0 quiet no_timer_check panic=-1 security=selinux selinux=1"]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=1800
        )
        said = done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
    (HERE / "log").write_text(said, encoding="utf-8")
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if line.startswith(("enforcing", "stock ", "drop-in "))]
    print("\n".join(told))
    missing = [line for line in WANTED if line not in lines]
    if missing:
        print(f"selinux: the guest did not say {missing}; its log is {os.path.relpath(HERE)}/log")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
