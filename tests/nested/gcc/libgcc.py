# SPDX-License-Identifier: MIT
"""libgcc - nested functions with a libgcc that patches/gcc was applied to: nothing is preloaded.

    python3 -m tests.nested.gcc.libgcc BUILD

In the root with GCC 14, after patches/gcc/build.sh has left two builds of libgcc below
BUILD/libgcc, `stock` and `patched`. Both export the same names and versions. Programs of this
folder and GCC's own tests run with either, plainly and under PR_SET_MDWE, where stock's die.
Others are linked with -static-libgcc and -static. C++ exceptions go through frames of C that have
pointers.

Prints a line for each, as run.py does. Exit status 1 if one is not as it should be.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Callable

from tests.nested.gcc import run, suite

LIBGCC = run.BUILD / "libgcc"
VARIANTS = ("stock", "patched")
EXCEPTIONS = suite.Test(run.HERE / "exceptions.cc", "C++", ())


def exports(variant: str) -> set[str]:
    """Every name that libgcc_s.so.1 defines, with its version."""
    _, said = run.run(["nm", "-D", "--defined-only", str(LIBGCC / variant / "libgcc_s.so.1")])
    return {line.split()[-1] for line in said.splitlines()}


def same_exports() -> list[run.Line]:
    """A distribution can put one in the place of the other."""
    line = run.Line("libgcc_s.so.1 exports the same")
    stock, patched = exports("stock"), exports("patched")
    differ = sorted(stock ^ patched)
    for name in sorted(stock & patched):
        line.count(name, "")
    for name in differ or ([] if stock else ["nothing at all"]):
        line.count(name, "only one has it")
    return [line]


def shared(tests: list[suite.Test], name: str, level: str) -> list[run.Line]:
    """Each program compiled once, run with either libgcc_s.so.1, plainly and under MDWE."""
    ways = {
        (variant, policy): run.Line(f"x86_64 {name} {level} {variant} libgcc {policy}")
        for variant in VARIANTS
        for policy in ("plain", "MDWE")
    }
    for (variant, policy), line in ways.items():
        line.is_judged = variant == "patched" or not name.startswith("GCC")
        line.expected_to_fail = (variant, policy) == ("stock", "MDWE")
    for test in tests:
        program = run.BUILD / "programs" / f"libgcc-{name}{level}" / test.path.stem
        # Ada's and Fortran's drivers may choose the archive; the shared library is what is tested.
        why = run.compile_one(run.NATIVE, test, [level, "-shared-libgcc"], program)
        for (variant, policy), line in ways.items():
            command = ["env", f"LD_LIBRARY_PATH={LIBGCC / variant}", str(program)]
            if policy == "MDWE":
                command = [*run.MDWE, *command]
            line.count(test.name, why or run.run(command, program.parent)[0])
    return list(ways.values())


def archives(how: str) -> list[run.Line]:
    """C linked with the patched archives, under MDWE."""
    line = run.Line(f"x86_64 own programs -O2 patched libgcc {how} MDWE")
    for test in (run.OWN[0], run.COROUTINES):
        program = run.BUILD / "programs" / f"libgcc-{how}" / test.path.stem
        why = run.compile_one(run.NATIVE, test, ["-O2", f"-B{LIBGCC / 'patched'}", how], program)
        line.count(test.name, why or run.run([*run.MDWE, str(program)], program.parent)[0])
    return [line]


def exceptions() -> list[run.Line]:
    """C++ throws from a callback that a C function with nested functions called."""
    line = run.Line("x86_64 exceptions through nested functions, patched libgcc MDWE")
    folder = run.BUILD / "programs" / "libgcc-exceptions"
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-fexceptions", run.HEAP]
    commands = [
        ["gcc", *flags, "-c", str(run.HERE / "thrown_over.c"), "-o", "thrown_over.o"],
        ["g++", "-O2", str(EXCEPTIONS.path), "thrown_over.o", "-o", "exceptions"],
        [*run.MDWE, "env", f"LD_LIBRARY_PATH={LIBGCC / 'patched'}", str(folder / "exceptions")],
    ]
    why = ""
    for command in commands:
        why = why or run.run(command, folder)[0]
    line.count(EXCEPTIONS.name, why)
    return [line]


def main() -> int:
    tests = suite.tests(suite.unpack(run.BUILD / "gcc-14"))
    jobs: list[Callable[[], list[run.Line]]] = [same_exports, exceptions]
    for level in ("-O0", "-O2"):
        jobs.append(partial(shared, run.OWN, "own programs", level))
        for language in ("C", "Ada", "Fortran"):
            some = [test for test in tests if test.language == language]
            jobs.append(partial(shared, some, f"GCC's {language} tests", level))
    jobs += [partial(archives, how) for how in ("-static-libgcc", "-static")]
    lines = [line for job in jobs for line in run.show(job())]
    return 0 if all(line.is_good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
