# SPDX-License-Identifier: MIT
"""guest - the cases of slots.c on kernels of the architectures themselves, in emulated machines.

qemu-user translates system calls and cannot do all of what it translates: `text` does not work
there, and pages are the host's. So Debian's own kernels are booted with one process that runs
every case with every provider: AArch64 with pages of 4 and of 16 KiB, 32-bit ARM on the first of
these, ppc64le with 4 and 64, RISC-V and s390x with 4, LoongArch with 16, and x32 on the one of
Debian's kernels that knows it. Where the architecture has the whole library, the cases of sealed*.c
run there as well, plain and hardened: pages that are opened and shut again are the kernel's. The
kernels come through a private apt root (100 MB each, kept in the build folder); nothing is
installed but the emulator. A boot takes seconds. Who boots, and the first process, are those of
tests/support/machine.py. ::

    python -m tests.arch.guest [--build build] [--kernel arm64-16k] [--isa aarch64]

Exit status: 0 when every case passed or had nothing to see, 1 when one failed or is missing, 2
when a guest could not be made.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.arch.isas import ISAS
from tests.core.sealed_vm import each_case
from tests.support.ctests import SEALED_PROGRAMS
from tests.support.machine import (
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    Outcome,
    boot,
    debian_kernel,
    fresh_folder,
    need,
    pack,
    run,
    write_jobs,
)

SUITE = "trixie"  # the first whose arm64 kernels come with 16 KiB pages as well
PROVIDERS = ("", "resident", "text", "file", "memfd")
#: Seconds until a case is given up. QEMU takes a minute over one of s390x's with `memfd`, whose
#: pages come back from earlier tables: it looks for translated code at each store into such a page.
LIMIT = 300
#: The cases that say 77, nothing to see here, and where.
NOTHING_TO_SEE = {
    "a_mapped_trampoline_is_entered_at_its_landing_pad_only",
    "every_step_of_a_trampoline_is_unwound",
    "a_slot_takes_its_size_and_few_mappings",  # but in the default order
    "with_keys_a_signal_handler_cannot_call",  # by pages
}
WRAP = ("mmap", "mmap64", "munmap", "mremap", "mprotect")


@dataclass(frozen=True)
class Guest:
    """One kernel and the machine that boots it."""

    name: str
    isa: str
    debian: str
    package: str  # how the package's name ends: the newest that matches is taken. "": unstable's
    machine: str
    suite: str = SUITE
    append: str = ""  # to the kernel's command line


GUESTS = (
    Guest("arm64", "aarch64", "arm64", "[0-9]-arm64-unsigned", "arm64"),
    Guest("arm64-16k", "aarch64", "arm64", "-arm64-16k-unsigned", "arm64"),
    Guest("arm64-armhf", "arm", "arm64", "[0-9]-arm64-unsigned", "arm64"),
    Guest("riscv64", "riscv64", "riscv64", "[0-9]-riscv64", "riscv64"),
    Guest("s390x", "s390x", "s390x", "[0-9]-s390x", "s390x"),
    Guest("ppc64el", "powerpc64le", "ppc64el", "[0-9]-powerpc64le", "ppc64el"),
    Guest("loong64", "loongarch64", "loong64", "", "loong64", "sid"),
    Guest("ppc64el-64k", "powerpc64le", "ppc64el", "-powerpc64le-64k", "ppc64el"),
    Guest(
        "x32",
        "x32",
        "amd64",
        "-rt-amd64-unsigned",
        "x86_64",
        "bookworm-backports",
        "no_timer_check syscall.x32=y",
    ),
)


def private_apt(suite: str, folder: Path) -> str:
    """Make an apt root for the suite and its architectures; the path of its configuration."""
    arches = ",".join(sorted({guest.debian for guest in GUESTS if guest.suite == suite}))
    run("apt-root", "sh", str(ROOT / ".ci/apt-root"), str(folder), f"{suite}:{arches}", "deb")
    return str(folder / "apt.conf")


def download(guest: Guest, names: list[str], folder: Path, config: str) -> None:
    """Download the newest of the packages; an older one where a mirror has not got that (yet)."""
    said = ""
    for name in sorted(names, key=lambda n: [int(x) for x in re.findall(r"\d+", n)], reverse=True):
        print(f"Getting {name} ...", flush=True)
        try:
            get = ("apt-get", "download", "-qq", f"{name}:{guest.debian}")
            run("apt-get download", *get, cwd=folder, APT_CONFIG=config)
        except CannotRunError as error:
            print(f"  {name}: the mirror does not give it", flush=True)
            said = str(error)
        else:
            return
    raise CannotRunError(said)


def kernel(guest: Guest, out: Path) -> Path:
    """Give the guest's kernel image, downloaded the first time."""
    if not guest.package:
        return debian_kernel("newest", guest.debian)[0]
    folder = out / guest.name
    found = sorted(folder.glob("boot/vmlinu*"))
    if not found:
        config = private_apt(guest.suite, out / f"apt-{guest.suite}")
        names = run("apt-cache", "apt-cache", "pkgnames", "linux-image-", APT_CONFIG=config)
        pattern = rf"linux-image-[0-9]\S*{guest.package}"
        matching = [name for name in names.split() if re.fullmatch(pattern, name)]
        if not matching:
            raise CannotRunError(f"{guest.suite} has no package like {pattern}")
        folder.mkdir(parents=True, exist_ok=True)
        download(guest, matching, folder, config)
        package = next(folder.glob("*.deb"))
        run("dpkg-deb", "sh", "-c",
            'dpkg-deb --fsys-tarfile "$1" | tar -x --wildcards "./boot/vmlinu*"',
            "sh", package.name, cwd=folder)  # fmt: skip
        package.unlink()
        found = sorted(folder.glob("boot/vmlinu*"))
    if not found:
        raise CannotRunError(f"no boot/vmlinu* in the package of {guest.name}")
    return found[-1]


