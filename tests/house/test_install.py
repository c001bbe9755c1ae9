# SPDX-License-Identifier: MIT
"""test_install - `make install` as a packager and then a user of the library see it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import process
from tests.support.process import MAKE, make, output

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = r"""
#include <ffi_static.h>
#include <stdio.h>

static void add_one(ffi_cif *cif, void *ret, void **args, void *user_data)
{
    (void)cif, (void)user_data;
    *(ffi_sarg *)ret = *(int *)args[0] + 1;
}

int main(void)
{
    ffi_cif cif;
    ffi_type *types[] = {&ffi_type_sint};
    void *code;
    ffi_static_closure *closure = ffi_static_alloc(sizeof *closure, 0, &code);
    if (!closure || ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK ||
        ffi_static_prep(closure, &cif, add_one, NULL, 0) != 0) {
        fprintf(stderr, "%s\n", ffi_static_error());
        return 1;
    }
    printf("%d %s\n", ((int (*)(int))code)(41), ffi_static_version());
    return ffi_static_free(closure);
}
"""


def run(*command: str, **env: str) -> str:
    return output(command, without=MAKE, env=env)


@pytest.fixture(scope="module")
def prefix(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install under a prefix of its own; give the prefix."""
    there = tmp_path_factory.mktemp("install") / "usr"
    run("make", "-s", "-C", str(ROOT), "install", f"PREFIX={there}")
    return there


#: What GCC 14 makes of a nested function, by hand, for any compiler.
NESTED = r"""
#include <stdio.h>

void __gcc_nested_func_ptr_created(void *chain, void *func, void *dst);
void __gcc_nested_func_ptr_deleted(void);

static int add_one(int x)
{
    return x + 1;
}

int main(void)
{
    int (*pointer)(int);
    __gcc_nested_func_ptr_created(NULL, (void *)add_one, &pointer);
    printf("%d\n", pointer(41));
    __gcc_nested_func_ptr_deleted();
    return 0;
}
"""


def flags(tool: Any, prefix: Path, *options: str, package: str = "libffi_static") -> list[str]:
    config = run(tool("pkg-config"), *options, package, PKG_CONFIG_PATH=f"{prefix}/lib/pkgconfig")
    return config.split()


def test_installed_files_are_these_and_no_others(prefix: Path) -> None:
    installed = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if not p.is_dir()}
    assert installed == {
        "include/ffi_static.h",
        "lib/libffi_static.a",
        "lib/libffi_static.so",
        "lib/libffi_static.so.0",
        "lib/pkgconfig/libffi_static.pc",
        "lib/libffi_static-nested.a",
        "lib/libffi_static-nested.so",
        "lib/libffi_static-nested.so.0",
        "lib/pkgconfig/libffi_static-nested.pc",
    }
    assert (prefix / "lib/libffi_static.so").readlink() == Path("libffi_static.so.0")


def test_destdir_moves_the_files_but_not_what_they_say(library: Path, tmp_path: Path) -> None:
    stage = tmp_path / "a stage"
    run("make", "-s", "-C", str(ROOT), "install", "PREFIX=/usr", f"DESTDIR={stage}")
    pc = (stage / "usr/lib/pkgconfig/libffi_static.pc").read_text(encoding="utf-8")
    assert "prefix=/usr\n" in pc
    assert str(stage) not in pc
    assert "@" not in pc


def test_libdir_and_includedir_can_be_chosen(library: Path, tmp_path: Path) -> None:
    places = ("LIBDIR=/usr/lib/triplet", "INCLUDEDIR=/usr/include/fs")
    run("make", "-s", "-C", str(ROOT), "install", "PREFIX=/usr", f"DESTDIR={tmp_path}", *places)
    pc = (tmp_path / "usr/lib/triplet/pkgconfig/libffi_static.pc").read_text(encoding="utf-8")
    assert "libdir=/usr/lib/triplet\n" in pc
    assert "includedir=/usr/include/fs\n" in pc
    assert (tmp_path / "usr/include/fs/ffi_static.h").is_file()
    assert (tmp_path / "usr/lib/triplet/libffi_static.so.0").is_file()


