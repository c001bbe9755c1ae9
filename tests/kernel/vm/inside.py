# SPDX-License-Identifier: MIT
"""inside - the project's own tests and the patched libffi's, with provider trampfd, inside a guest.

On the host, this program builds everything that the guest runs, compiles upstream's closure tests,
keeps the output that each gives on the host, and lists the jobs. In the guest, it runs the programs
and prints the results as TAP. Every part begins with a test that must fail: without the module,
provider trampfd must not work. ::

    python -m tests.kernel.vm.inside core|closures FOLDER
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.machine import ROOT, CannotRunError, Job
from tests.support.process import run

BUILD = ROOT / "build"
SUITE = "bookworm"  # of the guest's and the host's C library alike
OPTIMIZATIONS = ("-O0", "-O2")
PROVIDER = "trampfd"
#: A chroot without /dev does not have the device.
CHOSEN = f"({PROVIDER})and(not(chroot))"
#: Programs of tests/core/c whose cases are all run on tables of the kernel's alone.
CORE = ("alloc", "api", "tables", "hop")
#: Says that the resident table comes first: not when the kernel is asked for by name.
NOT_OF_THE_KERNEL = {"the_first_closures_are_resident_and_then_others_follow"}


def prepare(part: str) -> list[str]:
    """Build on the host what the part needs, so that the guest only runs it."""
    if part == "b":
        slots = f"build/arch/{platform.machine()}/slots"  # no other reaches the device
        return ["lib", "package", "tests-c", "tests-bad-days", slots]
    return [f"build/libffi/{SUITE}/.patched"]


def python(*words: str) -> str:
    """Words of a job that runs this tree's Python in this tree."""
    return " ".join(["in", str(ROOT), ".venv/bin/python", *words])


def jobs_of(part: str) -> list[Job]:
    """Jobs of a part. The job without the module must fail."""
    chosen = f"FFI_STATIC_PROVIDER={PROVIDER}"
    pytest = ("-m", "pytest", "-q", "-p", "no:benchmark", "-p", "no:cacheprovider", "-mnot(slow)")
    jobs: list[Job] = []
    if part == "b":
        core = ("tests/core/test_core.py", "tests/arch/test_arch.py", "tests/core/test_bad_days.py")
        jobs += [
            Job(
                f"{chosen} {python('-m', 'tests.kernel.vm.inside', 'core', 'hop')}", 200, fails=True
            ),
            Job("insmod /trampfd.ko", 60),
            Job(f"{chosen} {python('-m', 'tests.kernel.vm.inside', 'core', *CORE)}", 900),
            Job(python(*pytest, *core, "-k", CHOSEN), 1200),
            Job(f"{chosen} {python(*pytest, 'tests/python', *leave_out())}", 5400),
        ]
    else:
        closures = python("-m", "tests.kernel.vm.inside", "closures")
        jobs += [
            Job(f"{chosen} {closures} cls_uint", 200, fails=True),
            Job("insmod /trampfd.ko", 60),
            Job(f"{chosen} {closures}", 1800),
        ]
    return [*jobs, Job("rmmod trampfd", 60)]


REFUSAL = "refusal_of_all_providers_gives_each_reason"


def leave_out() -> list[str]:
    """Python tests that cannot say anything in a guest, each with its reason."""
    files = {
        "test_dropin": "ctypes' own suites: hours, emulated",
        "test_run": "programs by the dozen, emulated",
        "test_run_startup": "the same",
        "test_build": "builds the package",
        "test_typing": "asks the type checker",
    }
    tests = {
        f"test_callback.py::test_case[{REFUSAL}]": "of the default order",
        "test_doctor.py::test_without_proc_it_says_so_and_exits_with_one": "below /proc is 9p's",
        "test_doctor.py::test_forced_provider_serves_every_callback[file]": "an overlay's st_dev",
    }
    return [
        *(f"--ignore=tests/python/{name}.py" for name in files),
        *(f"--deselect=tests/python/{name}" for name in tests),
    ]


# ---- upstream's closure tests: compiled here, run there


def folder() -> Path:
    """Where the compiled tests are."""
    return BUILD / "vm" / "closures"


