# SPDX-License-Identifier: MIT
"""closures - libffi's own closure tests on other architectures, on stock and on patched, compared.

libffi is cross-built from the sources that `make libffi` gets (build/libffi/<suite>/source), with
and without the series, and upstream's ``closure.exp`` runs under qemu-user. Patched, it runs three
times: with the providers in their order (which is the resident table, for so few closures), and
with only ``file`` and only ``memfd`` (where trampolines are function descriptors: with only
``descriptor``), so that every call goes through a mapped table; each time PROGRAMS run as well.
What this kernel runs without an emulator (i386 on x86-64) runs with only ``text``, too, and
PROGRAMS also under PR_SET_MDWE. On AArch64 one base is built once more with branch protection, and
its pages guarded (BTI). ::

    python -m tests.arch.closures [--build build] [--arch aarch64] [--suite newest] [--full]

Exit status: 0 when patched runs the same tests as stock and none fails that stock passes; 1 when
not; 2 when something could not be built or run, with the end of what it said.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.arch.isas import ISAS, ROOT
from tests.support import process

SERIES = ROOT / "patches" / "libffi"
#: This machine's own is `make test-libffi`'s.
ARCHES = tuple(name for name in ISAS if name != platform.machine())
SUITES = ("bookworm", "trixie", "newest")
#: Only where the programs run without an emulator: qemu-user cannot do it.
NATIVE_PROVIDERS = ("text",)
#: Run on each patched build besides: what upstream's testsuite does not look at.
PROGRAMS = ("tests/arch/raw.c", "tests/libffi/closures.c", "tests/libffi/silent.c")
#: The base whose own entries have landing pads is built with guarded pages too.
GUARDED = ("aarch64", "newest")
RESULT = re.compile(r"^([A-Z]+): (.*)$", re.MULTILINE)
BAD = {"FAIL", "XPASS", "UNRESOLVED", "ERROR"}


class CannotRunError(Exception):
    """Something could not be built or run; the message says what and how it ended."""


@dataclass(frozen=True)
class Build:
    """One cross-build of libffi."""

    suite: str
    arch: str
    variant: str  # stock, patched or guarded
    folder: Path

    @property
    def triple(self) -> str:
        """The GNU name of the target."""
        return ISAS[self.arch].triple

    def compiler(self, name: str) -> str:
        """Give the command that compiles and links a program, `name` being gcc or g++."""
        return " ".join((f"{self.triple}-{name}", *ISAS[self.arch].link))


def run(what: str, command: list[str], folder: Path, **env: str) -> str:
    """Run a command quietly and give its output; CannotRunError with the end of it otherwise."""
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    try:
        return process.output(
            ["nice", "-n", "10", *command], cwd=folder, env=env, timeout=None, **quiet
        )
    except process.ProcessError as error:
        end = "\n".join(str(error).splitlines()[-20:])
        raise CannotRunError(f"{end}\n{what} failed in {folder}; its end is above") from None


def source_tree(libffi: Path, out: Path, suite: str, patched: bool) -> Path:
    """Give libffi's source of one suite, with the series or without, ready for configure."""
    tree = out / suite / ("source-patched" if patched else "source-stock")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(libffi / suite / "source", tree, symlinks=True)
    if patched:
        version = (libffi / suite / "version").read_text().strip()
        run(
            "applying the series",
            ["quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0"],
            tree,
            QUILT_PATCHES=str(SERIES),
            QUILT_SERIES=str(SERIES / f"series.{version}"),
            QUILT_PC=".pc-ffi-static",
        )
    run("autoreconf", ["autoreconf", "-fi"], tree)
    return tree


