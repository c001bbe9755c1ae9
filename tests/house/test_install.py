# SPDX-License-Identifier: MIT
"""test_install - `make install` as a packager and then a user of the library see it."""

from __future__ import annotations

import re
import shutil
import struct
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
        "lib/cmake/ffi_static/ffi_static-config.cmake",
        "lib/cmake/ffi_static/ffi_static-config-version.cmake",
    }
    assert (prefix / "lib/libffi_static.so").readlink() == Path("libffi_static.so.0")


def test_destdir_moves_the_files_but_not_what_they_say(library: Path, tmp_path: Path) -> None:
    stage = tmp_path / "a stage"
    run("make", "-s", "-C", str(ROOT), "install", "PREFIX=/usr", f"DESTDIR={stage}")
    pc = (stage / "usr/lib/pkgconfig/libffi_static.pc").read_text(encoding="utf-8")
    assert "prefix=/usr\n" in pc
    assert str(stage) not in pc
    assert "@" not in pc


def test_installed_files_are_readable_by_all_whatever_umask_says(
    library: Path, tmp_path: Path
) -> None:
    """As where root's umask is 077."""
    command = f"umask 077 && make -s -C '{ROOT}' install install-dkms DESTDIR='{tmp_path}/d'"
    run("sh", "-c", command)
    for path in (p for p in (tmp_path / "d").rglob("*") if not p.is_symlink()):
        wanted = 0o755 if path.is_dir() or path.name.endswith(".so.0") else 0o644
        assert oct(path.stat().st_mode & 0o777) == oct(wanted), path


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


EXAMPLE = ROOT / "examples/closures"
SORTED = "by column 1: 2 3 1\n", "5 4 3 2 1\n"


def answers(folder: Path, prefix: Path) -> tuple[str, str]:
    """What the C example and the C++ one print."""
    env = {"LD_LIBRARY_PATH": str(prefix / "lib")}
    return run(str(folder / "sort"), **env), run(str(folder / "lambda"), **env)


def test_examples_build_with_cmake_and_run(tool: Any, prefix: Path, tmp_path: Path) -> None:
    find = f"-DCMAKE_PREFIX_PATH={prefix}"
    run(tool("cmake"), "-S", str(EXAMPLE), "-B", str(tmp_path), find)
    run("cmake", "--build", str(tmp_path))
    assert answers(tmp_path, prefix) == SORTED
    needed = [run("readelf", "-dW", str(tmp_path / name)) for name in ("sort", "lambda")]
    assert ["libffi_static.so.0" in each for each in needed] == [True, False]


def test_examples_build_with_meson_and_run(tool: Any, prefix: Path, tmp_path: Path) -> None:
    tool("pkg-config")
    env = {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    run(tool("meson"), "setup", str(tmp_path), str(EXAMPLE), **env)
    run("meson", "compile", "-C", str(tmp_path))
    assert answers(tmp_path, prefix) == SORTED


def cmake(tool: Any, folder: Path, prefix: Path, asked: str, *options: str) -> str:
    """What CMake says of a project that asks find_package() for these words of ffi_static."""
    folder.mkdir(exist_ok=True)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(asks C)\n"
        f"find_package(ffi_static {asked})\nmessage(STATUS found=${{ffi_static_FOUND}})\n"
        "if(TARGET ffi_static::ffi_static)\n"
        "  add_executable(sort sort.c)\n"
        "  target_link_libraries(sort ffi_static::ffi_static)\nendif()\n"
        "if(TARGET ffi_static::archive)\n  message(STATUS archive=1)\nendif()\n",
        encoding="ascii",
    )
    shutil.copy(EXAMPLE / "sort.c", folder)
    find = f"-DCMAKE_PREFIX_PATH={prefix}"
    command = [tool("cmake"), "-S", str(folder), "-B", str(folder / "b"), find, *options]
    done = process.run(command, without=MAKE)
    return f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("{0}.{1}.{2}", 1), ("{0}.{before}", 1), ("{0}", 1), ("{0}.{after}", 0), ("{next}", 0)],
)
def test_cmake_finds_versions_of_this_soname_only(
    tool: Any, prefix: Path, tmp_path: Path, wanted: str, found: int
) -> None:
    version = [int(number) for number in flags(tool, prefix, "--modversion")[0].split(".")]
    near = {"before": version[1] - 1, "after": version[1] + 1, "next": version[0] + 1}
    asked = wanted.format(*version, **near)
    assert f"found={found}\n" in cmake(tool, tmp_path, prefix, asked)


