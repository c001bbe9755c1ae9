# SPDX-License-Identifier: MIT
"""run - boots Debian's kernels in emulated machines and runs the tests of the kernel module there.

Parts: ``a`` the selftests, the fuzzer and the benchmark, on an initramfs of static programs;
``b`` the project's own trampoline, closure and Python tests with ``FFI_STATIC_PROVIDER=trampfd``,
on the host's own files (read-only, a tmpfs above them); ``c`` the patched libffi's closure tests
on the same files. A guest's output is kept in ``build/vm/<kernel>-<arch>/<part>.log``. ::

    python -m tests.kernel.vm.run [--kernel 6.1] [--arch x86_64] [--parts abc] [--only words]

Exit status: 0 when everything passed, 1 when something failed or is missing, 2 when a guest could
not be made.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.kernel.vm import inside
from tests.support import process
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
    sharing_jobs,
    write_jobs,
)

#: Seconds for all selftests: an hour with KASAN on a busy machine, and some that hang.
SELFTESTS = 9000
#: What `make test-vm` runs when nothing is asked for: kernel, architecture, parts.
ALL = (
    ("6.1", "x86_64", "abc"),
    ("6.12", "x86_64", "abc"),
    ("newest", "x86_64", "a"),
    ("6.1", "arm64", "a"),
    ("newest", "arm64-16k", "a"),
    ("6.12", "ppc64el", "a"),
    ("6.12", "riscv64", "a"),
    ("6.12", "s390x", "a"),
    ("newest", "loong64", "a"),
)


@dataclass
class Row:
    """One line of the table."""

    kernel: str
    arch: str
    part: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Guest:
    """A kernel image, the module for it, and where its output goes."""

    kernel: str
    arch: str
    image: Path
    modules: Path | None
    trampfd: Path
    out: Path


class BrokenError(Exception):
    """Something of this tree does not build. This is a failure, and no reason to skip."""


def make(*words: str) -> None:
    """Make something of this tree."""
    try:
        run(f"make {' '.join(words)}", "make", "-s", *words)
    except CannotRunError as error:
        raise BrokenError(str(error)) from None


def guest(kernel: str, arch: str, build: Path) -> Guest:
    """Get the kernel, build the module for it."""
    out = build / "vm" / f"{kernel}-{arch}"
    out.mkdir(parents=True, exist_ok=True)
    if kernel == "debug":
        return debug_guest(build, out)
    packages = ("sh", "csrc/kernel/packages.sh")
    run("getting a kernel's headers", *packages, "headers", kernel, arch)
    image, modules = debian_kernel(kernel, arch)
    make("kmod", f"KERNEL={kernel}", f"ARCH={arch}")
    return Guest(
        kernel,
        arch,
        image,
        modules,
        build / "kmod" / f"{kernel}-{arch}" / "trampfd.ko",
        out,
    )


def debug_guest(build: Path, out: Path) -> Guest:
    """6.1 with KASAN, lockdep and kmemleak: built from Debian's source, and the module for it."""
    folder = build / "vm" / "debug"
    run("building a kernel", "sh", "tests/kernel/vm/debug_kernel.sh", str(folder))
    source = folder / "module"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for path in (ROOT / "csrc/kernel").iterdir():
        if path.suffix in {".c", ".h"} or path.name == "Kbuild":
            shutil.copy(path, source)
    shutil.copytree(ROOT / "csrc/kernel/include", source / "include")
    run("building the module", "make", "-s", "-C", str(folder / "obj"), f"M={source}", "modules")
    return Guest("debug", "x86_64", folder / "bzImage", None, source / "trampfd.ko", out)


