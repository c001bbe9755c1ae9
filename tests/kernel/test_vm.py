# SPDX-License-Identifier: MIT
"""test_vm - the kernel module on Debian's 6.1 in an emulated machine; and that the judge can fail.

The short form of `make test-vm`: one kernel, the selftests and some seconds of fuzzing. It takes
QEMU and 80 MB of Debian's packages, and skips with the reason where there are none. What boots
the machine and counts is tried on planted output first: results that are missing, a splat in the
kernel's log, a module that does not unload must each be a failure.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess

import pytest

from tests.kernel.vm import run as vm
from tests.support.ctests import BUILD
from tests.support.machine import MACHINES, SPLAT, CannotRunError, Job, Outcome, need

GOOD = ["TAP version 13", "1..2", "ok 1 one", "# a remark", "ok 2 two # SKIP"]


def judged(output: list[str], status: int | None = 0, **outcome: object) -> vm.Row:
    job = Job("/selftests", 60, status=status, output=output)
    given = {"kernel": "6.1 x86_64 4096", "splats": [], "done": True, "seconds": 1.0, **outcome}
    return vm.judge(vm.Row("6.1", "x86_64", "a"), Outcome(jobs=[job], **given))  # type: ignore[arg-type]


def test_what_passed_and_was_skipped_is_counted() -> None:
    row = judged(GOOD)
    assert (row.passed, row.failed, row.skipped) == (1, [], 1)


def test_a_line_of_the_kernels_in_front_hides_no_result() -> None:
    assert judged([*GOOD[:2], "[    1.5] traps: x[1] ok 1 one", GOOD[4]]).failed == []


def test_a_test_that_failed() -> None:
    assert judged([*GOOD[:2], "not ok 1 one", GOOD[4]], status=1).failed == ["one"]


def test_a_plan_that_was_not_kept() -> None:
    assert "1 never ended" in judged(GOOD[:3]).failed[0]


def test_a_program_that_said_nothing() -> None:
    assert judged([], status=127).failed == ["/selftests: status 127"]


def test_a_program_that_was_killed_after_its_last_result() -> None:
    assert judged(GOOD, status=1011).failed == ["/selftests: status 1011"]


def test_a_job_that_did_not_end() -> None:
    assert judged(GOOD, status=None, done=False).failed == [
        "/selftests: did not end",
        "the guest stopped before the end",
    ]


def test_a_job_that_had_to_fail_and_did_not() -> None:
    job = Job("hop", 60, fails=True, status=0)
    row = vm.Row("6.1", "x86_64", "b")
    vm.judge_job(job, row)
    assert "must not" in row.failed[0]


@pytest.mark.parametrize(
    "line",
    [
        "[    5.1] WARNING: CPU: 0 PID: 1 at mm/memory.c:1 x+0x1/0x2 [trampfd]",
        "[    5.1] BUG: KASAN: slab-use-after-free in table_mmap+0x1/0x2",
        "[    5.1] WARNING: possible circular locking dependency detected",
        "[    5.1] BUG: sleeping function called from invalid context at mm/slab.h:1",
        "[    5.1] Kernel panic - not syncing: panic_on_warn set",
        "[    5.1] kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "# kmemleak: unreferenced object 0xffff888000000000 (size 64):",
    ],
)
def test_a_splat_is_a_failure(line: str) -> None:
    assert SPLAT.search(line)
    assert judged(GOOD, splats=[line]).failed == [f"the kernel said: {line}"]


@pytest.mark.parametrize(
    "name",
    [name for name, m in MACHINES.items() if m.compiler != "gcc" and not m.tools],
)
def test_a_machine_asks_for_its_compilers_c_library(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No compiler of Debian's depends on it, and without recommends nothing brings it."""
    asked: list[str] = []

    def ask(*_: object, **how: str) -> subprocess.CompletedProcess[str]:
        asked.extend(how["input"].splitlines())
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr("tests.support.machine.process.run", ask)
    need(MACHINES[name])
    triplet = MACHINES[name].compiler[:-4]
    (line,) = (line for line in asked if line.startswith(f"/usr/{triplet}/include/"))
    assert re.fullmatch(r"libc6-dev-[a-z0-9]+-cross", line.split("|")[1])


def test_a_program_that_dies_on_purpose_is_no_splat() -> None:
    assert not SPLAT.search("[    5.1] selftests[99]: segfault at 7f ip 00 sp 00 error 6 in x")


@pytest.mark.slow
def test_the_module_on_6_1() -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the guest's programs are built by this machine's compiler: x86-64 only here")
    machine = MACHINES["x86_64"]
    for program, package in ((machine.qemu, machine.package), ("cpio", "cpio")):
        if shutil.which(program) is None:
            pytest.skip(f"not installed: {program} (package {package})")
    args = argparse.Namespace(build=BUILD, seed=0, fuzz=5, only="")
    try:
        host = vm.guest("6.1", "x86_64", args.build)
    except (CannotRunError, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no kernel to boot: {str(error).strip().splitlines()[-1]}")
    vm.make("vm-programs-x86_64")
    row = vm.run_part(host, "a", args)
    assert row.failed == [], f"all that was said: {host.out / 'a.log'}"
    assert row.passed > 390
    assert row.skipped < 10
