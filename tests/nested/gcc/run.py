# SPDX-License-Identifier: MIT
"""run - nested functions as GCC itself compiles them: libgcc's heap trampolines, and ours.

    python3 -m tests.nested.gcc.run BUILD [word...]

In a root with GCC 14 (root.sh). Programs of this folder and GCC's own tests (suite.py), in C, Ada
and Fortran, with -ftrampoline-impl=heap: as libgcc has it, and with libffi_static-nested preloaded
or linked; plainly, and under PR_SET_MDWE, which refuses memory that is writable and then
executable. Then the same for each architecture with a cross compiler, under qemu-user. Words
choose: only lines whose name has one of them are run.

Prints a table (BUILD/results.md, too). Exit status 1 if anything of ours failed, and if libgcc did
not show what the table says of it: then the comparison would no longer be true.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable

from tests.nested.gcc import suite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
PRELOAD = BUILD / "lib" / "x86_64-linux-gnu" / "lib" / "libffi_static-nested.so.0"
HEAP = "-ftrampoline-impl=heap"
MDWE = ("python3", "-I", str(ROOT / "tests/support/policies.py"), "mdwe")
LIBGCC, OURS = "libgcc", "ours"
TIMEOUT = 300
#: Frames may lie elsewhere than on the stack; a preloaded library comes before ASan's own.
ASAN = "detect_leaks=0:detect_stack_use_after_return=1:verify_asan_link_order=0"


@dataclass(frozen=True)
class Target:
    """An architecture: its compiler's prefix, and what runs its programs."""

    isa: str
    triple: str
    qemu: str = ""
    libgcc: bool = False  # libgcc has heap trampolines for it

    @property
    def runner(self) -> list[str]:
        lib = f"/usr/{self.triple}"
        if self.isa == "i686":  # this kernel runs its programs
            return [f"{lib}/lib/ld-linux.so.2", "--library-path", f"{lib}/lib:{self.lib}"]
        return [self.qemu, "-L", lib] if self.qemu else []

    @property
    def lib(self) -> Path:
        return BUILD / "lib" / self.triple / "lib"

    def tool(self, name: str) -> str:
        return f"{self.triple}-{name}"


NATIVE = Target("x86_64", "x86_64-linux-gnu", libgcc=True)
ELSEWHERE = (
    Target("aarch64", "aarch64-linux-gnu", "qemu-aarch64", libgcc=True),
    Target("i686", "i686-linux-gnu", libgcc=True),
    Target("arm", "arm-linux-gnueabihf", "qemu-arm"),
    Target("riscv64", "riscv64-linux-gnu", "qemu-riscv64"),
    Target("loongarch64", "loongarch64-linux-gnu", "qemu-loongarch64"),
    Target("powerpc64le", "powerpc64le-linux-gnu", "qemu-ppc64le"),
    Target("s390x", "s390x-linux-gnu", "qemu-s390x"),
)


@dataclass
class Line:
    """A line of the table: what was run, and how it ended."""

    name: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    expected_to_fail: bool = False
    is_judged: bool = True  # else the counts are for the reader

    def count(self, what: str, why: str) -> None:
        if why:
            self.failed.append(f"{what}: {why}")
        else:
            self.passed += 1

    @property
    def is_good(self) -> bool:
        if not self.is_judged:
            return True
        return bool(self.failed) if self.expected_to_fail else not self.failed and self.passed > 0


Job = tuple[str, Callable[[], list[Line]]]


def run(
    command: list[str], cwd: Path | None = None, preload: Path | None = None
) -> tuple[str, str]:
    """Run it: why it failed, or nothing; and what it printed."""
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "ASAN_OPTIONS": ASAN}
    if preload is not None:
        env["LD_PRELOAD"] = str(preload)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT} s", ""
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        return f"exit status {done.returncode}: {said[-200:]}", said
    return "", said


def compile_one(target: Target, test: suite.Test, options: list[str], to: Path) -> str:
    """Compile and link it; why that failed, or nothing."""
    common = [HEAP, *test.options, *options]
    folder = to.with_suffix(".dir")  # for what two tests may call alike: Fortran's modules
    folder.mkdir(parents=True, exist_ok=True)
    if test.language == "Ada":
        search = [f"-I{test.path.parent}"]
        flags = [o for o in common if not o.startswith("-l") and not o.startswith("-L")]
        links = [o for o in common if o.startswith(("-l", "-L", "-Wl"))]
        command = [
            target.tool("gnatmake-14"),
            "-q",
            "-f",
            *search,
            str(test.path),
            "-o",
            str(to),
            "-cargs",
            *flags,
        ]
        return run([*command, "-largs", *links], folder)[0]
    tool = "gfortran" if test.language == "Fortran" else "gcc"
    libs = [o for o in common if o.startswith(("-l", "-L"))]
    flags = [o for o in common if o not in libs]
    quiet = ["-w", "-pthread"] if test.language == "C" else ["-w"]
    command = [target.tool(tool), *quiet, *flags, str(test.path), "-o", str(to), *libs, "-lm"]
    return run(command, folder)[0]