def initramfs(host: Guest, build: Path, jobs: list[Job], part: str) -> Path:
    """Pack init, the programs, the modules and the list of jobs."""
    top = fresh_folder(host.out / f"root-{part}")
    programs = build / "vm" / "bin" / MACHINES[host.arch].isa
    names = [path for path in programs.iterdir() if part == "a" or path.name == "init"]
    for path in names:
        shutil.copy(path, top)
        # Symbols are for debugging here, not for emulated memory.
        if path.name not in {"init", "selftests32"}:
            strip = MACHINES[host.arch].compiler.removesuffix("gcc") + "strip"
            process.run([strip, str(top / path.name)])
    shutil.copy(host.trampfd, top)
    if part != "a":
        if host.modules is None:
            raise CannotRunError("the debug kernel has no modules to share files with")
        jobs[:0] = sharing_jobs(host.modules, top)
    write_jobs(jobs, top)
    return pack(top, host.out / f"initramfs-{part}.gz")


def part_a(seed: int, seconds: int, only: str, programs: set[str]) -> list[Job]:
    """Selftests, fuzzer, benchmark; the module must load at the start and unload at the end."""
    jobs = [Job("insmod /trampfd.ko", 60)]
    if only not in {"fuzz", "bench"}:
        jobs.append(Job(f"/selftests {only}".strip(), SELFTESTS))
        if "selftests32" in programs:  # the same as a 32-bit program
            jobs.append(Job(f"/selftests32 {only}".strip(), SELFTESTS))
    if only in {"", "fuzz"}:
        jobs.append(Job(f"/fuzz {seed} {seconds}", seconds * 4 + 120))
    if only in {"", "bench"} and "bench" in programs:
        jobs.append(Job("/bench", 300))
    return [*jobs, Job("kmemleak", 120), Job("rmmod trampfd", 60)]


def count_tap(job: Job, row: Row) -> None:
    """Count a program's results against its own plan. A missing result is a failure."""
    plan = None
    seen: dict[int, str] = {}
    for line in job.output:
        if re.match(r"1\.\.\d+$", line):
            plan = int(line[3:])
        # A line of the kernel's may stand in front.
        result = re.search(r"(?:^|\] )((?:not )?ok) (\d+) (\S+)( # SKIP)?", line)
        if result:
            seen[int(result[2])] = result[1] + (result[4] or "")
            if result[1] == "not ok":
                row.failed.append(result[3])
    row.passed += sum(1 for how in seen.values() if how == "ok")
    row.skipped += sum(1 for how in seen.values() if how == "ok # SKIP")
    missing = (plan or 0) - len(seen)
    if not plan or missing:
        row.failed.append(f"{job.words}: of {plan} planned, {missing} never ended")


def count_pytest(job: Job, row: Row) -> bool:
    """Count pytest's summary; False when there is none."""
    last = next((line for line in reversed(job.output) if re.search(r"\d+ passed.* in ", line)), "")
    row.passed += sum(int(n) for n in re.findall(r"(\d+) passed", last))
    row.skipped += sum(int(n) for n in re.findall(r"(\d+) skipped", last))
    row.failed += [line for line in job.output if re.match(r"(FAILED|ERROR) ", line)]
    return bool(last)


def judge_job(job: Job, row: Row) -> None:
    """One job's tests, or the job itself as one."""
    tap = any(re.match(r"(TAP version|1\.\.\d+)", line) for line in job.output)
    if job.status is None:
        row.failed.append(f"{job.words}: did not end")
    elif job.fails:
        if job.status == 0:
            row.failed.append(f"{job.words}: works, and must not without the module")
        row.passed += job.status != 0
    elif tap:
        count_tap(job, row)
        if job.status > 1 or (job.status == 1 and not row.failed):
            row.failed.append(f"{job.words}: status {job.status}")
    elif job.status == 77 and job.words == "kmemleak":
        row.notes.append("no kmemleak in this kernel")
    elif "pytest" in job.words:
        if not count_pytest(job, row) or job.status:
            row.failed.append(f"{job.words}: status {job.status}")
    elif job.status:
        row.failed.append(f"{job.words}: status {job.status}")
    else:
        row.passed += 1