def compile_closures() -> int:
    """Compile each test at each optimization against the patched libffi, and run it here once.

    The output of a program here must be its output in the guest. Gives the number of programs.
    """
    libffi = BUILD / "libffi" / SUITE
    sources = sorted((libffi / "source/testsuite/libffi.closures").glob("*.c*"))
    sources = [path for path in sources if path.suffix in {".c", ".cc"}]
    folder().mkdir(parents=True, exist_ok=True)
    for old in folder().iterdir():
        old.unlink()
    work = [(path, level) for path in sources for level in OPTIMIZATIONS]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: compile_one(libffi, *one), work))
    if sum(done) < 2 * len(done) // 3:
        raise CannotRunError(f"only {sum(done)} of {len(done)} closure tests pass on the host")
    return sum(done)


def compile_one(libffi: Path, source: Path, level: str) -> bool:
    """Compile and run one. A test that the host cannot compile or pass is left out, and counted."""
    program = folder() / f"{source.stem}{level}"
    compiler = "g++" if source.suffix == ".cc" else "gcc"
    command = [compiler, level, "-w", f"-I{libffi / 'include'}", f"-I{source.parent}"]
    command += [f"-I{config_folder(libffi)}"]
    command += [str(source), "-o", str(program), f"-L{libffi / 'lib'}", "-lffi", "-lm", "-pthread"]
    command += [f"-Wl,-rpath,{libffi / 'lib'}"]
    if run(command, status=None).returncode:
        return False
    status, said = execute(program)
    if status:
        program.unlink()
        return False
    program.with_suffix(".said").write_text(said)
    return True


def config_folder(libffi: Path) -> Path:
    """Where the patched tree's build has the header that the tests' own header includes."""
    found = sorted((libffi / "work/patched").glob("*/fficonfig.h"))
    if not found:
        raise CannotRunError(f"no */fficonfig.h in {libffi / 'work/patched'}: make libffi")
    return found[0].parent


def execute(program: Path, *words: str) -> tuple[int, str]:
    """Status and output of a program, with addresses left out."""
    done = run([program, *words], status=None, stderr=subprocess.STDOUT, timeout=300)
    return done.returncode, re.sub(r"0x[0-9a-f]+", "0x...", done.stdout)


# ---- in the guest


class Tap:
    """Prints results as TAP, each with its failure."""

    def __init__(self, planned: int) -> None:
        print(f"TAP version 13\n1..{planned}", flush=True)
        self.number = self.failed = 0

    def result(self, name: str, good: bool, said: str = "", skip: bool = False) -> None:
        """One test's."""
        self.number += 1
        self.failed += not good
        if not good:
            print("".join(f"# {line}\n" for line in said.splitlines()[-15:]), end="")
        how = "ok" if good else "not ok"
        print(f"{how} {self.number} {name}{' # SKIP' if skip else ''}", flush=True)


def run_core(programs: list[str]) -> int:
    """Every case of these programs, with the environment's provider."""
    found = [
        (program, case)
        for program in programs
        for case in re.findall(
            r"^CASE(?:_WITHOUT_AUDIT)?\((\w+)\)$",
            (ROOT / "tests/core/c" / f"{program}.c").read_text(),
            re.MULTILINE,
        )
        if case not in NOT_OF_THE_KERNEL
    ]
    tap = Tap(len(found))
    os.environ["FS_TEST_DIVIDE"] = "20"  # emulated
    for program, case in found:
        status, said = execute(BUILD / "tests/core/c" / program, case)
        tap.result(f"{program}:{case}", status in {0, 77}, said, skip=status == 77)
    return 1 if tap.failed else 0


def run_closures(names: list[str]) -> int:
    """Every compiled closure test whose name contains one of these; all, when there are none."""
    programs = sorted(path for path in folder().iterdir() if path.suffix != ".said")
    programs = [p for p in programs if not names or any(name in p.name for name in names)]
    tap = Tap(len(programs))
    for program in programs:
        status, said = execute(program)
        wanted = program.with_suffix(".said").read_text()
        tap.result(program.name, status == 0 and said == wanted, f"status {status}\n{said}")
    return 1 if tap.failed else 0


def main() -> int:
    """Run what the first word names."""
    what, *names = sys.argv[1:]
    return run_core(names) if what == "core" else run_closures(names)


if __name__ == "__main__":
    print(f"# {shlex.join(sys.argv)}")
    sys.exit(main())
