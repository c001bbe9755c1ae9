# SPDX-License-Identifier: MIT
"""machine - one emulated machine: packs an initramfs, boots a kernel, and follows its console.

QEMU's TCG is the default accelerator: it needs nothing of the host, and where /dev/kvm is offered
by a hypervisor that has it in software only, Debian's kernels die under it
(``FFI_STATIC_VM_ACCEL=kvm`` for a real one). The kernel panics at its first warning and QEMU ends
with it, so that a splat is a failure at once. Nothing in a console line is taken as success
merely because it was said: what was to be said is counted by the caller.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support import process
from tests.support.process import MAKE, ProcessError, output

ROOT = process.ROOT

#: What a kernel says when something is wrong with it. Lines of user programs' faults
#: (``traps:``, ``segfault at``) are none: tests die on purpose.
SPLAT = re.compile(
    r"WARNING: |BUG: |Oops|KASAN|UBSAN|kernel BUG|Kernel panic|Call Trace|Call trace|general "
    r"protection fault(?!.*ip:)|possible recursive locking|circular locking|suspicious RCU"
    r"|inconsistent lock state|sleeping function called|lock held when returning"
    r"|kmemleak: \d+ new|unreferenced object|Modules linked in|rcu: INFO|INFO: task"
)


#: Modules that a guest needs to see the host's files.
SHARING = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


class CannotRunError(Exception):
    """A guest could not be made; the message says why and what to install."""


def run(what: str, *command: str, cwd: Path = ROOT, **env: str) -> str:
    """Run a command and give its output; CannotRunError with the end of it otherwise."""
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "timeout": None}
    try:
        return output(command, cwd=cwd, env=env, without=MAKE, **quiet)
    except ProcessError as error:
        raise CannotRunError(f"{str(error)[-4000:]}\n{what} failed") from None


@dataclass(frozen=True)
class Machine:
    """How one architecture is emulated."""

    isa: str
    qemu: str
    package: str
    options: tuple[str, ...]
    console: str
    compiler: str
    memory: str = "1G"
    tools: str = ""  # the script that makes QEMU and compiler, where Debian here may have none


MACHINES = {
    "x86_64": Machine(
        "x86_64",
        "qemu-system-x86_64",
        "qemu-system-x86",
        ("-M", "q35", "-cpu", "max"),
        "ttyS0",
        "gcc",
    ),
    # With BTI, and pointer authentication of a cipher that takes emulation less time.
    "arm64": Machine(
        "arm64",
        "qemu-system-aarch64",
        "qemu-system-arm",
        ("-M", "virt", "-cpu", "max,pauth-impdef=on"),
        "ttyAMA0",
        "aarch64-linux-gnu-gcc",
    ),
    "riscv64": Machine(
        "riscv64",
        "qemu-system-riscv64",
        "qemu-system-misc",
        ("-M", "virt"),
        "ttyS0",
        "riscv64-linux-gnu-gcc",
    ),
    "s390x": Machine(
        "s390x",
        "qemu-system-s390x",
        "qemu-system-misc",
        ("-M", "s390-ccw-virtio", "-cpu", "max"),
        "ttysclp0",
        "s390x-linux-gnu-gcc",
    ),
    "ppc64el": Machine(
        "powerpc64le",
        "qemu-system-ppc64",
        "qemu-system-ppc",
        ("-M", "pseries", "-cpu", "power9", "-vga", "none"),
        "hvc0",
        "powerpc64le-linux-gnu-gcc",
        "2G",  # a user's limit of the module is 16384 pages, and a page has 64 KiB
    ),
    "loong64": Machine(
        "loongarch64",
        "qemu-system-loongarch64",
        "",
        ("-M", "virt", "-cpu", "max"),
        "ttyS0",
        "loongarch64-linux-gnu-gcc",
        "2G",  # with the firmware's, and pages of 16 KiB
        "tests/support/loong64.sh",
    ),
}
# A kernel without ACPI finds its timer and interrupts there, but one processor only.
MACHINES["debug"] = replace(MACHINES["x86_64"], options=("-M", "pc", "-cpu", "max"))
MACHINES["arm64-16k"] = MACHINES["arm64"]  # the kernel's pages are larger, not the machine


@dataclass
class Job:
    """One line of /jobs, and how it went."""

    words: str
    seconds: int
    fails: bool = False  # must: what it needs is not there yet
    status: int | None = None
    milliseconds: int = 0
    output: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What a boot gave."""

    kernel: str
    jobs: list[Job]
    splats: list[str]
    done: bool
    seconds: float

    def verdict(self, count: int, bad: int) -> int:
        """Print how it went, `bad` of `count` jobs not as they should; give the exit status."""
        print(f"{self.kernel}: {count} jobs, {bad} failed, {self.seconds:.0f} s")
        if self.splats or not self.done:
            print(f"the guest stopped before the end, or its kernel said: {self.splats[:1]}")
        return int(bool(bad or self.splats or not self.done))