def test_pkg_config_tells_the_version_of_the_header(tool: Any, prefix: Path) -> None:
    version = flags(tool, prefix, "--modversion")
    header = (prefix / "include/ffi_static.h").read_text(encoding="utf-8")
    words = [line.split() for line in header.splitlines() if "FFI_STATIC_VERSION_" in line]
    assert version == [".".join(number for _, _, number in words[:3])]


@pytest.mark.parametrize("linked", ["shared", "static"])
@pytest.mark.parametrize("compiler", ["gcc", "clang", "g++"])
def test_program_builds_with_pkg_config_and_runs(
    tool: Any, prefix: Path, tmp_path: Path, compiler: str, linked: str
) -> None:
    source = tmp_path / ("program.cc" if compiler == "g++" else "program.c")
    source.write_text(PROGRAM, encoding="utf-8")
    options = flags(tool, prefix, "--cflags", "--libs", *(["--static"] * (linked == "static")))
    if linked == "static":
        options = ["-l:libffi_static.a" if o == "-lffi_static" else o for o in options]
    program = tmp_path / "program"
    run(tool(compiler), "-Wall", "-Werror", "-o", str(program), str(source), *options)
    printed = run(str(program), LD_LIBRARY_PATH=str(prefix / "lib"))
    needs = run("readelf", "-dW", str(program))
    assert printed.startswith("42 0.")
    assert ("libffi_static.so.0" in needs) == (linked == "shared")


@pytest.mark.parametrize("linked", ["shared", "archive", "static"])
def test_nested_functions_build_with_pkg_config_and_run(
    tool: Any, prefix: Path, tmp_path: Path, linked: str
) -> None:
    source, program = tmp_path / "nested.c", tmp_path / "nested"
    source.write_text(NESTED, encoding="utf-8")
    package = "libffi_static-nested"
    options = flags(tool, prefix, "--libs", *(["--static"] * (linked != "shared")), package=package)
    if linked != "shared":
        options = [f"-l:{package}.a" if o == f"-l{package}" else o for o in options]
    options += ["-static"] * (linked == "static")
    run(tool("gcc"), "-Wall", "-Werror", "-o", str(program), str(source), *options)
    assert run(str(program), LD_LIBRARY_PATH=str(prefix / "lib")) == "42\n"


def make_lib(*options: str, root: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return make("-j4", "-C", str(root), "lib", *options, status=None, env=env)


@pytest.fixture
def only_trampolines(tmp_path: Path) -> Path:
    """Give a copy of the tree in which arm has trampolines and no entries."""
    copy = tmp_path / "tree"
    left = shutil.ignore_patterns("build", ".venv", ".git", "__pycache__", "*.so")
    shutil.copytree(ROOT, copy, ignore=left)
    for name in ("entry.S", "abi.c"):
        (copy / "csrc/arch/arm" / name).unlink()
    return copy


@pytest.fixture
def foreign_compiler(tmp_path: Path) -> Path:
    """Give a compiler that says that it builds for Arm, and compiles nothing."""
    path = tmp_path / "compiler"
    path.write_text(
        "#!/bin/sh\n[ $1 = -dumpmachine ] && echo arm-linux-gnueabihf\n", encoding="ascii"
    )
    path.chmod(0o755)
    return path


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout.count("error")) == (2, 0)
    said, *rest = done.stderr.splitlines()
    assert [line.startswith("make") for line in rest] == [True] * len(rest), done.stderr
    return said


def served(root: Path, but: str) -> list[str]:
    """The architectures that closures run on, in the words of runs.sh, and without `but`."""
    folders = sorted((root / "csrc/arch").iterdir())
    names = [f.name for f in folders if (f / "entry.S").exists() and (f / "abi.c").exists()]
    return [name for name in names if name != but]


def test_lib_for_a_machine_with_trampolines_only_ends_in_a_sentence(
    foreign_compiler: Path, only_trampolines: Path
) -> None:
    for option in ("ISA=arm", f"CC={foreign_compiler}"):
        said = one_sentence(make_lib(option, root=only_trampolines))
        assert said.startswith("ffi_static cannot be built for arm yet:")
        assert f"lacks entry.S and abi.c; closures run on {', '.join(served(ROOT, 'arm'))}." in said
        assert "use the patched libffi (patches/libffi/README.md)" in said


