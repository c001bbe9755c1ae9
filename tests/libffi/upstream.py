# SPDX-License-Identifier: MIT
"""upstream - libffi's own testsuite after each patch of patches/libffi/upstream that adds a test.

libffi 3.8.0 is built as it is, with each patch alone, and with all of them ("all"). Its testsuite
runs on every build: the whole of it on this machine, the tests of closures and of threads on other
architectures (closures.py has the compilers and emulators). The release gets the patches' new
tests, too, so that the report says how each ends without its patch. ::

    python -m tests.libffi.upstream [--build build] [--arch aarch64] [--only 1 4 all] [--full]

Exit status: 0 when nothing fails with a patch that passes on the release and the patch's own test
passes; 1 when not; 2 when something could not be built or run, with the end of what it said.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import sys
from pathlib import Path

from tests.arch.closures import (
    BAD,
    Build,
    CannotRunError,
    closure_tests,
    compare,
    make_build,
    row,
    run,
)
from tests.arch.isas import ISAS, ROOT

PATCHES = {
    path.name[0]: path for path in sorted((ROOT / "patches/libffi/upstream").glob("[0-9]-*.patch"))
}
SUITE = "newest"
RELEASE, ALL = "release", "all"
ELSEWHERE = "closure.exp threads.exp"  # emulated, all of it would take hours


def new_tests(patch: Path) -> list[str]:
    """Name the tests that a patch adds, as dejagnu does: libffi.closures/name.c."""
    found = re.findall(
        r"^--- /dev/null\n\+\+\+ b/testsuite/(\S+)$", patch.read_text(), re.MULTILINE
    )
    if not found:
        raise CannotRunError(f"{patch} adds no test")
    return found


def source_tree(libffi: Path, out: Path, key: str) -> Path:
    """Give the release with one patch, with all, or with none but their tests, for configure."""
    tree = out / "source" / key
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(libffi / SUITE / "source", tree, symlinks=True)
    for patch in [PATCHES[key]] if key in PATCHES else PATCHES.values():
        # A new file is a part of its own in a patch.
        parts = re.split(r"^(?=diff --git )", patch.read_text(), flags=re.MULTILINE)[1:]
        (out / "part.patch").write_text(
            "".join(part for part in parts if key != RELEASE or "\n--- /dev/null\n" in part)
        )
        run("patch", ["patch", "-p1", "--fuzz=0", "-i", str(out / "part.patch")], tree)
    run("autoreconf", ["autoreconf", "-fi"], tree)
    return tree


def results(out: Path, arch: str, key: str, full: bool) -> dict[str, str]:
    """Build and test one source tree and give each test's outcome."""
    # To make_build() each is what has no series.
    build = Build(SUITE, arch, "stock", out / arch / key)
    make_build(build, out / "source" / key)
    return closure_tests(build, "", full, "" if arch == platform.machine() else ELSEWHERE)


def of(tests: dict[str, str], names: list[str]) -> dict[str, str]:
    """Choose the tests that come from some files."""
    return {name: status for name, status in tests.items() if name.startswith(tuple(names))}


def judge(release: dict[str, str], patched: dict[str, str], key: str) -> list[str]:
    """Say what speaks against a patch; the tests of the others are not in its tree."""
    every = [test for patch in PATCHES.values() for test in new_tests(patch)]
    own = new_tests(PATCHES[key]) if key in PATCHES else every
    others = of(release, [test for test in every if test not in own])
    wrong = compare({n: s for n, s in release.items() if n not in others}, patched)
    for test in own:
        ran = of(patched, [test]).values()
        if set(ran) != {"PASS"}:
            wrong.append(f"{test}: {', '.join(ran) or 'did not run'}")
    return wrong


def run_arch(out: Path, arch: str, version: str, keys: list[str], full: bool) -> list[str]:
    """Test the release and each patch on one architecture; what is wrong."""
    build = Build(SUITE, arch, "stock", out)
    release = results(out, arch, RELEASE, full)
    print(row(build, version, "release, new tests added", release), flush=True)
    wrong = []
    for key in keys:
        patched = results(out, arch, key, full)
        label, said = key, ""
        if key in PATCHES:
            label = PATCHES[key].stem
            before = of(release, new_tests(PATCHES[key])).values()
            said = "fails without" if BAD & set(before) else "passes without, too"
        print(f"{row(build, version, label, patched)}  {said}".rstrip(), flush=True)
        wrong += [f"{arch} {label}: {w}" for w in judge(release, patched, key)]
    return wrong


def main() -> int:
    """Run what is asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--arch", action="append", choices=tuple(ISAS), help="default: this one")
    parser.add_argument("--only", nargs="+", choices=(*PATCHES, ALL), help="patches' numbers")
    parser.add_argument("--full", action="store_true", help="every optimisation upstream tests")
    args = parser.parse_args()
    libffi, out = args.build.resolve() / "libffi", args.build.resolve() / "arch/upstream"
    keys = args.only or [*PATCHES, ALL]
    print(f"{'':13}{'libffi':8}{'':30}{'passed':>7}{'failed':>7}{'other':>7}", flush=True)
    wrong = []
    try:
        version = (libffi / SUITE / "version").read_text().strip()
        for key in (RELEASE, *keys):
            source_tree(libffi, out, key)
        for arch in args.arch or [platform.machine()]:
            wrong += run_arch(out, arch, version, keys, args.full)
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in wrong:
        print(line)
    print("A patch is worse than the release in the above." if wrong else "No test is worse.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