def make_build(build: Build, tree: Path) -> None:
    """Configure and make one build."""
    shutil.rmtree(build.folder, ignore_errors=True)
    build.folder.mkdir(parents=True)
    options = [f"--host={build.triple}", "--disable-multi-os-directory", "--disable-docs"]
    options += [f"CC={build.compiler('gcc')}", f"CXX={build.compiler('g++')}"]
    if build.suite != "newest":  # as Debian configures those
        options.append("--disable-exec-static-tramp")
    if build.variant == "guarded":
        options.append("CFLAGS=-O2 -g -mbranch-protection=standard -mno-outline-atomics")
    said = run("configure", [str(tree / "configure"), *options], build.folder)
    served = re.search(r"closures from static tables\.\.\. (\w+)", said)
    if build.variant != "stock" and (served is None or served[1] != ISAS[build.arch].folder):
        raise CannotRunError(f"{build.folder}: configure does not serve {build.arch}")
    run("make", ["make", "-j2"], build.folder)
    if build.variant == "guarded":
        guard(build)


def guard(build: Build) -> None:
    """Link the library again, of libffi's own objects only, marked for BTI.

    The C library's start files and libgcc's atomics, which constructors reach by pointers, have no
    landing pads in Debian: a guarded library may contain none of them.
    """
    library = next(build.folder.glob(".libs/libffi.so.*.*.*"))
    command = [f"{build.triple}-gcc", "-shared", "-nostartfiles", "-o", str(library)]
    command += ["-Wl,-z,force-bti", "-Wl,--defsym=__dso_handle=0", "-Wl,-soname,libffi.so.8"]
    command += ["-Wl,--version-script=libffi.map", "-Wl,--whole-archive"]
    command += [".libs/libffi_convenience.a", "-Wl,--no-whole-archive"]
    run("linking for BTI", command, build.folder)


def is_guarded(build: Build) -> bool:
    """Tell whether the library asks for guarded pages (BTI in its property note)."""
    library = next(build.folder.glob(".libs/libffi.so.*.*.*"))
    return "BTI" in run("readelf", ["readelf", "-nW", str(library)], build.folder)


def closure_tests(
    build: Build, provider: str, full: bool, tests: str = "closure.exp"
) -> dict[str, str]:
    """Run closure.exp, or other tests ("": all); the outcome of each test by its name."""
    levels = {} if full else {"LIBFFI_TEST_OPTIMIZATION": "-O2"}
    chosen = {"FFI_STATIC_PROVIDER": provider} if provider else {}
    summary = build.folder / "testsuite" / "libffi.sum"
    summary.unlink(missing_ok=True)
    flags = f"--target_board=fs-qemu-user {tests}".strip()
    said = run(
        "make check",
        ["make", "-k", "-i", "check", f"RUNTESTFLAGS={flags}"],
        build.folder,
        DEJAGNU=str(ROOT / "tests/arch/boards/site.exp"),
        FS_CC=f"{build.triple}-gcc",
        FS_CXX=f"{build.triple}-g++",
        FS_EMULATOR=" ".join(ISAS[build.arch].runner),
        **levels,
        **chosen,
    )
    if not summary.exists():
        raise CannotRunError(f"{said[-2000:]}\n{build.folder}: runtest left no summary")
    results: dict[str, str] = {}
    for status, name in RESULT.findall(summary.read_text(errors="replace")):
        results[name if name not in results else f"{name} (again)"] = status
    if not any(s == "PASS" and "execution test" in name for name, s in results.items()):
        raise CannotRunError(f"{said[-2000:]}\n{build.folder}: not one test program ran")
    return results


def denier(out: Path) -> Path:
    """Build what runs a command under PR_SET_MDWE and the like, for this machine."""
    made = out / "deny"
    run("the compiler", ["gcc", "-O2", "-o", str(made), str(ROOT / "tests/libffi/deny.c")], out)
    return made