def test_machine_that_the_series_does_not_serve_is_not_sent_there(only_trampolines: Path) -> None:
    (only_trampolines / "csrc/arch/arm/libffi.m4").unlink()
    said = one_sentence(make_lib("ISA=arm", root=only_trampolines))
    assert said.startswith("ffi_static cannot be built for arm yet:")
    assert "patched libffi" not in said
    said = one_sentence(make_lib("ISA=vax", root=only_trampolines))
    assert "arm" not in said.split("trampolines for the patched libffi")[1].replace("arch", "")


def test_lib_for_an_unknown_machine_ends_in_a_sentence() -> None:
    said = one_sentence(make_lib("ISA=vax"))
    assert said.startswith("ffi_static cannot be built for vax: csrc/arch has no folder for it")
    assert f"closures run on {', '.join(served(ROOT, 'vax'))}, and trampolines" in said
    assert "exist for those and for alpha, m68k" in said


def test_folder_with_entries_is_a_machine_that_closures_run_on(only_trampolines: Path) -> None:
    arch = only_trampolines / "csrc/arch"
    (arch / "arm/entry.S").touch()
    done = process.run(["sh", str(arch / "runs.sh"), "arm"], status=1)
    assert f"lacks abi.c; closures run on {', '.join(served(ROOT, 'arm'))}." in done.stdout
    (arch / "arm/abi.c").touch()
    assert run("sh", str(arch / "runs.sh"), "arm") == ""


@pytest.mark.parametrize(
    ("triple", "macros", "isa"),
    [
        ("x86_64-linux-gnu", "__x86_64__", "x86_64"),
        ("x86_64-linux-gnu", "__i386__", "i686"),
        ("x86_64-linux-gnu", "__x86_64__ __ILP32__", "x32"),
        ("i586-linux-gnu", "", "i686"),
        ("i686-pc-linux-gnu", "__x86_64__", "x86_64"),
        ("armv7l-unknown-linux-gnueabihf", "", "arm"),
        ("armeb-linux-gnueabi", "", "armeb"),
        ("powerpc64le-linux-gnu", "", "powerpc64le"),
        ("powerpc64-linux-gnu", "", "powerpc64"),
        ("mips64el-linux-gnuabi64", "", "mips64el"),
        ("riscv64-linux-gnu", "", "riscv64"),
    ],
)
def test_machine_that_a_compiler_builds_for(
    tmp_path: Path, triple: str, macros: str, isa: str
) -> None:
    path = tmp_path / "compiler"
    lines = [f"echo '#define {macro} 1'" for macro in macros.split()]
    text = "\n".join(["#!/bin/sh", f"[ $1 != -dumpmachine ] || {{ echo {triple}; exit; }}", *lines])
    path.write_text(text + "\n", encoding="ascii")
    path.chmod(0o755)
    assert run("sh", str(ROOT / "csrc/arch/isa.sh"), str(path)) == f"{isa}\n"


@pytest.mark.parametrize(
    ("name", "isa"),
    [("i386", "i686"), ("amd64", "x86_64"), ("armv7l", "arm"), ("ppc64le", "powerpc64le")],
)
def test_machine_of_a_name(name: str, isa: str) -> None:
    assert run("sh", str(ROOT / "csrc/arch/isa.sh"), "--named", name) == f"{isa}\n"


def test_flags_that_only_some_compilers_take_are_the_machines_own() -> None:
    assert "-fcf-protection" not in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-fcf-protection=full" in run("make", "-C", str(ROOT), "-n", "-B", "lib", "V=1")
    known = run("make", "-C", str(ROOT), "-np", "help", "ISA=aarch64").splitlines()
    (flags,) = (line for line in known if line.startswith("FS_CFLAGS :="))
    assert "-Icsrc/arch/aarch64" in flags and "-fcf-protection" not in flags
