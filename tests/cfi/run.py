# SPDX-License-Identifier: MIT
"""run - closures under enforced control-flow integrity, and mistakes that must be caught.

Runs inside a root that root.sh makes; BUILD is make's::

    python3 -B -m tests.cfi.run BUILD x86_64|aarch64|riscv64

* x86_64: shadow stacks and IBT, in Bochs, on Debian's kernel 6.12. Linux knows shadow stacks; for
  IBT the program sets the processor's bits (enforce.h).
* aarch64: BTI, PAC and GCS, in qemu-user.
* riscv64: Zicfilp and Zicfiss, in QEMU, on Debian's newest kernel.

Every mistake is made again where nothing is enforced, and must pass unnoticed there. Otherwise it
would be another mistake than the one that enforcement catches. Exit status: 0 when all was as it
should be, 1 when something was not, 2 when a guest could not be made.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.cfi import programs
from tests.support import process
from tests.support.machine import (
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    Outcome,
    boot,
    debian_kernel,
    follow,
    fresh_folder,
    kernel_modules,
    pack,
    run,
    write_jobs,
)

LIMIT = 300
NONE, STACK, PADS, BOTH = "none", "stack", "pads", "stack,pads"
MAPPED = ("text", "file", "memfd")
#: What a program whose main() is wrapped says at its end (main.c).
END = "enforced to the end"
#: SEGV_CPERR; SIGILL is of AArch64 alone.
SEGV, ILL, UNNOTICED = "signal 11 code 10", r"signal 4 code \d", "unnoticed"


@dataclass(frozen=True)
class Try:
    """One program that is run, and what its last line must be."""

    what: str
    words: str  # as /jobs has them
    says: str = ".*"
    status: int = 0


def one(program: str, enforced: str, provider: str, mode: str, says: str) -> Try:
    """Run cfi.c's program once."""
    words = f"FFI_STATIC_PROVIDER={provider} /{program} {enforced} {mode}"
    says = says if program.startswith("libffi") else f"{provider}: {says}"
    status = 3 if "signal" in says else 0
    return Try(f"{program}, {provider}, {enforced}: {mode}", words, says, status)


def serves(program: str, enforced: str, provider: str, rows: int, hops: int) -> list[Try]:
    """Calls, rows of the benchmark, and hops."""
    calls = 255 if provider == "resident" else 600
    modes = {"calls": calls, "rows": rows, "hops": hops}
    if program.startswith("libffi"):
        del modes["hops"]
    return [
        one(program, enforced, provider, mode, f"{n} of {n} {mode}") for mode, n in modes.items()
    ]


def serve_all(
    programs: list[str], enforced: str, providers: tuple[str, ...], rows: int, hops: int
) -> list[Try]:
    """The same with each provider, and nested functions."""
    tries = [
        t
        for provider in providers
        for program in programs
        if not (program.startswith("libffi") and provider == "resident")
        for t in serves(program, enforced, provider, rows, hops)
    ]
    right = "20 of 20 nested functions"
    return [*tries, Try(f"ours, {enforced}: nested", f"/ours {enforced} nested", right)]


def pairs(enforced: str) -> Try:
    """Hops with each pair of registers: a test that is linked with the shared library."""
    what = f"shared library, {enforced}: each pair of registers"
    return Try(what, f"/hop {enforced} every_pair_of_registers", END)


def thrown(enforced: str) -> list[Try]:
    """Exceptions and backtraces through closures of the shared library."""
    return [
        Try(f"shared library, {enforced}: exceptions", f"/unwind {enforced} throw all", END),
        Try(f"shared library, {enforced}: backtraces", f"/unwind {enforced} backtrace all", END),
    ]  # fmt: skip


def judge(tries: list[Try], outcomes: list[tuple[int | None, str]]) -> bool:
    """Print a line for each; True when all are as they should be."""
    good = 0
    for wanted, (status, said) in zip(tries, outcomes):
        lines = said.strip().splitlines()
        last = lines[-1].strip() if lines else ""
        right = status == wanted.status and re.fullmatch(wanted.says, last) is not None
        good += right
        print(f"{'ok' if right else 'FAILED':8}{wanted.what:56}{last or status}", flush=True)
        if not right:
            print(f"        status {status}, not {wanted.status}; the line must be: {wanted.says}")
            print(*(f"        | {line}" for line in lines[-12:]), sep="\n")
    print(f"{good} of {len(tries)} as they should be", flush=True)
    return good == len(tries)