def programs(build: Build, provider: str, out: Path) -> list[str]:
    """Run PROGRAMS on a patched build, without an emulator also under PR_SET_MDWE; what fails."""
    bad = []
    chosen = {"FFI_STATIC_PROVIDER": provider} if provider else {}
    runner = ISAS[build.arch].runner
    launchers = [runner] if runner else [(), (str(denier(out)), "mdwe", "--")]
    for name in PROGRAMS:
        made = build.folder / Path(name).stem
        command = [*build.compiler("gcc").split(), *ISAS[build.arch].flags]
        command += ["-O2", "-Wall", "-Wextra", "-Werror"]
        command += ["-Iinclude", "-o", str(made), str(ROOT / name), "-L.libs", "-lffi"]
        run("the compiler", command, build.folder)
        for launcher in launchers:
            done = process.run(
                [*launcher, str(made)],
                status=None,
                env={**chosen, "LD_LIBRARY_PATH": str(build.folder / ".libs")},
            )
            if done.returncode:
                said = f"exit status {done.returncode}: {done.stderr.strip()}"
                bad.append(f"{' '.join(Path(word).name for word in launcher)} {name}: {said}")
    return bad


def row(build: Build, version: str, label: str, results: dict[str, str]) -> str:
    """One line of the table."""
    count = Counter(results.values())
    bad = sum(count[status] for status in BAD)
    other = len(results) - count["PASS"] - bad
    return f"{build.arch:13}{version:8}{label:30}{count['PASS']:7}{bad:7}{other:7}"


def compare(stock: dict[str, str], patched: dict[str, str]) -> list[str]:
    """What patched does worse, by name."""
    worse = [f"not run: {name}" for name in stock.keys() - patched.keys()]
    worse += [f"not in stock: {name}" for name in patched.keys() - stock.keys()]
    worse += [
        f"{status}: {name}"
        for name, status in patched.items()
        if status in BAD and stock.get(name) not in BAD
    ]
    return sorted(worse)


def judge(out: Path, libffi: Path, suite: str, arches: list[str], full: bool) -> list[str]:
    """Run one base on the given architectures and print its rows; give what is worse."""
    version = (libffi / suite / "version").read_text().strip()
    stock_tree = source_tree(libffi, out, suite, patched=False)
    patched_tree = source_tree(libffi, out, suite, patched=True)
    worse = []
    for arch in arches:
        stock = Build(suite, arch, "stock", out / suite / arch / "stock")
        make_build(stock, stock_tree)
        reference = closure_tests(stock, "", full)
        print(row(stock, version, "stock", reference), flush=True)
        more = () if ISAS[arch].runner else NATIVE_PROVIDERS
        providers = ("", *ISAS[arch].mapped)  # "": in their order
        runs = [("patched", provider) for provider in (*providers, *more)]
        runs += [("guarded", provider) for provider in providers if (arch, suite) == GUARDED]
        for variant, provider in runs:
            build = Build(suite, arch, variant, out / suite / arch / variant)
            if not provider:
                make_build(build, patched_tree)
                if variant == "guarded" and not is_guarded(build):
                    raise CannotRunError(f"{build.folder}: the library is not marked for BTI")
            label = variant + (f", only {provider}" if provider else "")
            results = closure_tests(build, provider, full)
            print(row(build, version, label, results), flush=True)
            found = compare(reference, results) + programs(build, provider, out)
            worse += [f"{arch} {version} {label}: {w}" for w in found]
    return worse


def here() -> list[str]:
    """Leave out those that root.sh runs elsewhere, and those whose programs nothing here runs."""
    return [
        name
        for name in ARCHES
        if not ISAS[name].missing() or (ISAS[name].qemu and not ISAS[name].root)
    ]


def main() -> int:
    """Run what is asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--arch", action="append", choices=ARCHES, help="default: those here")
    parser.add_argument("--suite", action="append", choices=SUITES, help="default: all")
    parser.add_argument("--full", action="store_true", help="every optimisation upstream tests")
    args = parser.parse_args()
    libffi = args.build.resolve() / "libffi"
    out = args.build.resolve() / "arch" / "libffi"
    head = f"{'':13}{'libffi':8}{'closure.exp':30}"
    print(f"{head}{'passed':>7}{'failed':>7}{'other':>7}", flush=True)
    worse = []
    try:
        for suite in args.suite or SUITES:
            worse += judge(out, libffi, suite, args.arch or here(), args.full)
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in worse:
        print(line)
    print("Patched is worse than stock in the above." if worse else "No test is worse than stock.")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
