# SPDX-License-Identifier: MIT
"""guest - the cases of slots.c on kernels of the architectures themselves, in emulated machines.

qemu-user translates system calls and cannot do all of what it translates: `text` does not work
there, and pages are the host's. So Debian's own kernels are booted with one process that runs
every case with every provider: AArch64 with pages of 4 and of 16 KiB, RISC-V with 4. The kernels
come through a private apt root (100 MB each, kept in the build folder); nothing is installed but
the emulator. A boot takes seconds. ::

    python tests/arch/guest.py [--build build] [--kernel arm64-16k]

Exit status: 0 when every case passed or had nothing to see, 1 when one failed or is missing, 2
when a guest could not be made.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "trixie"  # the first whose arm64 kernels come with 16 KiB pages as well
PROVIDERS = ("default", "resident", "text", "file", "memfd")
#: The cases that say 77, nothing to see here, and where.
NOTHING_TO_SEE = {"a_mapped_trampoline_is_entered_at_its_landing_pad_only"}
WRAP = ("mmap", "munmap", "mremap", "mprotect")


@dataclass(frozen=True)
class Guest:
    """One kernel and the machine that boots it."""

    name: str
    isa: str
    debian: str
    package: str  # how the package's name ends: the newest that matches is taken
    machine: tuple[str, ...]
    console: str


ARM = ("qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on")
RISCV = ("qemu-system-riscv64", "-M", "virt")
GUESTS = (
    Guest("arm64", "aarch64", "arm64", "[0-9]-arm64-unsigned", ARM, "ttyAMA0"),
    Guest("arm64-16k", "aarch64", "arm64", "-arm64-16k-unsigned", ARM, "ttyAMA0"),
    Guest("riscv64", "riscv64", "riscv64", "[0-9]-riscv64", RISCV, "ttyS0"),
)


class CannotRunError(Exception):
    """A guest could not be made; the message says at what, and how it ended."""


def run(what: str, *command: str, cwd: Path | None = None, **env: str) -> str:
    """Run a command and give its output; CannotRunError with the end of it otherwise."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise CannotRunError(f"{done.stdout[-1000:]}{done.stderr[-1000:]}\n{what} failed")
    return done.stdout


def private_apt(folder: Path) -> str:
    """Make an apt root for the suite and architectures; the path of its configuration."""
    arches = ",".join(sorted({guest.debian for guest in GUESTS}))
    run("apt-root", "sh", str(ROOT / ".ci/apt-root"), str(folder), f"{SUITE}:{arches}", "deb")
    return str(folder / "apt.conf")


def kernel(guest: Guest, out: Path) -> Path:
    """Give the guest's kernel image, downloaded the first time."""
    folder = out / guest.name
    found = sorted(folder.glob("boot/vmlinu*"))
    if not found:
        config = private_apt(out / "apt")
        names = run("apt-cache", "apt-cache", "pkgnames", "linux-image-", APT_CONFIG=config)
        pattern = rf"linux-image-[0-9]\S*{guest.package}"
        matching = [name for name in names.split() if re.fullmatch(pattern, name)]
        if not matching:
            raise CannotRunError(f"{SUITE} has no package like {pattern}")
        newest = max(matching, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
        print(f"Getting {newest} ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        get = ("apt-get", "download", "-qq", f"{newest}:{guest.debian}")
        run("apt-get download", *get, cwd=folder, APT_CONFIG=config)
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


def initrd(isa: str, out: Path) -> Path:
    """Build the two programs, statically, and pack them with the list of cases."""
    top = out / f"root-{isa}"
    top.mkdir(parents=True, exist_ok=True)
    (top / "cases").write_text("".join(f"{name}\n" for name in cases()))
    common = [f"{isa}-linux-gnu-gcc", "-static", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-pthread"]
    sources = [*ROOT.glob("csrc/base/*.c"), *ROOT.glob("csrc/tramp/*.c")]
    sources += [ROOT / f"csrc/arch/{isa}/table.S", ROOT / f"tests/arch/{isa}/probe.S"]
    sources += [ROOT / "tests/arch/slots.c", ROOT / "tests/arch/pages.c"]
    include = [f"-I{ROOT / p}" for p in ("csrc", f"csrc/arch/{isa}", "tests/arch")]
    wrap = [f"-Wl,--wrap={name}" for name in WRAP]
    run("the compiler", *common, "-fPIC", *include, *wrap, "-o", str(top / "slots"),
        *map(str, sources))  # fmt: skip
    init = str(ROOT / "tests/arch/guest_init.c")
    run("the compiler", *common, "-o", str(top / "init"), init)
    packed = out / f"initrd-{isa}.gz"
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        cwd=top,
        input=b"init\nslots\ncases\n",
        capture_output=True,
        check=True,
    ).stdout
    packed.write_bytes(gzip.compress(archive, 1))
    return packed


def boot(guest: Guest, image: Path, packed: Path) -> str:
    """What the guest says until it powers off."""
    command = [
        *guest.machine,
        *("-accel", "tcg", "-net", "none", "-m", "512", "-nographic", "-no-reboot"),
        *("-kernel", str(image), "-initrd", str(packed)),
        *("-append", f"console={guest.console} panic=-1 quiet"),
    ]
    return run("the guest", "timeout", "600", *command).replace("\r", "")


def judge(guest: Guest, said: str) -> bool:
    """Print the guest's line of the table; True when all is well."""
    seen = re.search(r"KERNEL (\S+) (\S+) (\d+)", said)
    results = {
        (provider, name): int(status)
        for provider, name, status in re.findall(r"RESULT (\w+) (\w+) (-?\d+)$", said, re.MULTILINE)
    }
    wanted = {(provider, name) for provider in PROVIDERS for name in cases()}
    passed = [key for key, status in results.items() if status == 0]
    nothing = [key for key, s in results.items() if s == 77 and key[1] in NOTHING_TO_SEE]
    bad = sorted(wanted - set(passed) - set(nothing))
    what = f"{seen[1]}, {int(seen[3]) // 1024} KiB pages" if seen else "no kernel said a word"
    print(f"{guest.isa:9}{what:44}{len(passed):7}{len(bad):7}{len(nothing):7}", flush=True)
    for key in bad:
        print(f"    {' '.join(key)}: {results.get(key, 'not run')}")
    if bad:
        print("\n".join(f"    | {line}" for line in said.splitlines()[-30:]))
    return not bad


def main() -> int:
    """Boot what is asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--kernel", action="append", choices=[g.name for g in GUESTS])
    args = parser.parse_args()
    out = args.build.resolve() / "arch" / "guest"
    out.mkdir(parents=True, exist_ok=True)
    title = "tramp-level cases in an emulated machine"
    print(f"{'':9}{title:44}{'passed':>7}{'failed':>7}{'n/a':>7}", flush=True)
    good = True
    try:
        for guest in GUESTS:
            if not args.kernel or guest.name in args.kernel:
                image = kernel(guest, out)
                good &= judge(guest, boot(guest, image, initrd(guest.isa, out)))
    except (CannotRunError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