def need(machine: Machine, *more: str) -> None:
    """See to the programs that it takes: as root with apt they are installed, else named.

    more: lines of .ci/need, `program|package|why`.
    """
    wanted = [
        "cpio|cpio|packs the guest's programs",
        "xz|xz-utils|unpacks kernel modules",
        *more,
    ]
    if machine.tools:
        run("making the machine's tools", "bash", machine.tools, "build")
        made = ROOT / "build" / machine.isa / "bin"
        if str(made) not in os.environ["PATH"].split(":"):
            os.environ["PATH"] = f"{made}:{os.environ['PATH']}"
    else:
        wanted.append(f"{machine.qemu}|{machine.package}|boots a kernel of {machine.isa}")
    if machine.compiler != "gcc" and not machine.tools:
        triplet = machine.compiler[:-4]
        debian = {"aarch64": "arm64", "powerpc64le": "ppc64el"}.get(machine.isa, machine.isa)
        wanted += [
            f"{machine.compiler}|gcc-{triplet}|compiles for the guest",
            # only recommended by the compiler, so that a bare machine does not have it
            f"/usr/{triplet}/include/stdio.h|libc6-dev-{debian}-cross|its C library",
        ]
    lines = "".join(f"{line}\n" for line in wanted)
    done = process.run(
        [ROOT / ".ci/need", "the emulated machine"], status=None, input=lines, timeout=None
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise CannotRunError(done.stderr)


def pack(top: Path, packed: Path) -> Path:
    """Pack the folder `top` into the initramfs `packed`."""
    names = sorted(str(path.relative_to(top)) for path in top.rglob("*"))
    listed = "".join(f"{name}\n" for name in names).encode()
    cpio = ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"]
    try:
        done = process.run(cpio, cwd=top, input=listed, text=False)
    except ProcessError as error:
        raise CannotRunError(f"{error}\ncpio could not pack {top}") from None
    packed.write_bytes(gzip.compress(done.stdout, 1))
    return packed


def debian_kernel(kernel: str, arch: str) -> tuple[Path, Path]:
    """Get one of Debian's kernels, 6.1, 6.12 or newest; its image, the folder of its modules."""
    packages = ("sh", "csrc/kernel/packages.sh", "image", kernel, arch)
    folder, release = run("getting a kernel", *packages).split()[-2:]
    return Path(folder) / "boot" / f"vmlinuz-{release}", Path(folder) / "lib/modules" / release


def fresh_folder(path: Path) -> Path:
    """Make a folder that is empty."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def write_jobs(jobs: list[Job], top: Path) -> None:
    """Write the list that init.c reads into the folder that will be packed."""
    text = "".join(f"{job.seconds} {job.words}\n" for job in jobs)
    (top / "jobs").write_text(text, encoding="utf-8")


def kernel_modules(names: tuple[str, ...], modules: Path, top: Path) -> list[Job]:
    """Copy a kernel's modules and those that they need; the jobs that load them, in order."""
    order: list[str] = []

    def visit(name: str) -> None:
        found = next(modules.rglob(f"{name}.ko*"), None)
        if name in order or found is None:  # None: built in
            return
        target = top / f"{name}.ko"
        if found.suffix == ".xz":
            target.write_bytes(process.run(["xz", "-dc", found], text=False).stdout)
        else:
            shutil.copy(found, target)
        depends = re.search(rb"\0depends=([^\0]*)\0", target.read_bytes())
        for needed in filter(None, depends[1].decode().split(",") if depends else []):
            visit(needed)
        if name not in order:
            order.append(name)

    for name in names:
        visit(name)
    return [Job(f"insmod /{name}.ko", 60) for name in order]


#: What disk_start() takes, as .ci/need wants it.
BUSYBOX = "/bin/busybox|busybox-static|the guest's start"
DISK_START = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs devtmpfs /dev
{modules}
$B sleep 1
$B mount -o {how} -t ext4 /dev/vda /root || exec $B sh
$B mount -o bind /jobs /root/jobs
$B umount /dev
exec $B switch_root /root {first}
"""


def disk_start(
    modules: Path,
    jobs: list[Job],
    out: Path,
    first: str = "/init",
    *,
    more: tuple[str, ...] = (),
    how: str = "ro",
) -> Path:
    """Pack what mounts a disk's image, ext4, loads modules (`more`) and becomes its `first`."""
    top = fresh_folder(out / "initramfs")
    for name in ("bin", "dev", "root"):
        (top / name).mkdir()
    shutil.copy("/bin/busybox", top / "bin")
    names = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", *more)
    order = [job.words.split()[1] for job in kernel_modules(names, modules, top)]
    insert = "\n".join(f"$B insmod {name}" for name in order)
    (top / "init").write_text(DISK_START.format(modules=insert, first=first, how=how))
    (top / "init").chmod(0o755)
    write_jobs(jobs, top)
    return pack(top, out / "initramfs.gz")


def sharing_jobs(modules: Path, top: Path) -> list[Job]:
    """Copy the modules that sharing the host's files takes; the jobs that load them and share."""
    return [*kernel_modules(SHARING, modules, top), Job("share", 60)]


def command(
    machine: Machine,
    kernel: Path,
    packed: Path,
    *,
    share: str = "",
    append: str = "",
    disk: str = "",
) -> list[str]:
    """QEMU's command line; `append` is more for the kernel's.

    share is a folder, disk an image, which the guest's writes leave as it is; or nothing.
    """
    accel = os.environ.get("FFI_STATIC_VM_ACCEL", "tcg,thread=multi")
    words = [machine.qemu, *machine.options, "-accel", accel, "-smp", "2"]
    words += ["-m", "3G" if share else machine.memory, "-nographic", "-no-reboot", "-nic", "none"]
    if share:
        words += [
            "-virtfs",
            f"local,path={share},mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap",
        ]
    if disk:
        words += ["-drive", f"file={disk},if=virtio,format=raw,snapshot=on"]
    said = [f"console={machine.console}", "panic=-1", "panic_on_warn=1", "oops=panic"]
    said += ["loglevel=5", "rcupdate.rcu_cpu_stall_timeout=300", "kmemleak=on"]
    said += ["nowatchdog", append or "no_timer_check"]  # the host may be busy: ticks come late
    return [*words, "-kernel", str(kernel), "-initrd", str(packed), "-append", " ".join(said)]


class Console:
    """Reads the guest's lines: keeps them all in a log, sorts them to their jobs."""

    def __init__(self, jobs: list[Job], log: Path, label: str) -> None:
        self.jobs, self.label = jobs, label
        self.log = log.open("w", encoding="utf-8", errors="replace")
        self.kernel, self.done = "", False
        self.splats: list[str] = []
        self._job: Job | None = None
        self._seen = 0
        self._shown = 0.0

    def line(self, text: str) -> None:
        self.log.write(text + "\n")
        self.log.flush()
        if SPLAT.search(text) and len(self.splats) < 40:
            self.splats.append(text)
        # The kernel may write in front of what a program says; never inside it.
        said = re.search(r"@@ (kernel|begin|end|done)(?: (.*))?$", text)
        if said:
            self._marker(said[1], (said[2] or "").split())
        elif self._job is not None:
            self._job.output.append(text)
            if re.match(r"(not )?ok \d+ ", text):
                self._seen += 1
        self.progress(text)

    def _marker(self, what: str, words: list[str]) -> None:
        if what == "kernel":
            self.kernel = " ".join(words)
        elif what == "begin":
            self._job = self.jobs[int(words[0])]
        elif what == "end":
            job = self.jobs[int(words[0])]
            job.status, job.milliseconds = int(words[1]), int(words[2])
            self._job = None
        else:
            self.done = True

    def progress(self, text: str) -> None:
        """Say where we are: on a terminal always, into a file every 15 seconds."""
        every = 0.2 if sys.stderr.isatty() else 15.0
        if time.monotonic() - self._shown < every:
            return
        self._shown = time.monotonic()
        line = f"{self.label}: {self._seen} tests; {text.strip()[:70]}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(f"  ... {line}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self.log.close()
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def boot(
    machine: Machine,
    kernel: Path,
    packed: Path,
    jobs: list[Job],
    *,
    log: Path,
    label: str,
    share: str = "",
    append: str = "",
    disk: str = "",
) -> Outcome:
    """Boot, follow the console to the end, and give what was said."""
    words = command(machine, kernel, packed, share=share, append=append, disk=disk)
    return follow(words, jobs, log=log, label=label)


def follow(words: list[str], jobs: list[Job], *, log: Path, label: str) -> Outcome:
    """Run a machine whose console is its output.

    The guest kills a job that takes too long; the host ends a guest that has not finished a
    minute after the last of them should have.
    """
    began = time.monotonic()
    console = Console(jobs, log, label)
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as guest:
        assert guest.stdout is not None
        limit = threading.Timer(120 + sum(job.seconds for job in jobs), guest.kill)
        limit.start()
        try:
            for raw in guest.stdout:
                text = raw.decode("utf-8", "replace").rstrip("\n")
                console.line(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x1bc", "", text))
        finally:
            limit.cancel()
            guest.kill()
            console.close()
    return Outcome(console.kernel, jobs, console.splats, console.done, time.monotonic() - began)