def both_ways(
    tests: list[suite.Test],
    name: str,
    options: list[str],
    level: str,
    impls: tuple[str, ...] = (LIBGCC, OURS),
) -> list[Line]:
    """Here: each program compiled once, run with libgcc's and with ours, plain and under MDWE."""
    ways = {
        (impl, policy): Line(f"x86_64 {name} {level} {impl} {policy}")
        for impl in impls
        for policy in ("plain", "MDWE")
    }
    for (impl, policy), line in ways.items():
        # Of GCC's own tests some make no pointer that is left, and pass anyhow.
        line.is_judged = impl == OURS or not name.startswith("GCC")
        line.expected_to_fail = impl == LIBGCC and policy == "MDWE"

    def one(test: suite.Test) -> None:
        program = BUILD / "programs" / f"{name}{level}" / test.path.stem
        why = compile_one(NATIVE, test, [level, *options], program)
        for (impl, policy), line in ways.items():
            command = [*(MDWE if policy == "MDWE" else ()), str(program)]
            preload = PRELOAD if impl == OURS else None
            line.count(test.name, why or run(command, program.parent, preload)[0])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, tests))
    return list(ways.values())


def linked(target: Target, tests: list[suite.Test], name: str, level: str, how: str) -> list[Line]:
    """Each program linked with ours: shared, -static-libgcc with the archive, or fully static."""
    line = Line(f"{target.isa} {name} {level} {'' if how == LIBGCC else 'ours '}{how}")
    library = {"shared": "libffi_static-nested.so.0", LIBGCC: ""}.get(how, "libffi_static-nested.a")
    links = [f"-L{target.lib}", f"-l:{library}", f"-Wl,-rpath,{target.lib}"] if library else []
    links += {"static": ["-static"], "static-libgcc": ["-static-libgcc"]}.get(how, [])

    def one(test: suite.Test) -> None:
        program = BUILD / "programs" / f"{target.isa}-{name}{level}-{how}" / test.path.stem
        why = compile_one(target, test, [level, *links], program)
        runner = target.runner if how != "static" or target.qemu else []
        line.count(test.name, why or run([*runner, str(program)], program.parent)[0])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, tests))
    return [line]


def memory(level: str) -> Line:
    """What closures.c prints: how many mappings are writable and executable with ours (none)."""
    line = Line(f"x86_64 own programs {level} ours: no W+X mapping")
    program = BUILD / "programs" / f"own programs{level}" / "closures"
    why, said = run([str(program)], None, PRELOAD)
    line.count("closures.c", why or ("" if "right; 0 mappings" in said else said))
    return line


def stacks(level: str) -> Line:
    """Each program asks for a stack that is not executable (readelf's GNU_STACK)."""
    line = Line(f"x86_64 own programs {level}: stack RW, not RWE")
    for program in sorted((BUILD / "programs" / f"own programs{level}").iterdir()):
        if program.is_file() and program.read_bytes()[:4] == b"\x7fELF" and not program.suffix:
            said = run(["readelf", "-lW", str(program)])[1]
            stack = [words.split()[6] for words in said.splitlines() if "GNU_STACK" in words]
            line.count(program.name, "" if stack == ["RW"] else f"GNU_STACK is {stack}")
    return line


def afterwards(level: str) -> list[Line]:
    return [memory(level), stacks(level)]


def nothing_in_libgcc(target: Target) -> list[Line]:
    """Without ours, linking fails: the compiler's calls lead nowhere."""
    line = Line(f"{target.isa} own programs -O2 libgcc alone: does not link")
    test = suite.Test(HERE / "closures.c", "C", ())
    program = BUILD / "programs" / f"{target.isa}-alone" / "closures"
    why = compile_one(target, test, ["-O2"], program)
    line.count("closures.c", "" if "undefined reference to `__gcc_nested_func" in why else "links")
    return [line]


