# SPDX-License-Identifier: MIT
"""run - closures of a process that CRIU has dumped and restored: restored.c, in a guest of its own

    python -m tests.core.checkpoint.run        (`make test-checkpoint`)

Boots Debian's 6.12, x86-64, on Debian 13 with its CRIU, in an emulated machine. A process with
closures of each provider, some or all of them sealed, is dumped, which ends it, and restored. Then
every closure is called, half of them are freed and made again, and a child calls all.

CRIU restores no protection keys: sealed pages are open then, and ffi_static_check() has to say so.
It refuses to dump a process with a table of the trampfd module, which has to go on as it was.

Exit status: 0 when all was as it should be, 1 when not, 2 when the guest could not be made.
"""

from __future__ import annotations

import subprocess
import sys

from tests.support.machine import (
    BUSYBOX,
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    boot,
    debian_kernel,
    disk_start,
    need,
    run,
)

KERNEL = "6.12"
OUT = ROOT / "build/checkpoint"
#: CRIU looks at what the kernel can do with each, and refuses to begin where one is missing.
MODULES = (
    *("nfnetlink", "nf_tables", "veth", "tun", "inet_diag", "tcp_diag", "udp_diag", "raw_diag"),
    *("unix_diag", "netlink_diag", "af_packet_diag"),
)
PROVIDERS = ("", "text", "file", "memfd")
PROGRAM = "/checkpoint/checkpoint"
SHUT = "; a store is refused; checked"
OPEN = "; a store is done; table of provider"
REFUSED = 3  # checkpoint.sh: not dumped


def jobs() -> dict[str, tuple[Job, str]]:
    """Give each job and what the restored program must say, by its name."""
    found = {}
    for harden in ("0", "1", "keys"):
        for provider in PROVIDERS:
            words = f"FFI_STATIC_HARDEN={harden} FFI_STATIC_PROVIDER={provider} {PROGRAM}"
            says = OPEN if harden == "keys" else SHUT
            found[f"{provider or 'default'}, hardened {harden}"] = (Job(words, 300), says)
    words = f"FFI_STATIC_PROVIDER=trampfd {PROGRAM}"
    found["load the module"] = (Job("insmod /trampfd.ko", 60), "")
    found["trampfd"] = (Job(words, 300, fails=True), SHUT)
    return found


def is_right(job: Job, says: str) -> bool:
    """Judge a job by its status and by the line of the restored program."""
    said = "\n".join(job.output)
    if says == OPEN and "its protection key is gone" not in said:
        return False
    return job.status == (REFUSED if job.fails else 0) and says in said


def make_image() -> None:
    """Make the guest's disk; CannotRunError when that cannot be."""
    need(MACHINES["x86_64"], BUSYBOX)
    programs = ("lib", "vm-programs-x86_64", "build/checkpoint/restored")
    run("the guest's programs", "make", "-s", *programs)
    run("the kernel module", "make", "-s", "kmod", f"KERNEL={KERNEL}")
    if subprocess.call(["bash", "tests/core/checkpoint/root.sh", "build"], cwd=ROOT):
        raise CannotRunError("the image could not be made")


def main() -> int:
    """Make the guest, boot it, and judge."""
    try:
        make_image()
        image, modules = debian_kernel(KERNEL, "x86_64")
        named = jobs()
        listed = [job for job, _ in named.values()]
        packed = disk_start(modules, listed, OUT, more=MODULES, how="rw")
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    # One processor: CRIU has the kernel change its own code, and QEMU's second one may not see it.
    outcome = boot(
        MACHINES["x86_64"], image, packed, listed, log=OUT / "log", label="checkpoint",
        append="no_timer_check rw maxcpus=1", disk=str(OUT / "image"),
    )  # fmt: skip
    bad = 0
    for name, (job, says) in named.items():
        good = is_right(job, says)
        bad += not good
        print(f"{'ok' if good else 'FAILED':8}{name}: {' / '.join(job.output)[:600]}")
    return outcome.verdict(len(named), bad)


if __name__ == "__main__":
    sys.exit(main())