def check_marks(kit: programs.Kit, files: list[str], archives: list[str], wanted: str) -> bool:
    """Print a line on the mark of each; True when all have it."""
    found = [(f"mark of {Path(path).name}", kit.marks(path)) for path in files]
    found += [(f"mark of the objects of {path[path.index('lib'):]}", kit.marks_of_objects(path))
              for path in archives]  # fmt: skip
    for what, said in found:
        print(f"{'ok' if said == wanted else 'FAILED':8}{what:56}{said}", flush=True)
    return all(said == wanted for _, said in found)


def judge_guest(outcome: Outcome, before: int, tries: list[Try]) -> bool:
    """Judge a guest, whose first jobs prepared it."""
    print(f"{outcome.kernel}; {outcome.seconds:.0f} s", flush=True)
    prepared = all(job.status == 0 for job in outcome.jobs[:before])
    said = [(job.status, "\n".join(job.output)) for job in outcome.jobs[before:]]
    good = judge(tries, said)
    if not prepared or not outcome.done or outcome.splats:
        print("The guest did not come up, did not end, or complained:", *outcome.splats, sep="\n")
        return False
    return good


# ---- x86-64 in Bochs


def x86_tries(libffis: list[str]) -> list[Try]:
    everywhere = ("resident", *MAPPED, "trampfd")
    tries = []
    for enforced in (STACK, BOTH):
        tries += serve_all(["ours", *libffis], enforced, everywhere, rows=18, hops=9)
        tries += serves("shared", enforced, "resident", rows=18, hops=9)
        tries += serves("shared", enforced, "file", rows=18, hops=9)
    tries += [pairs(STACK), *thrown(STACK)]
    tries += [
        Try("nested, shared library, stack: exceptions", "/thrown stack", END),
        Try("Python, stack", "/python stack -S /callbacks.py", END),
    ]
    for provider in everywhere:
        tries.append(one("ours", PADS, provider, "pad", SEGV))
        tries += [one("ours", kind, provider, "pad", UNNOTICED) for kind in (STACK, NONE)]
    for enforced, ends in ((PADS, SEGV), (NONE, UNNOTICED)):
        tries.append(one("ours", enforced, "resident", "entry", ends))
    for program in ("ours", *libffis):
        for enforced, ends in ((STACK, SEGV), (NONE, UNNOTICED)):
            tries.append(one(program, enforced, "file", "return", ends))
    return tries


def bochs(out: Path, kernel: Path, packed: Path) -> list[str]:
    """Make a disk that boots; the command that boots it, whose output is the guest's console."""
    disk = fresh_folder(out / "disk")
    (disk / "boot/grub").mkdir(parents=True)
    shutil.copy(kernel, disk / "kernel")
    shutil.copy(packed, disk / "initrd")
    (disk / "boot/grub/grub.cfg").write_text(
        "set timeout=0\nmenuentry guest {\n"
        "linux /kernel console=ttyS0 panic=-1 loglevel=3 nowatchdog no_timer_check tsc=reliable\n"
        "initrd /initrd\n}\n"
    )
    run("grub-mkrescue", "grub-mkrescue", "-o", str(out / "disk.iso"), str(disk))
    (out / "bochsrc").write_text(
        "megs: 1024\n"
        "cpu: model=tigerlake, count=1, ips=50000000, reset_on_triple_fault=0\n"
        "romimage: file=/usr/share/bochs/BIOS-bochs-latest\n"
        "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n"
        f"ata0-master: type=cdrom, path={out}/disk.iso, status=inserted\n"
        "boot: cdrom\nspeaker: enabled=0\n"
        "com1: enabled=1, mode=file, dev=/dev/stdout\n"
        'display_library: rfb, options="timeout=0"\n'
        f"log: {out}/bochs.log\n"
    )
    return ["bochs", "-q", "-f", str(out / "bochsrc")]


