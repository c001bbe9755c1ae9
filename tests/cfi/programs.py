# SPDX-License-Identifier: MIT
"""programs - what run.py runs: the library as make builds it, and programs linked with it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.machine import ROOT, fresh_folder, run

if TYPE_CHECKING:
    from pathlib import Path

HERE = ROOT / "tests/cfi"
ROWS = ("rows", "rows_scalar", "rows_struct", "rows_more", "signature")
SUPPORT = ("harness", "fs_test", "days", "fs_maps", "seccomp")
HEADERS = ("csrc/include", "bench/c", "tests/support", "tests/core/c")
WARN = ("-Wall", "-Wextra", "-Werror", "-Wno-psabi")
#: Calls of memory.c's functions stay calls, and their loops stay loops.
NO_BUILTINS = ("-fno-builtin", "-fno-tree-loop-distribute-patterns")


@dataclass(frozen=True)
class Kit:
    """How one architecture's programs are made."""

    isa: str
    build: Path  # has lib/
    out: Path
    gcc: str
    flags: tuple[str, ...]
    memory: bool  # the C library's string functions have no landing pads (memory.c)
    link: tuple[str, ...] = ()  # what a static program's landing pads take

    def lib(self, name: str) -> str:
        """Give the path of a library."""
        return str(self.build / "lib" / name)

    @property
    def archives(self) -> list[str]:
        """Give what our static programs are linked with."""
        return [self.lib("libffi_static-nested.a"), self.lib("libffi_static.a")]

    @property
    def shared_libraries(self) -> list[str]:
        """Give the same as shared libraries."""
        return [self.lib("libffi_static-nested.so.0"), self.lib("libffi_static.so.0")]

    def cc(self, *words: str, cxx: bool = False) -> None:
        """Run the compiler, as make does."""
        gcc = re.sub(r"gcc$", "g++", self.gcc) if cxx else self.gcc
        run(gcc, gcc, "-O2", "-g", "-pthread", *self.flags, *words)

    def compiled(self, program: str, source: Path, *words: str) -> str:
        """Compile a source of a program; the object's path."""
        made = str(self.out / f"{program}-{source.stem}.o")
        cxx = source.suffix == ".cc"
        standard = "-std=gnu++17" if cxx else "-std=gnu11"
        include = [f"-I{ROOT / path}" for path in (*HEADERS, f"tests/core/c/{self.isa}")]
        self.cc(standard, *words, *include, "-c", str(source), "-o", made, cxx=cxx)
        return made

    def closures(
        self, program: str, *link: str, macros: tuple[str, ...] = (), static: bool = True
    ) -> None:
        """Make cfi.c's program, with these libraries."""
        own = ("-Ddlsym=static_symbol", *WARN, *NO_BUILTINS, *macros)
        sources = [HERE / "cfi.c", *(ROOT / f"bench/c/{name}.c" for name in ROWS)]
        made = [self.compiled(program, source, *own) for source in sources]
        if "-DLIBFFI" not in macros:
            made.append(self.compiled(program, HERE / "nested.c", *own, "-ftrampoline-impl=heap"))
        if self.memory:
            macros = () if static else ("-DSHARED",)
            made.append(self.compiled(program, HERE / "memory.c", *NO_BUILTINS, *macros))
        options = ["-static", "-Wl,-z,muldefs"] if static else ["-rdynamic"]
        self.cc(*options, "-o", str(self.out / program), *made, *link, "-lm")

    def ours(self, program: str, *link: str) -> None:
        """Make it with the library."""
        self.closures(program, *link, *self.archives, "-lffi")

    def libffi(self, program: str, folder: Path) -> None:
        """Make it with a patched libffi."""
        macros = ("-DLIBFFI", f"-I{folder / 'include'}")
        self.closures(program, *self.link, str(folder / "lib/libffi.a"), macros=macros)

    def wrapped(self, program: str, sources: list[Path], *words: str) -> None:
        """Make a program of this tree, or Python, whose main() is main.c's."""
        macros = [word for word in words if word.startswith(("-D", "-f"))]
        made = [self.compiled(program, HERE / "main.c", *macros)]
        own = ("-fno-omit-frame-pointer", *macros)
        made += [self.compiled(program, source, *own) for source in sources]
        cxx = any(source.suffix == ".cc" for source in sources)
        wrap = ["-Wl,--wrap=main"] if sources else []
        self.cc(*made, *wrap, "-o", str(self.out / program), *words, cxx=cxx)

    def ours_shared(self, program: str) -> None:
        """Make it with the shared libraries."""
        self.closures(program, *self.shared_libraries, "-lffi", static=False)

    def shared(self) -> None:
        """Make tests that are linked with the shared library: hop and unwind."""
        so = [self.lib("libffi_static.so.0"), f"-Wl,-rpath,{self.build / 'lib'}", "-lffi", "-lm"]
        support = [ROOT / f"tests/support/{name}.c" for name in SUPPORT]
        self.wrapped("hop", [ROOT / "tests/core/c/hop.c", *support], *so)
        self.wrapped("unwind", [ROOT / "tests/unwind/unwind.cc"], "-rdynamic", *so)

    def marks(self, path: str) -> str:
        """Give what a linked file says that may be enforced in it."""
        readelf = re.sub(r"gcc$", "readelf", self.gcc)
        note = run(readelf, readelf, "-nW", path)
        found = re.search(r"(?:x86|AArch64|AND) feature: (.*)", note)
        return found[1].strip() if found else "no mark"

    def marks_of_objects(self, archive: str) -> str:
        """Give what all objects of an archive have in common, whatever the system's files have."""
        made = str(self.out / "objects")
        alone = ("-nostdlib", "-static", "-no-pie", "-Wl,--unresolved-symbols=ignore-all,-e,0")
        self.cc(*alone, "-o", made, "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive")
        return self.marks(made)


