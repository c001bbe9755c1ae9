# SPDX-License-Identifier: MIT
"""python_guest - Python tests in the root of python.sh, on a kernel of that architecture.

qemu-user has no PR_SET_MDWE, no seccomp and no limit of memory. So Debian's kernel is booted in an
emulated machine, with the root that python.sh has made as its files (read-only, a tmpfs above
them): there the tests run which the architecture's python.txt keeps from qemu-user, and
whole files that switch MDWE on. ::

    python -m tests.arch.python_guest [--isa aarch64] [TEST ...]

Exit status: 0 when every test passed or was skipped, 1 when one failed, 2 when no guest was made.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.arch.isas import ISAS
from tests.python.programs.caller import PATH
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

KERNEL = "6.12"
RUN = "tests/python/test_run.py::test_"
#: Beside those of python.txt: what skips under qemu-user, which has no PR_SET_MDWE and no seccomp.
TESTS = (
    "tests/python/test_memfd_seals.py",
    f"{RUN}ends_as_without_us_under_the_policies",
    f"{RUN}children_are_served_and_policies_are_theirs_too",
    f"{RUN}both_libraries_work_under_the_policies",
)
LIMIT = 6000  # seconds


def kept(isa: str) -> list[str]:
    """Give the tests that qemu-user cannot run."""
    listed = ROOT / "tests/arch" / isa / "python.txt"
    lines = listed.read_text(encoding="utf-8").splitlines()
    return [line.partition("|")[0] for line in lines if not line.startswith("#")]


def jobs_of(isa: str, root: Path, top: Path, modules: Path, tests: list[str]) -> list[Job]:
    """Put what the guest needs into the folder `top` and into the root; give the jobs."""
    compiler = (f"{ISAS[isa].triple}-gcc", "-O2", "-std=gnu11")
    run("the compiler", *compiler, "-static", "tests/support/init.c", "-o", str(top / "init"))
    # The root's compiler is a program of this machine.
    library = ("-shared", "-fPIC", "-pthread", "tests/python/caller.c")
    run("the compiler", *compiler, *library, "-o", str(root / "src/caller.so"))
    (root / "src/guest.txt").write_text("\n".join(tests or [*kept(isa), *TESTS]), encoding="utf-8")
    words = [f"{PATH}=/src/caller.so", "in", "/src", "python3", "-m", "pytest", "-v", "-rs"]
    for plugin in ("cacheprovider", "unraisableexception", "threadexception"):
        words += ["-p", f"no:{plugin}"]
    jobs = [*sharing_jobs(modules, top), Job(" ".join([*words, "@guest.txt"]), LIMIT)]
    write_jobs(jobs, top)
    return jobs


def main() -> int:
    """Boot once, and run pytest there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--isa", default="aarch64")
    parser.add_argument("tests", nargs="*", help="of tests/python; else those of python.txt")
    args = parser.parse_args()
    arch, name = args.build.resolve() / "arch", f"python-{args.isa}"
    root, out, machine = arch / name, arch / "guest", ISAS[args.isa].debian
    if machine not in MACHINES:
        print(f"no machine for a kernel of {args.isa}: tests/support/machine.py", file=sys.stderr)
        return 2
    if not (root / "src").exists():
        print(f"no {root}: make test-arch ISA={args.isa} KIND=python", file=sys.stderr)
        return 2
    try:
        need(MACHINES[machine])
        image, modules = debian_kernel(KERNEL, machine)
        top = fresh_folder(out / f"root-{name}")
        jobs = jobs_of(args.isa, root, top, modules, args.tests)
        packed, log = pack(top, out / f"{name}.gz"), out / f"{name}.log"
        how = {"log": log, "label": args.isa, "share": str(root)}
        outcome = boot(MACHINES[machine], image, packed, jobs, **how)
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(outcome.kernel or "no kernel said a word", *jobs[-1].output[-60:], sep="\n")
    print(*outcome.splats, sep="\n")
    return int(not outcome.done or bool(outcome.splats) or jobs[-1].status != 0)


if __name__ == "__main__":
    sys.exit(main())