def test_cmake_is_told_when_a_component_is_not_there(
    tool: Any, prefix: Path, tmp_path: Path
) -> None:
    assert "found=1\n" in cmake(tool, tmp_path / "a", prefix, "COMPONENTS archive nested")
    said = cmake(tool, tmp_path / "b", prefix, "COMPONENTS archives")
    assert re.search(r"found=(0|FALSE)\n", said)
    assert "there is no ffi_static::archives in" in said
    assert "found=1\n" in cmake(tool, tmp_path / "c", prefix, "OPTIONAL_COMPONENTS archives")


def test_cmake_offers_no_archive_that_is_packaged_elsewhere(
    tool: Any, prefix: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "usr"
    shutil.copytree(prefix, shared, symlinks=True, ignore=shutil.ignore_patterns("*.a"))
    said = cmake(tool, tmp_path / "a", shared, "REQUIRED")
    assert "found=1\n" in said and "archive=1" not in said
    assert "archive=1" in cmake(tool, tmp_path / "b", prefix, "REQUIRED")


def test_cmake_finds_the_header_where_lib_is_a_link(
    tool: Any, prefix: Path, tmp_path: Path
) -> None:
    """As /lib is where /usr is merged: CMake looks there first when PATH begins with /bin."""
    root = tmp_path / "root"
    shutil.copytree(prefix, root / "usr", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    config = root / "usr/lib/cmake/ffi_static/ffi_static-config.cmake"
    config.write_text(config.read_text("ascii").replace(f"{prefix}/include", "/no/where"), "ascii")
    cmake(tool, tmp_path / "a", root, "REQUIRED", f"-Dffi_static_DIR={root}/lib/cmake/ffi_static")
    run("cmake", "--build", str(tmp_path / "a/b"))


def test_cmake_finds_no_library_of_another_word_size(
    tool: Any, prefix: Path, tmp_path: Path
) -> None:
    version = prefix / "lib/cmake/ffi_static/ffi_static-config-version.cmake"
    script = tmp_path / "asks.cmake"
    script.write_text(f"include({version})\nmessage(<${{PACKAGE_VERSION_UNSUITABLE}}>)\n", "ascii")
    for size in (4, 8):
        words = [tool("cmake"), f"-DCMAKE_SIZEOF_VOID_P={size}", "-P", str(script)]
        other = size != struct.calcsize("P")
        assert process.run(words).stderr == ("<TRUE>\n" if other else "<>\n")


#: All that `make install` runs, apart from the compiler's own parts.
PLAIN_TOOLS = (
    *("gcc", "as", "ld", "ar", "sh", "sed", "id", "paste", "basename", "dirname", "uname", "cut"),
    *("mkdir", "rm", "ln", "touch", "cat", "install", "chmod", "grep", "printf", "sort", "tr"),
)


def test_library_needs_a_compiler_and_a_header_and_nothing_else(tmp_path: Path) -> None:
    """Neither is there Python, nor apt, nor anything of the tests; nothing is installed as root."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in PLAIN_TOOLS:
        (tools / name).symlink_to(str(shutil.which(name)))
    path = str(shutil.which("make"))
    places = (f"BUILD={tmp_path / 'build'}", f"DESTDIR={tmp_path / 'stage'}", "PREFIX=/usr")
    run(path, "-s", "-j4", "-C", str(ROOT), "install", *places, PATH=str(tools))
    assert (tmp_path / "stage/usr/lib/libffi_static.so.0").exists()


def commands(*words: str) -> dict[str, list[str]]:
    """What make would run for `words`: the lines that compile the library, and that link it."""
    command = ["make", "-C", str(ROOT), "-n", "-B", *words, "V=1", "BUILD=build"]
    lines = output(command, without=(*MAKE, "WERROR")).splitlines()  # as a packager has it
    compiling = [line for line in lines if re.search(r" -c csrc/\S+ -o build/obj/", line)]
    joined = " ".join(lines).replace("\\ ", "").split("@")[0]
    linking = re.findall(r"\S+ [^;]*?-shared .*? -o build/lib/\S+", joined)
    return {"compile": compiling, "link": linking, "archive": re.findall(r"(\S+) rcs ", joined)}


def test_packagers_flags_are_honoured_and_no_warning_ends_their_build() -> None:
    given = ("CC=some-cc", "CFLAGS=-O1 -DA", "CPPFLAGS=-DB", "LDFLAGS=-Wl,-C", "AR=some-ar")
    seen = commands("lib", "ISA=x86_64", *given)
    assert len(seen["compile"]) > 20
    for line in seen["compile"]:
        words = line.split()
        assert words[0] == "some-cc"
        assert {"-O1", "-DA", "-DB"} <= set(words)
        assert "-Werror" not in words
    assert [("some-cc -O1 -DA -Wl,-C -shared" in line) for line in seen["link"]] == [True, True]
    assert seen["archive"] == ["some-ar", "some-ar"]


def test_our_own_runs_end_at_a_warning() -> None:
    seen = commands("test-quick")["compile"]
    assert len(seen) > 20
    assert all("-Werror" in line.split() for line in seen)


def test_library_linked_by_lld_runs_and_has_its_marks(
    tool: Any, prefix: Path, tmp_path: Path
) -> None:
    tool("ld.lld")
    folder = f"BUILD={tmp_path}"
    run("make", "-s", "-j4", "-C", str(ROOT), "lib", folder, "LDFLAGS=-fuse-ld=lld")
    built = tmp_path / "lib/libffi_static.so.0"
    assert "LLD" in run("readelf", "-p", ".comment", str(built))
    notes = [run("readelf", "-nW", str(so)) for so in (built, prefix / "lib" / built.name)]
    ours, ld = (re.findall(r"Properties: .*", each) for each in notes)
    assert ours == ld
    options = ["-I", str(ROOT / "csrc/include"), str(built), "-lffi", f"-Wl,-rpath,{built.parent}"]
    run("gcc", "-o", str(tmp_path / "sort"), str(EXAMPLE / "sort.c"), *options)
    assert run(str(tmp_path / "sort")) == SORTED[0]


def test_library_is_linked_by_gold_which_knows_neither_marks_nor_sorting(
    tool: Any, library: Path, tmp_path: Path
) -> None:
    tool("ld.gold")
    gold = (f"BUILD={tmp_path}", "LDFLAGS=-fuse-ld=gold")
    run("make", "-s", "-j4", "-C", str(ROOT), "lib", *gold)
    built = tmp_path / "lib/libffi_static.so.0"
    options = ["-I", str(ROOT / "csrc/include"), str(built), "-lffi", f"-Wl,-rpath,{built.parent}"]
    run("gcc", "-o", str(tmp_path / "sort"), str(EXAMPLE / "sort.c"), *options)
    assert run(str(tmp_path / "sort")) == SORTED[0]


def test_fakeroot_is_no_root_that_installs_packages(tmp_path: Path) -> None:
    for name, says in (("id", "echo 0"), ("apt-get", f"touch {tmp_path}/asked")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    need = ["sh", str(ROOT / ".ci/need"), "this"]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "FAKEROOTKEY": "1"}
    done = process.run(need, status=2, input="header:no/such.h|a-package|why\n", env=env)
    assert "As root: apt-get install --no-install-recommends a-package" in done.stderr
    assert not (tmp_path / "asked").exists()


def test_compiler_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And not that gcc and two headers, which are there, are missing."""
    said = one_sentence(make_lib("CC=no-such-cc -m64", f"BUILD={tmp_path}"))
    assert said == "CC=no-such-cc -m64: there is no program no-such-cc here"


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
