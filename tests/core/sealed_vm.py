# SPDX-License-Identifier: MIT
"""sealed_vm - the cases of tests/core/c/sealed*.c in a machine whose processor has protection keys

    python -m tests.core.sealed_vm [--kernel 6.12]        (`make test-sealed-vm`)

QEMU's `-cpu max` has them, and Debian's 6.12 kernel has mseal(2). The cases run plain, hardened by
pages, and hardened by keys. Every boot also asks for keys where none are left, and where there is a
thread before the key: both must make nothing. Then the trampfd module is loaded, and the cases run
once more on tables of the kernel's. bench/sealed/sealed.c measures each state; emulated times
compare with each other only.

Exit status: 0 when all passed, 1 when one failed, 2 when the guest could not be made.
"""

from __future__ import annotations

import argparse
import shutil
import sys

from tests.support.ctests import HARDENED, ROOT, SEALED_PROGRAMS, SKIPPED, cases
from tests.support.machine import (
    MACHINES,
    CannotRunError,
    Job,
    boot,
    debian_kernel,
    fresh_folder,
    need,
    pack,
    run,
    write_jobs,
)

PROGRAMS = ("tests-static", "vm-programs-x86_64", "build/bench/sealed.static")
#: Seconds. RISC-V's machine takes minutes over 20,000 sealed closures: 120,000 times mprotect().
LIMIT = 1200
METHODS = ("0", "1", "keys")


def each_case(*methods: str, before: str = "") -> list[Job]:
    """List each case by each method, which is a value of $FFI_STATIC_HARDEN.

    before: more variables of the environment.
    """
    return [
        Job(f"{before}FFI_STATIC_HARDEN={harden} FS_TEST_DIVIDE=8 /{program} {case}", LIMIT)
        for harden in methods
        for program in SEALED_PROGRAMS
        for case in cases("c", program)
        if case not in HARDENED or (case == HARDENED[1] and harden != "0")
    ]


def jobs() -> list[Job]:
    """List each case by each method, what must be refused, and all on the module's tables."""
    listed = each_case(*METHODS)
    for first in ("keys", "thread"):
        words = f"FFI_STATIC_HARDEN=keys FS_TEST_FIRST={first} /sealed_refused {HARDENED[0]}"
        listed.append(Job(words, 60))
    listed += measured("resident", "text")
    hole = "FS_TEST_HOLE=1 FS_TEST_DIVIDE=8 /sealed_attacked no_store_reaches_a_sealed_table"
    listed.append(Job(f"FFI_STATIC_HARDEN=1 {hole}", 60, fails=True))
    provider = "FFI_STATIC_PROVIDER=trampfd "
    without = f"{provider}FFI_STATIC_HARDEN=1 /sealed each_state_is_read_only"
    listed += [Job(without, 60, fails=True), Job("insmod /trampfd.ko", 60)]
    return listed + each_case(*METHODS, before=provider) + measured("trampfd")


def measured(*providers: str) -> list[Job]:
    """List what measures each state on each of the providers."""
    return [
        Job(f"FFI_STATIC_HARDEN={harden} FFI_STATIC_PROVIDER={provider} /sealed.static", 60)
        for harden in METHODS
        for provider in providers
    ]


def main() -> int:
    """Boot, and judge."""
    p = argparse.ArgumentParser(prog="sealed_vm", description=__doc__)
    p.add_argument("--kernel", default="6.12")
    kernel = p.parse_args().kernel
    machine = MACHINES["x86_64"]
    out = ROOT / "build" / "vm" / f"{kernel}-sealed"
    out.mkdir(parents=True, exist_ok=True)
    try:
        need(machine)
        run("the guest's programs", "make", "-s", *PROGRAMS)
        run("the kernel module", "make", "-s", "kmod", f"KERNEL={kernel}")
        image, _ = debian_kernel(kernel, "x86_64")
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    listed = jobs()
    top = fresh_folder(out / "root")
    sealed = [f"static/core/c/{program}" for program in SEALED_PROGRAMS]
    for path in (*sealed, "vm/bin/x86_64/init", "bench/sealed.static"):
        shutil.copy(ROOT / "build" / path, top)
    shutil.copy(ROOT / f"build/kmod/{kernel}-x86_64/trampfd.ko", top)
    write_jobs(listed, top)
    packed = pack(top, out / "initramfs.gz")
    outcome = boot(machine, image, packed, listed, log=out / "log", label=f"{kernel} sealed")
    bad = 0
    for job in listed:
        good = job.status not in (0, SKIPPED, None) if job.fails else job.status in (0, SKIPPED)
        bad += not good
        what = "skipped" if job.status == SKIPPED else "passed" if good else "FAILED"
        said = " / ".join(line for line in job.output if line.strip())
        print(f"{what:8}{job.words}: {said[:240]}")
    return outcome.verdict(len(listed), bad)


if __name__ == "__main__":
    sys.exit(main())