def cases() -> list[str]:
    """Names of the cases that need no simulated pages."""
    text = (ROOT / "tests/arch/slots.c").read_text()
    names = re.findall(r"^    CASE\((\w+)\),$", text, re.MULTILINE)
    return [name for name in names if "64_KiB" not in name]


def jobs(isa: str) -> list[Job]:
    """Each case with each provider by name, and with the default order; those of sealed*.c."""
    slots = [
        Job(f"{f'FFI_STATIC_PROVIDER={provider} ' if provider else ''}/slots {name}", LIMIT)
        for provider in PROVIDERS
        for name in cases()
        if name not in ISAS[isa].lacks
    ]
    return slots + (each_case("0", "1") if ISAS[isa].planned else [])


def initrd(isa: str, out: Path, todo: list[Job]) -> Path:
    """Build the programs, statically, and pack them with the list of jobs."""
    top = fresh_folder(out / f"root-{isa}")
    write_jobs(todo, top)
    if ISAS[isa].planned:
        programs = [f"build/{isa}/static/core/c/{program}" for program in SEALED_PROGRAMS]
        run("the library and sealed*.c", "make", "-s", f"ISA={isa}", *programs)
        for program in programs:
            shutil.copy(ROOT / program, top)
    common = [f"{ISAS[isa].triple}-gcc", "-static", "-std=gnu11", "-O2"]
    common += ["-D_GNU_SOURCE", "-pthread"]
    sources = [*ROOT.glob("csrc/base/*.c"), *ROOT.glob("csrc/tramp/*.c")]
    sources += [ROOT / f"csrc/arch/{isa}/table.S", ROOT / f"tests/arch/{isa}/probe.S"]
    sources += [ROOT / "tests/arch/slots.c", ROOT / "tests/arch/pages.c"]
    include = [f"-I{ROOT / p}" for p in ("csrc", f"csrc/arch/{isa}", "tests/arch")]
    wrap = [f"-Wl,--wrap={name}" for name in WRAP]
    run("the compiler", *common, "-fPIC", *include, *wrap, "-o", str(top / "slots"),
        *map(str, sources))  # fmt: skip
    run("the compiler", *common, "-o", str(top / "init"), str(ROOT / "tests/support/init.c"))
    return pack(top, out / f"initrd-{isa}.gz")


def judge(guest: Guest, outcome: Outcome) -> bool:
    """Print the guest's line of the table; True when all is well."""
    passed = [job for job in outcome.jobs if job.status == 0]
    nothing = [
        job
        for job in outcome.jobs
        if job.status == 77 and job.words.rpartition(" ")[2] in NOTHING_TO_SEE
    ]
    bad = [job for job in outcome.jobs if job not in passed and job not in nothing]
    release, _, pages = outcome.kernel.split() if outcome.kernel else ("no kernel", "", "0")
    what = f"{release}, {int(pages) // 1024} KiB pages"
    print(f"{guest.isa:13}{what:44}{len(passed):7}{len(bad):7}{len(nothing):7}", flush=True)
    for job in bad:
        print(f"    {job.words}: {job.status}", *job.output[-10:], sep="\n    | ")
    for line in outcome.splats:
        print(f"    the kernel said: {line}")
    return not bad and not outcome.splats and outcome.done


def main() -> int:
    """Boot what is asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--kernel", action="append", choices=[g.name for g in GUESTS])
    parser.add_argument("--isa", help="those of one architecture, which may have none")
    args = parser.parse_args()
    out = args.build.resolve() / "arch" / "guest"
    out.mkdir(parents=True, exist_ok=True)
    title = "slots.c and sealed*.c in an emulated machine"
    print(f"{'':13}{title:44}{'passed':>7}{'failed':>7}{'n/a':>7}", flush=True)
    good = True
    try:
        for guest in GUESTS:
            asked = not args.kernel or guest.name in args.kernel
            if asked and args.isa in {None, guest.isa}:
                todo, log = jobs(guest.isa), out / f"{guest.name}.log"
                if MACHINES[guest.machine].tools:
                    need(MACHINES[guest.machine])
                image, packed = kernel(guest, out), initrd(guest.isa, out, todo)
                machine = MACHINES[guest.machine]
                outcome = boot(
                    machine, image, packed, todo, log=log, label=guest.name, append=guest.append
                )
                good &= judge(guest, outcome)
    except (CannotRunError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
