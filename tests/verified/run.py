# SPDX-License-Identifier: MIT
"""run - callbacks in a guest that runs verified code only, and what is refused there.

    python -m tests.verified.run [BUILD]

Boots Debian's 6.12 in an emulated machine (x86-64), on the image that image.py makes, twice. In the
first guest SELinux and IMA enforce: only files that are signed and that lie in the image may be
executed, and no other memory (policy.py, ima.policy). Each way around is tried and must be refused,
callbacks are made and called, and witness.c looks at every executable page of every process. In the
second guest nothing is enforced: the same ways must succeed there, and the witness must see each.

Exit status: 0 when all was as it should be, 1 when something was not, 2 when a guest could not be
made.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kernel import selinux
from tests.support.machine import (
    BUSYBOX,
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    Outcome,
    boot,
    debian_kernel,
    disk_start,
    need,
)
from tests.verified import policy

KERNEL = "6.12"
LIMIT = 300
WITNESS = "/verified/witness"
SEEN = "witness: "  # begins its lines
CLEAN = r"witness: .* (\d+) executable mappings: .* 0 else"
HAS = r"witness: .* has .*"
WRONG = 88  # its exit status when it saw anything else
ABORTED = 128 + 6
AVC = re.compile(r"avc:  denied  \{([\w ]+)\}.* tclass=(\w+) permissive=0")
IMA = re.compile(r"op=appraise_data cause=(\S+)")
#: Refusals are told on the console; /proc/pid/mem cannot write to what is not writable.
APPEND = "no_timer_check security=selinux selinux=1 vsyscall=none loglevel=6"
LOCKED = "proc_mem.force_override=never"


@dataclass(frozen=True)
class Try:
    """One program that is run, and what it must say."""

    what: str
    words: str  # as /jobs has them
    says: str  # a pattern of one line
    status: int = 0
    sees: str = CLEAN  # a pattern of one of the witness's lines


def attacks() -> list[str]:
    """Name each attack, as attacks.c lists them."""
    source = (ROOT / "tests/verified/attacks.c").read_text(encoding="ascii")
    return re.findall(r"^    ATTACK\((\w+)\),$", source, re.MULTILINE)


PYTHON = "/usr/bin/python3 -B /verified/callbacks.py"
PATCHED = "LD_LIBRARY_PATH=/verified/patched"


def stock() -> list[Try]:
    """What stock callbacks do where all code is verified."""
    nested = "/verified/nested-stack: Permission denied"
    return [
        Try("Debian's ctypes", f"{WITNESS} {PYTHON} ctypes", "ctypes: MemoryError: ", 1),
        Try("Debian's cffi", f"{WITNESS} {PYTHON} cffi", "cffi: MemoryError: Cannot .*", 1),
        Try("Debian's libffi", f"{WITNESS} /verified/closures-libffi", "closure 1: .*NULL.*", 1),
        Try("nested functions, libgcc's", f"{WITNESS} /verified/nested-libgcc", "", ABORTED),
        Try("nested functions on the stack", f"{WITNESS} /verified/nested-stack", nested, 126),
    ]


def mistaken() -> list[Try]:
    """What neither SELinux nor IMA refuse: who signs must look for it (image.py)."""
    words = f"{WITNESS} /verified/planted/executable-stack"
    says, sees = "pthread_create: Permission denied", r"witness: .* has rwxp \[stack\]"
    return [Try("an executable stack, signed all the same", words, says, WRONG, sees)]


def served() -> list[Try]:
    """What ours do."""
    right, all_right = "301 of 301 callbacks right", "1000 of 1000 closures right"
    drop_in = f"FFI_STATIC_INSTALL=require {WITNESS} {PYTHON}"
    tries = [
        Try("ffi_static.callback", f"{WITNESS} {PYTHON} api", f"api: {right}"),
        Try("ctypes, the drop-in", f"{drop_in} ctypes", f"ctypes: {right}"),
        Try("cffi, the drop-in", f"{drop_in} cffi", f"cffi: {right}"),
        Try("ctypes, patched libffi", f"{PATCHED} {WITNESS} {PYTHON} ctypes", f"ctypes: {right}"),
        Try("patched libffi", f"{PATCHED} {WITNESS} /verified/closures-libffi", all_right),
        Try("nested functions, ours", f"{WITNESS} /verified/nested",
            "600 of 600 nested functions right, a thread's too"),
        Try("C library", f"{WITNESS} /verified/closures", f"{all_right}; .*"),
    ]  # fmt: skip
    together = r"8 of 8 programs right"
    tries.append(Try("eight of them at once", f"{WITNESS} /verified/together", together))
    for provider in ("text", "file", "trampfd"):
        words = f"FFI_STATIC_PROVIDER={provider} {WITNESS} /verified/closures"
        tries.append(Try(f"C library, {provider}", words, f"{all_right}; 1000 by {provider}"))
    for provider, why in (("resident", "closure 257: .*"), ("memfd", "closure 1: .*memfd.*")):
        words = f"FFI_STATIC_PROVIDER={provider} {WITNESS} /verified/closures"
        tries.append(Try(f"C library, {provider}", words, why, 1))
    return tries


def enforced() -> list[Try]:
    """All that is tried where code is verified."""
    tries = [
        Try(f"attack: {name}", f"{WITNESS} /verified/attacks {name}", f"{name}: refused: .*")
        for name in attacks()
    ]
    return [*tries, *stock(), *mistaken(), *served()]


#: Attacks after which nothing is in memory but files' text; and those on what free() has not.
ON_FILES = {"program_without_signature", "program_that_was_changed", "program_signed_by_another",
            "library_without_signature", "library_that_was_changed", "library_later", "module",
            "system_written_to"}  # fmt: skip
ON_POLICIES = {"selinux_switched_off", "selinux_policy_of_its_own", "ima_policy_of_its_own",
               "key_of_its_own", "label_of_its_own"}  # fmt: skip


def free() -> list[Try]:
    """What must succeed where nothing is enforced, and what the witness must see then."""
    tries = []
    for name in attacks():
        status, sees = (1, CLEAN) if name in ON_FILES else (WRONG, HAS)
        if name not in ON_POLICIES:
            words = f"{WITNESS} /verified/attacks {name}"
            tries.append(Try(f"attack: {name}", words, f"{name}: done", status, sees))
    right, all_nested = "301 of 301 callbacks right", "600 of 600 nested functions right.*"
    closures = "1000 of 1000 closures right"
    tries += [
        Try("Debian's ctypes", f"{WITNESS} {PYTHON} ctypes", f"ctypes: {right}", WRONG, HAS),
        Try("Debian's cffi", f"{WITNESS} {PYTHON} cffi", f"cffi: {right}", WRONG, HAS),
        Try("Debian's libffi", f"{WITNESS} /verified/closures-libffi", closures, WRONG, HAS),
        Try(
            "nested functions, libgcc's",
            f"{WITNESS} /verified/nested-libgcc",
            all_nested,
            WRONG,
            HAS,
        ),
        Try(
            "nested functions on the stack",
            f"{WITNESS} /verified/nested-stack",
            all_nested,
            WRONG,
            HAS,
        ),
    ]
    return tries


def refusals(job: Job) -> list[str]:
    """Who refused, as the kernel said it."""
    said = "\n".join(job.output)
    found = [f"SELinux: {kind} {{ {rights.strip()} }}" for rights, kind in AVC.findall(said)]
    return list(dict.fromkeys(found + [f"IMA: {cause}" for cause in IMA.findall(said)]))


def judge(tries: list[Try], jobs: list[Job]) -> bool:
    """Print what each said; True when all said what they must."""
    good = True
    for wanted, job in zip(tries, jobs):
        said = [line for line in job.output if line.strip() and not line.startswith("[")]
        witness = [line for line in said if line.startswith(SEEN)]
        own = [line for line in said if not line.startswith(SEEN)]
        is_right = job.status == wanted.status
        is_right &= any(re.fullmatch(wanted.says, line) for line in own or [""])
        is_right &= any(re.fullmatch(wanted.sees, line) for line in witness)
        good &= is_right
        by = f" ({'; '.join(refusals(job))})" if refusals(job) else ""
        print(f"{'ok' if is_right else 'FAILED':8}{wanted.what}: {' / '.join(own)}{by}")
        if not is_right or wanted.sees != CLEAN or not wanted.what.startswith("attack"):
            print("\n".join(f"            {line}" for line in witness[:9]))
        if not is_right:
            print(f"            status {job.status}, wanted {wanted.status}: {wanted.says}")
    return good


def guest(build: Path, name: str, before: list[Job], tries: list[Try]) -> bool:
    """Boot and judge."""
    out = build / "verified" / name
    out.mkdir(exist_ok=True)
    image, modules = debian_kernel(KERNEL, "x86_64")
    jobs = [*before, *(Job(t.words, LIMIT) for t in tries)]
    is_locked = bool(before)
    packed = disk_start(modules, jobs, out, "/verified/lock /init" if is_locked else "/init")
    outcome: Outcome = boot(
        MACHINES["x86_64"],
        image,
        packed,
        jobs,
        log=out / "log",
        label=name,
        append=f"{APPEND} {LOCKED}" if is_locked else APPEND,
        disk=str(build / "verified/image"),
    )
    print(f"\n{name}: {outcome.kernel}; {outcome.seconds:.0f} s; the log is {out}/log")
    for job in before:
        print(f"{'ok' if job.status == 0 else 'FAILED':8}{job.words}: {' / '.join(job.output)}")
    good = judge(tries, jobs[len(before) :])
    if not outcome.done or outcome.splats:
        print("The guest did not end, or its kernel complained:", *outcome.splats, sep="\n")
    return good and outcome.done and not outcome.splats and not any(j.status for j in before)


def prepare(build: Path) -> None:
    """Make the policy and the image."""
    given = build / "verified/given"
    given.mkdir(parents=True, exist_ok=True)
    selinux.compile_policy(policy.text(), given / "selinux.policy")
    if subprocess.call(["bash", "tests/verified/root.sh", str(build.relative_to(ROOT))], cwd=ROOT):
        raise CannotRunError("the image could not be made")


def main() -> int:
    build = (ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")).resolve()
    try:
        need(MACHINES["x86_64"], selinux.CHECKPOLICY, BUSYBOX)
        prepare(build)
        good = guest(build, "enforced", [Job("/verified/enforce", 120)], enforced())
        good &= guest(build, "free", [], free())
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