def x86_64(build: Path, out: Path) -> bool:
    kit = programs.native(build, out)
    kit.ours("ours")
    libffis, archives = [], []
    for suite in ("trixie", "newest"):
        folder = build / "libffi" / suite
        libffis.append(f"libffi-{(folder / 'version').read_text().strip()}")
        kit.libffi(libffis[-1], folder / "cet")
        archives.append(str(folder / "cet/lib/libffi.a"))
    good = check_marks(kit, kit.shared_libraries, archives, "IBT, SHSTK")
    kit.ours_shared("shared")
    kit.shared()
    nested = [ROOT / f"tests/nested/gcc/{name}" for name in ("exceptions.cc", "thrown_over.c")]
    kit.wrapped("thrown", nested, "-fexceptions", "-ftrampoline-impl=heap",
                kit.lib("libffi_static-nested.so.0"))  # fmt: skip
    top = fresh_folder(out / "root")
    programs.python(kit, top)
    dynamic = ["shared", "hop", "unwind", "thrown", "python"]
    programs.with_libraries(top, [kit.out / name for name in dynamic], out / "lib")
    for name in ("ours", *libffis, *dynamic):
        run("strip", "strip", "-o", str(top / name), str(kit.out / name))
    kit.cc("-static", "-o", str(top / "init"), str(ROOT / "tests/support/init.c"))
    shutil.copy(build / "kmod/6.12-x86_64/trampfd.ko", top)
    kernel, modules = debian_kernel("6.12", "x86_64")
    before = [Job("insmod /trampfd.ko", 60), *kernel_modules(("msr",), modules, top)]
    tries = x86_tries(libffis)
    jobs = [*before, *(Job(t.words, LIMIT) for t in tries)]
    write_jobs(jobs, top)
    words = bochs(out, kernel, pack(top, out / "initramfs.gz"))
    outcome = follow(words, jobs, log=out / "log", label="Bochs")
    return judge_guest(outcome, len(before), tries) and good


# ---- AArch64 in qemu-user

#: Processors: with all, whose signatures' cipher is one of QEMU's own, which is quick; with all but
#: signatures; and with neither these nor landing pads.
SIGNS, DOES_NOT_SIGN, OLD = "max,pauth-impdef=on", "max,pauth=off", "cortex-a72"


def aarch64_tries() -> list[tuple[str, Try]]:
    """Each with the processor that it is for. Landing pads are a matter of how pages are mapped.

    So "pads" asks for nothing, but has the program see at its end that they are enforced.
    """
    everywhere = ("resident", "file", "memfd")
    tries = []
    for enforced in (PADS, BOTH):
        tries += serve_all(["ours", "libffi"], enforced, everywhere, rows=18, hops=10)
        tries += thrown(enforced)
    # Not with the shadow stack: the probe returns by other registers than x30.
    tries.append(pairs(PADS))
    tries += [one("ours", NONE, provider, "pad", ILL) for provider in everywhere]
    tries.append(one("ours", NONE, "resident", "entry", ILL))
    tries += [one(program, NONE, "file", "return", ILL) for program in ("ours", "libffi")]
    unsigned = [
        one(program, enforced, "file", "return", ends)
        for program in ("ours", "libffi")
        for enforced, ends in ((STACK, SEGV), (NONE, UNNOTICED))
    ]
    # For such a processor QEMU refuses PROT_BTI, which Linux ignores; so no table is mapped.
    old = [one("ours", NONE, "resident", mode, UNNOTICED) for mode in ("pad", "entry", "return")]
    groups = ((SIGNS, tries), (DOES_NOT_SIGN, unsigned), (OLD, old))
    return [
        (cpu, replace(t, what=f"{t.what} ({cpu.split(',')[-1]})"))
        for cpu, group in groups
        for t in group
    ]