def judge(row: Row, outcome: Outcome) -> Row:
    """Turn the outcome of a boot into a line of the table."""
    row.seconds = outcome.seconds
    for job in outcome.jobs:
        row.notes += [m[1] for line in job.output if (m := re.match(r"# note: (.*)", line))]
        judge_job(job, row)
    if outcome.splats:
        row.failed.append(f"the kernel said: {outcome.splats[0]}")
    if not outcome.done:
        row.failed.append("the guest stopped before the end")
    return row


def report(rows: list[Row]) -> bool:
    """Print the table; True when nothing failed."""
    print(f"{'kernel':9}{'arch':8}{'part':5}{'passed':>7}{'failed':>7}{'skipped':>8}{'s':>6}")
    for row in rows:
        print(
            f"{row.kernel:9}{row.arch:8}{row.part:5}{row.passed:7}{len(row.failed):7}"
            f"{row.skipped:8}{row.seconds:6.0f}  {'; '.join(row.notes)}"
        )
        for name in row.failed[:20]:
            print(f"    FAILED {name}")
    return not any(row.failed for row in rows) and bool(rows)


def run_part(host: Guest, part: str, args: argparse.Namespace) -> Row:
    """Boot once."""
    if part == "a":
        programs = args.build / "vm" / "bin" / MACHINES[host.arch].isa
        jobs = part_a(args.seed, args.fuzz, args.only, {path.name for path in programs.iterdir()})
    else:
        make(*inside.prepare(part))
        if part == "c":
            print(f"{inside.compile_closures()} of upstream's closure tests pass here", flush=True)
        jobs = inside.jobs_of(part)
    packed = initramfs(host, args.build, jobs, part)
    outcome = boot(
        MACHINES["debug" if host.kernel == "debug" else host.arch],
        host.image,
        packed,
        jobs,
        log=host.out / f"{part}.log",
        label=f"{host.kernel} {host.arch} {part}",
        share="/" if part != "a" else "",
        # Without ACPI the timer's way through the I/O APIC is not known.
        append="noapic" if host.kernel == "debug" else "",
    )
    row = judge(Row(host.kernel, host.arch, part), outcome)
    row.notes.insert(0, outcome.kernel.split()[0] if outcome.kernel else "no kernel said a word")
    return row


def main() -> int:
    """Boot the kernels that were asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--kernel", choices=["6.1", "6.12", "newest", "debug"])
    parser.add_argument("--arch", choices=[name for name in MACHINES if name != "debug"])
    parser.add_argument("--parts", default="")
    parser.add_argument("--only", default="", help="selftests with this name; or: fuzz, bench")
    parser.add_argument("--fuzz", type=int, default=10, help="seconds of fuzzing")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0: another every time")
    args = parser.parse_args()
    args.build = args.build.resolve()
    chosen = [
        (kernel, arch, args.parts or parts)
        for kernel, arch, parts in (*ALL, ("debug", "x86_64", "a"))
        if (kernel == args.kernel if args.kernel else kernel != "debug")
        if arch == (args.arch or arch)
    ]
    if not chosen and args.kernel:  # what is not run by default
        chosen = [(args.kernel, args.arch or "x86_64", args.parts or "a")]
    rows: list[Row] = []
    try:
        for kernel, arch, parts in chosen:
            need(MACHINES[arch])
            make(f"vm-programs-{MACHINES[arch].isa}")
            host = guest(kernel, arch, args.build)
            for part in parts:
                row = run_part(host, part, args)
                rows.append(row)
                print(
                    f"{kernel} {arch} {part}: {row.passed} passed, {len(row.failed)} failed "
                    f"({host.out / part}.log)",
                    flush=True,
                )
    except BrokenError as error:
        print(error, file=sys.stderr)
        report(rows)
        return 1
    except (CannotRunError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        report(rows)
        return 2
    return 0 if report(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
