# SPDX-License-Identifier: MIT
"""machine_days - bad days that need a machine of their own: bad_days/overcommit.c

    python -m tests.core.machine_days        (`make test-machine-days`)

Boots Debian's 6.12, x86-64, in an emulated machine on this machine's files (read-only, a tmpfs
above them), and runs each case with each provider. Exit status: 0 when all passed, 1 when one
failed, 2 when the guest could not be made.
"""

from __future__ import annotations

import shutil
import sys

from tests.support.ctests import ROOT, cases
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
    sharing_jobs,
    write_jobs,
)

KERNEL = "6.12"
OUT = ROOT / "build/vm/machine-days"
#: Not `file`: the guest has this machine's files through overlayfs on 9p, where the library's file
#: and its mapping have different numbers, and the provider refuses.
ORDERS = ("", "text", "memfd")


def main() -> int:
    machine = MACHINES["x86_64"]
    try:
        need(machine)
        run("the guest's programs", "make", "-s", "vm-programs-x86_64", "tests-bad-days")
        image, modules = debian_kernel(KERNEL, "x86_64")
        top = fresh_folder(OUT / "root")
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    shutil.copy(ROOT / "build/vm/bin/x86_64/init", top)
    before = sharing_jobs(modules, top)
    days = [
        Job(f"FS_TEST_MACHINE=1 FFI_STATIC_PROVIDER={order} in {ROOT} "
            f"build/tests/core/bad_days/overcommit {case}", 300)
        for order in ORDERS
        for case in cases("bad_days", "overcommit")
    ]  # fmt: skip
    write_jobs([*before, *days], top)
    packed = pack(top, OUT / "initramfs.gz")
    outcome = boot(
        machine, image, packed, [*before, *days], log=OUT / "log", label="machine days", share="/"
    )
    for job in days:
        said = " / ".join(line for line in job.output if line.strip())
        print(f"{'FAILED' if job.status else 'passed':8}{job.words}: {said[:240]}")
    bad = sum(job.status != 0 for job in [*before, *days])
    return outcome.verdict(len(days), bad)


if __name__ == "__main__":
    sys.exit(main())