def aarch64(build: Path, out: Path) -> bool:
    kit = programs.cross("aarch64", build, out, "-mbranch-protection=standard",
                         ("-Wl,-z,force-bti", "-Wl,-z,bti-report=none"))  # fmt: skip
    libffi = kit.build / "libffi/newest/patched"
    files = [*kit.shared_libraries, str(libffi / "lib/libffi.so.8")]
    good = check_marks(kit, files, [], "BTI, PAC, GCS")
    kit.ours("ours", *kit.link)
    kit.libffi("libffi", libffi)
    kit.shared()
    found = aarch64_tries()
    outcomes: list[tuple[int | None, str]] = []
    for cpu, wanted in found:
        words = wanted.words.split()
        setting = dict([words.pop(0).split("=")]) if "=" in words[0] else {}
        command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", cpu]
        command += [f"{kit.out}{words[0]}", *words[1:]]
        done = process.run(command, status=None, env={**setting, "FS_TEST_EMULATED": "1"})
        outcomes.append((done.returncode, done.stdout + done.stderr))
    return judge([wanted for _, wanted in found], outcomes) and good


# ---- RISC-V in QEMU


def riscv64_tries() -> list[Try]:
    everywhere = ("resident", *MAPPED)
    tries = []
    for enforced in (NONE, PADS, STACK, BOTH):
        tries += serve_all(["ours", "libffi"], enforced, everywhere, rows=17, hops=9)
    for provider in everywhere:
        for enforced, ends in ((PADS, SEGV), (STACK, UNNOTICED), (NONE, UNNOTICED)):
            tries.append(one("ours", enforced, provider, "pad", ends))
    for enforced, ends in ((PADS, SEGV), (NONE, UNNOTICED)):
        tries.append(one("ours", enforced, "resident", "entry", ends))
    for program in ("ours", "libffi"):
        for enforced, ends in ((STACK, SEGV), (NONE, UNNOTICED)):
            tries.append(one(program, enforced, "file", "return", ends))
    return tries


RISCV_MARKS = "CFI_LP_UNLABELED, CFI_SS"


def without_mark(archive: Path, wanted: str) -> list[str]:
    """Name the objects of an archive that have not these marks."""
    said = process.output(["riscv64-linux-gnu-readelf", "-nW", archive])
    parts = re.split(r"^File: .*\((.*)\)$", said, flags=re.MULTILINE)[1:]
    return [name for name, text in zip(parts[::2], parts[1::2]) if wanted not in text]


def riscv64(build: Path, out: Path) -> bool:
    kit = programs.cross("riscv64", build, out,
                         "-march=rv64gc_zicfilp_zicfiss -fcf-protection=full", ())  # fmt: skip
    libffi = kit.build / "libffi/newest/patched"
    good = check_marks(kit, [], kit.archives, RISCV_MARKS)
    unmarked = without_mark(libffi / "lib/libffi.a", RISCV_MARKS)
    is_theirs = unmarked == ["sysv.o"]  # libffi's own assembly
    print(f"{'ok' if is_theirs else 'FAILED':8}objects of libffi.a without marks: {unmarked}")
    good = good and is_theirs
    kit.ours("ours")
    kit.libffi("libffi", libffi)
    top = fresh_folder(out / "root")
    for name in ("ours", "libffi"):
        shutil.copy(kit.out / name, top)
    kit.cc("-static", "-o", str(top / "init"), str(ROOT / "tests/support/init.c"))
    tries = riscv64_tries()
    jobs = [Job(t.words, LIMIT) for t in tries]
    write_jobs(jobs, top)
    kernel, _ = debian_kernel("newest", "riscv64")
    cpu = ("-M", "virt", "-cpu", "max,zicfilp=on,zicfiss=on")
    outcome = boot(replace(MACHINES["riscv64"], options=cpu), kernel, pack(top, out / "initrd.gz"),
                   jobs, log=out / "log", label="QEMU")  # fmt: skip
    return judge_guest(outcome, 0, tries) and good


def main() -> int:
    """Run one architecture's; see the module's text."""
    build, isa = Path(sys.argv[1]).resolve(), sys.argv[2]
    out = build / "cfi" / isa
    out.mkdir(parents=True, exist_ok=True)
    todo = {"x86_64": x86_64, "aarch64": aarch64, "riscv64": riscv64}[isa]
    try:
        return 0 if todo(build, out) else 1
    except (CannotRunError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
