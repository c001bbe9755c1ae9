# SPDX-License-Identifier: MIT
"""build - compiles the C parts, and cffi from its source, into a folder of the build tree.

Three shared objects come from here: the caller (driver.c), the hand-written callback (hand.c) and
the module that holds cffi's ``extern "Python"`` functions. cffi is also built from its own source
distribution, because the optimisation flags of its published wheels are not ours to assume. All
of it is kept and reused until a source, the interpreter or the version of cffi changes.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from .shapes import SHAPES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EXTERN_MODULE = "_callbench_extern"
HAND_MODULE = "_callbench_hand"


class BuildError(RuntimeError):
    """A tool failed; the text says which, with what, and what it answered."""


@dataclass(frozen=True)
class Parts:
    """Where the compiled parts are."""

    folder: Path

    @property
    def driver(self) -> Path:
        """The C caller."""
        return self.folder / "driver.so"

    @property
    def cffi_source(self) -> Path:
        """The folder to put first on PYTHONPATH to run with cffi built from source."""
        return self.folder / "cffi-from-source"


def parts(build: Path) -> Parts:
    """Name the folder for this interpreter and this cffi under the build folder ``build``."""
    tag = f"{sys.implementation.cache_tag}-cffi-{cffi_version()}"
    return Parts(build.resolve() / "bench" / "python" / tag)


def cffi_version() -> str:
    """Give the version of the installed cffi."""
    return importlib.metadata.version("cffi")


def cffi_kind() -> str:
    """``"wheel"`` if the installed cffi is a published one, else ``"installed"``."""
    wheel = importlib.metadata.distribution("cffi").read_text("WHEEL") or ""
    return "wheel" if "manylinux" in wheel or "musllinux" in wheel else "installed"


def run(command: list[str], what: str) -> None:
    """Run ``command``; on failure raise BuildError with the end of its output."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{what}: {shlex.join(command)}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise BuildError(f"{what}: {shlex.join(command)} ended with {done.returncode}:\n{tail}")


def build_c_parts(target: Parts) -> None:
    """Compile driver.c, hand.c and the ``extern "Python"`` module where they are out of date."""
    target.folder.mkdir(parents=True, exist_ok=True)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    strict = ["-Wall", "-Wextra", "-Werror"]
    _compile(HERE / "c" / "driver.c", target.driver, strict)
    _compile(HERE / "c" / "hand.c", target.folder / f"{HAND_MODULE}{suffix}", strict)
    extern = target.folder / f"{EXTERN_MODULE}.c"
    if _older(extern, HERE / "shapes.py"):
        _write_extern(extern)
    _compile(extern, target.folder / f"{EXTERN_MODULE}{suffix}", [])


def build_cffi(target: Parts) -> None:
    """Build the installed version of cffi from its source distribution, if not done before.

    Raises BuildError where that is impossible (no network, compiler or libffi headers).
    """
    done = target.folder / "cffi-from-source.done"
    if done.exists():
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-binary", "cffi", "--no-deps", "--upgrade"]
    command += ["--target", str(target.cffi_source), f"cffi=={cffi_version()}"]
    run(command, "building cffi from its source (needs a C compiler, libffi's headers, an index)")
    done.touch()


def _write_extern(path: Path) -> None:
    """Let cffi write the C of a module with one ``extern "Python"`` function per shape."""
    import cffi  # not above: a child process must choose its cffi before the first import

    ffi = cffi.FFI()
    for shape in SHAPES.values():
        ffi.cdef(f'extern "Python" {shape.declaration.format("extern_" + shape.name)};')
    ffi.set_source(EXTERN_MODULE, "")
    ffi.emit_c_code(str(path))


def _compile(source: Path, output: Path, warnings: list[str]) -> None:
    """Compile one C file to a shared object with -O2, into place only when it is whole."""
    if not _older(output, source):
        return
    unfinished = output.with_name(output.name + ".new")
    command = [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11", "-O2", "-g", *warnings]
    command += ["-fPIC", "-fvisibility=hidden", "-shared", "-pthread"]
    command += ["-I", sysconfig.get_path("include"), str(source), "-o", str(unfinished)]
    run(command, f"compiling {source.name}")
    unfinished.replace(output)


def _older(output: Path, source: Path) -> bool:
    """Whether ``output`` is absent or older than ``source``."""
    return not output.exists() or output.stat().st_mtime < source.stat().st_mtime
