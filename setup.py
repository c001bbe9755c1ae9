# SPDX-License-Identifier: MIT
"""setup - builds ffi_static._lib, and says what is missing when it cannot

The metadata is in pyproject.toml, the extension in csrc/py/extension.py.
"""

from __future__ import annotations

import os
import platform
import re
import runpy
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any

import setuptools
from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

# (what, a program that needs it, flags to link it, the Debian package that brings it). The first is
# compiled and not linked, because every program is linked with files of the C library.
NEEDS = (
    ("a C compiler", "int main(void) { return 0; }", ("-c",), "gcc"),
    (
        "the C library's headers",
        "#include <pthread.h>\nint main(void) { return 0; }",
        (),
        "libc6-dev",
    ),
    ("Python's headers", "#include <Python.h>\nint main(void) { return 0; }", (), "python3-dev"),
    (
        "libffi's headers and library",
        "#include <ffi.h>\nint main(void) { ffi_cif c;"
        " return ffi_prep_cif(&c, FFI_DEFAULT_ABI, 0, &ffi_type_void, 0); }",
        ("-lffi",),
        "libffi-dev",
    ),
)

BUILD_FILE = "csrc/py/extension.py"  # needs cffi, so it is read after check_build_packages()

# Install the drop-in when Python starts and FFI_STATIC_INSTALL is set (ffi_static_start.py).
# Pythons before 3.15 do not read the last one; in those that do it takes ffi_static.pth's place.
STARTUP_FILES = ["ffi_static_start.py", "ffi_static.pth"]
if sys.version_info >= (3, 15):
    STARTUP_FILES.append("ffi_static.start")

# What pip brings by itself, unless it is told not to (--no-build-isolation). Older setuptools do
# not read pyproject.toml's metadata and would install a package called UNKNOWN; without cffi,
# setup() takes no notice of `cffi_modules` and would install a package without its extension.
SETUPTOOLS, CFFI = (61, 0), (1, 15, 1)
#: The first setuptools that reads a licence expression. packaging/debian/rules leaves that out.
LICENCES = (77, 0)


def version() -> str:
    """The library's version, which stands in its header."""
    with open("csrc/include/ffi_static.h", encoding="utf-8") as file:
        text = file.read()
    return ".".join(re.findall(r"^#define FFI_STATIC_VERSION_\w+ (\d+)$", text, re.MULTILINE))


def release(version: str) -> tuple[int, ...]:
    """The numbers that `version` starts with."""
    return tuple(map(int, re.findall(r"\d+", re.match(r"[\d.]*", version)[0])))  # type: ignore[index]


def least_setuptools() -> tuple[int, ...]:
    """The first setuptools that reads pyproject.toml as it is."""
    with open("pyproject.toml", encoding="utf-8") as file:
        return LICENCES if re.search(r'^license = "', file.read(), re.MULTILINE) else SETUPTOOLS


def check_words() -> None:
    """Stop with one clear message when a variable is no list of words, as with half a quote."""
    for name in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS"):
        try:
            shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            sys.exit(f"ffi_static cannot be built: {name}={os.environ[name]}: {error}")


def check_build_packages() -> None:
    """Stop with one clear message when setup() would not build what is asked for."""
    missing: list[tuple[str, tuple[int, ...], str]] = []
    least = least_setuptools()
    if release(setuptools.__version__) < least:
        missing.append(("setuptools", least, f"found setuptools {setuptools.__version__}"))
    try:
        import _cffi_backend  # noqa: F401  what cffi needs as soon as it is used
        import cffi
    except ImportError as error:
        missing.append(("cffi", CFFI, f"tried to import it, got: {error}"))
    else:
        if release(cffi.__version__) < CFFI:
            missing.append(("cffi", CFFI, f"found cffi {cffi.__version__}"))
    if missing:
        needs = [f"{name}>={'.'.join(map(str, first))}" for name, first, _ in missing]
        sys.exit(
            f"ffi_static cannot be built, because {sys.executable} lacks this:\n"
            + "\n".join(f"  {need} ({got})" for need, (_, _, got) in zip(needs, missing))
            + "\nLeave out --no-build-isolation, or first run: python3 -m pip install "
            + " ".join(f"'{need}'" for need in needs)
        )


def try_compile(build: dict[str, Any], program: str, link: tuple[str, ...]) -> str | None:
    """Compile and link `program`; None when it works, else what the compiler answered."""
    pkg_config = build["pkg_config"]
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "needs.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(program)
        command = [
            *build["compiler"](),
            "-I" + sysconfig.get_path("include"),
            "-I" + sysconfig.get_path("platinclude"),
            *pkg_config("--cflags"),
            *shlex.split(os.environ.get("CFLAGS", "")),
            *shlex.split(os.environ.get("CPPFLAGS", "")),
            source,
            "-o",
            os.path.join(folder, "needs"),
            *shlex.split(os.environ.get("LDFLAGS", "")),
            *(pkg_config("--libs-only-L") if link else ()),
            *link,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if done.returncode == 0:
            return None
        lines = [line for line in done.stderr.splitlines() if "error" in line or "cannot" in line]
        return (lines or done.stderr.splitlines() or [f"exit status {done.returncode}"])[0]


def check_system() -> None:
    """Stop with one clear message when the extension cannot be built here."""
    if platform.python_implementation() != "CPython":
        sys.exit("ffi_static needs CPython; this is " + platform.python_implementation())
    if not sys.platform.startswith("linux"):
        sys.exit("ffi_static needs Linux; this is " + sys.platform)
    build = runpy.run_path(BUILD_FILE)
    build["check_isa"]()
    missing = []
    for what, program, link, package in NEEDS:
        answer = try_compile(build, program, link)
        if answer is not None:
            missing.append((what, package, answer))
            if package in ("gcc", "libc6-dev"):
                break  # what comes next needs it, and would fail for that reason alone
    if missing:
        lines = [
            f"  {what}: install {package}\n    (tried, got: {answer})"
            for what, package, answer in missing
        ]
        packages = " ".join(package for _, package, _ in missing)
        sys.exit(
            "ffi_static cannot be built, because this is missing:\n"
            + "\n".join(lines)
            + f"\nOn Debian and Ubuntu: apt-get install {packages}"
        )


class BuildExt(build_ext):
    """build_ext that takes assembly files, after checking what the system has."""

    def run(self) -> None:
        check_system()
        super().run()

    def build_extensions(self) -> None:
        if ".S" not in self.compiler.src_extensions:
            self.compiler.src_extensions.append(".S")
        super().build_extensions()


class BuildPy(build_py):
    """build_py that puts the startup files where Python looks for such: beside the package."""

    def run(self) -> None:
        super().run()
        folder = self.build_lib
        if self.editable_mode:  # only what is in the wheel's own folder is installed then
            folder = str(self.get_finalized_command("install").install_lib)  # type: ignore[attr-defined]
        self.mkpath(folder)
        for name in STARTUP_FILES:
            self.copy_file(name, os.path.join(folder, name))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        ours = [os.path.join(self.build_lib, name) for name in STARTUP_FILES]
        return [*super().get_outputs(include_bytecode), *ours]


check_words()
check_build_packages()
setup(
    version=version(),
    cffi_modules=[f"{BUILD_FILE}:ffibuilder"],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)