def build(target: Target) -> list[Line]:
    """The library of one architecture, by this root's compiler."""
    line = Line(f"{target.isa} make nested")
    folder = target.lib.parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".compiler").touch()  # a root has what is needed
    command = ["make", "-s", "-j2", "-C", str(ROOT), "nested", f"CC={target.tool('gcc')}"]
    line.count("make", run([*command, f"BUILD={folder}"])[0])
    return [line]


OWN = [
    suite.Test(HERE / "closures.c", "C", ()),
    suite.Test(HERE / "downward.adb", "Ada", ()),
    suite.Test(HERE / "contained.f90", "Fortran", ()),
]
#: libgcc's wrong answer: 6 7 7.
COROUTINES = suite.Test(HERE / "coroutines.c", "C", ())


def coroutines() -> list[Line]:
    lines = both_ways([COROUTINES], "coroutines", [], "-O2")
    lines[0].expected_to_fail = True
    return lines


def of_native(tests: list[suite.Test]) -> list[Job]:
    """What is run here: a name, and what gives its lines."""
    jobs: list[Job] = [("coroutines", coroutines)]
    for level in ("-O0", "-O1", "-O2", "-O3"):
        jobs.append((f"own {level}", partial(both_ways, OWN, "own programs", [], level)))
        jobs.append((f"own {level}", partial(afterwards, level)))
        for language in ("C", "Ada", "Fortran"):
            some = [test for test in tests if test.language == language]
            name = f"GCC's {language} tests"
            jobs.append((f"{name} {level}", partial(both_ways, some, name, [], level)))
    for name, option in (("CET", "-fcf-protection=full"), ("ASan", "-fsanitize=address")):
        jobs.append((name, partial(both_ways, OWN[:1], f"with {name}", [option], "-O1", (OURS,))))
    jobs += [
        (how, partial(linked, NATIVE, OWN, "own programs", "-O2", how))
        for how in ("shared", "static-libgcc", "static")
    ]
    return jobs


def of_other(target: Target, tests: list[suite.Test]) -> list[Job]:
    c = [test for test in tests if test.language == "C" and test.path.name not in NEED_HERE]
    rest = [test for test in tests if test.language != "C"]
    own = [OWN[0], COROUTINES]
    jobs: list[Job] = [("build", partial(build, target))]
    for level in ("-O0", "-O2"):
        jobs.append(("own", partial(linked, target, own, "own programs", level, "shared")))
        jobs.append(("C", partial(linked, target, c, "GCC's C tests", level, "shared")))
    others = partial(linked, target, OWN[1:], "own programs in Ada and Fortran", "-O2", "shared")
    theirs = partial(linked, target, rest, "GCC's Ada and Fortran tests", "-O2", "shared")
    jobs += [("Ada and Fortran", others), ("Ada and Fortran", theirs)]
    jobs.append(("static", partial(linked, target, own, "own programs", "-O2", "static")))
    if target.libgcc:
        jobs.append((LIBGCC, partial(linked, target, own[:1], "own programs", "-O2", LIBGCC)))
    else:
        jobs.append((LIBGCC, partial(nothing_in_libgcc, target)))
    return [(f"{target.isa} {name}", job) for name, job in jobs]


#: Tests that cannot be run elsewhere, whoever makes the pointers: profiles need libraries that
#: cross compilers lack.
NEED_HERE = {"nest.c", "nested-calls-1.c"}


def show(lines: list[Line]) -> list[Line]:
    """Print each line of the table, with what failed if that is wrong; give the lines."""
    for line in lines:
        bad = "" if line.is_good else "  WRONG"
        counts = f"{line.passed:4} passed {len(line.failed):4} failed"
        print("\n        ".join([f"{counts}  {line.name}{bad}", *(line.failed if bad else [])]))
    sys.stdout.flush()
    return lines


def main(words: list[str]) -> int:
    tests = suite.tests(suite.unpack(BUILD / "gcc-14"))
    jobs: list[Job] = [("build", partial(build, NATIVE)), *of_native(tests)]
    for target in ELSEWHERE:
        jobs += of_other(target, tests)
    lines: list[Line] = []
    for name, job in jobs:
        if name.endswith("build") or not words or any(word in name for word in words):
            lines += show(job())
    table = ["| what | passed | failed |", "|---|---:|---:|"]
    table += [f"| {line.name} | {line.passed} | {len(line.failed)} |" for line in lines]
    (BUILD / "results.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    return 0 if all(line.is_good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