def native(build: Path, out: Path) -> Kit:
    """Make the library for this machine."""
    run("make lib", "make", "-s", "-j2", f"BUILD={out}", "lib", "nested")
    flags = ("-fcf-protection=full",)
    return Kit("x86_64", out, fresh_folder(out / "programs"), "gcc", flags, memory=True)


def cross(isa: str, build: Path, out: Path, flags: str, link: tuple[str, ...]) -> Kit:
    """Make the library, and libffi 3.8.0 without and with our patches, for another machine."""
    sid = build / "cfi/sid"
    made = sid / isa
    options = [f"ISA={isa}", f"BUILD={sid}", "CROSS_SUITE=newest", "MAKEINFO=true"]
    targets = ["lib", "nested", str(made / "libffi/newest/.patched")]
    run("make lib", "make", "-s", "-j2", *options, f"CFLAGS=-O2 -g {flags}", *targets)
    libffi = made / "libffi/newest/upstream"
    own = (*flags.split(), "-isystem", str(libffi / "include"), f"-L{libffi / 'archive'}")
    programs = fresh_folder(out / "programs")
    gcc = f"{isa}-linux-gnu-gcc"
    return Kit(isa, made, programs, gcc, own, isa == "riscv64", link)


def with_libraries(top: Path, programs: list[Path], search: Path) -> None:
    """Copy the libraries of dynamically linked programs to where they are looked for."""
    for program in programs:
        listed = run("ldd", "ldd", str(program), LD_LIBRARY_PATH=str(search))
        for path in re.findall(r"(/\S+) \(0x", listed):
            folder = top / ("lib64" if "ld-linux" in path else "usr/lib/x86_64-linux-gnu")
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)


PYTHON = "usr/lib/python3.13"
NOT_NEEDED = ("test", "idlelib", "tkinter", "config-*", "__pycache__", "ensurepip", "pydoc_data")


def python(kit: Kit, top: Path) -> None:
    """Make Python with main.c's main(), and copy the library that it takes, with our package."""
    where = kit.build / "python"
    run("setup.py", "python3", "setup.py", "-q", "build", "--build-base",
        str(kit.build / "python-build"), "--build-lib", str(where))  # fmt: skip
    flags = run("python3-config", "python3-config", "--includes", "--ldflags", "--embed").split()
    kit.wrapped("python", [], "-DPYTHON", *flags)
    shutil.copytree(f"/{PYTHON}", top / PYTHON, ignore=shutil.ignore_patterns(*NOT_NEEDED))
    packages = shutil.ignore_patterns("pip*", "setuptools*", "pkg_resources", "__pycache__")
    for folder in ("/usr/lib/python3/dist-packages", str(where)):
        shutil.copytree(folder, top / PYTHON, dirs_exist_ok=True, ignore=packages)
    shutil.copy(HERE / "callbacks.py", top)
