# SPDX-License-Identifier: MIT
"""isa - what the generator must know of each architecture that closures run on.

The signatures are the same everywhere. What differs is how a type comes back, which wider type
fills the same register, and what stands on the stack whatever the registers hold (the canary).
"""

from __future__ import annotations

import functools
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.arch.isas import ISAS as MACHINES
from tests.arch.isas import ROOT

from . import aapcs32, aapcs64, elfv2, i386, lp64, psabi, zelf
from . import model as m
from .signature import Signature


@dataclass(frozen=True)
class Isa:
    """One architecture. `canary` is arguments, (C type, value); the last are the guard's words.

    `big`: big-endian; what fills a register or stack word is in front of the value then.
    `ldouble_align`: of a long double; a drawn signature has 16.
    `looks_floating`: a struct that libffi's elements make one around a float alone, if that
    matters; a member without size behind it says that it is none.
    `abi`, `convention`: libffi's name of how functions are called, and gcc's attribute; `pops`:
    how many bytes a callee takes off the stack. `of`: the folder of its architecture, if that is
    not its name.
    `compilers`: those that agree on it.
    `scalar`: a drawn scalar, which is of a 64-bit machine, as this one has it.
    """

    name: str
    in_memory: Callable[[m.Type | None], bool]
    x87_depth: Callable[[m.Type | None], int]
    padded: Callable[[m.Struct], str]
    wide: Callable[[m.Scalar], str]
    leaf: Callable[[m.Leaf], m.Leaf]
    canary: tuple[tuple[str, str], ...]
    #: Does clang 14 compile these types of a result and of arguments otherwise than the psABI and
    #: gcc? Then gcc compiles them.
    clang_fails: Callable[[list[m.Type]], bool] = lambda kinds: False
    big: bool = False
    ldouble_align: int = m.LDOUBLE.align
    looks_floating: Callable[[m.Struct], bool] = lambda kind: False
    scalar: Callable[[m.Scalar], m.Scalar] = lambda kind: kind
    abi: str = "FFI_DEFAULT_ABI"
    convention: str = ""
    pops: Callable[[Signature], int] = lambda sig: 0
    of: str = ""
    compilers: tuple[str, ...] = ("gcc", "clang")

    @property
    def folder(self) -> str:
        """The name of its architecture."""
        return self.of or self.name

    @property
    def native(self) -> bool:
        """Whether this machine is one."""
        return self.name == HERE

    @property
    def shim(self) -> Path:
        """The folder with its call shim."""
        return ROOT / "tests" / "core" / "abi" / self.folder

    @property
    def runner(self) -> tuple[str, ...]:
        """What a program's command begins with here."""
        return () if self.native else MACHINES[self.folder].runner

    @property
    def link(self) -> tuple[str, ...]:
        """What a program is linked with besides, so that this kernel finds its loader."""
        return () if self.native else MACHINES[self.folder].link

    def compiler(self, name: str) -> list[str]:
        """The command of gcc or clang for it."""
        if self.native:
            return [name]
        triple = MACHINES[self.folder].triple
        return [f"{triple}-gcc"] if name == "gcc" else [name, f"--target={triple}"]

    def knows(self, name: str) -> bool:
        """Whether gcc or clang, as it is installed here, compiles for it."""
        command = [*self.compiler(name), "-fsyntax-only", "-x", "c", "/dev/null"]
        if not shutil.which(command[0]):
            return False
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def lib(self) -> Path:
        """Where libffi_static.a is built."""
        return ROOT / "build" / ("" if self.native else self.folder) / "lib"

    def libffi(self) -> Path | None:
        """Where the target's libffi is built (include/, archive/), if not where compilers look."""
        suite = MACHINES[self.folder].libffi
        return None if self.native else ROOT / "build" / self.folder / "libffi" / suite / "upstream"

    def missing(self) -> list[str]:
        """What is needed to compile and run its programs and is not there."""
        tools = [self.compiler("gcc")[0], *self.runner[:1]]
        files = [p for p in (self.libffi(),) if p and not p.is_dir()]
        return [t for t in tools if not shutil.which(t)] + [str(p) for p in files]


def _lp64(name: str) -> Isa:
    return Isa(
        name,
        lp64.in_memory,
        lambda kind: 0,
        lp64.padded,
        aapcs64.wide,
        aapcs64.leaf,
        # Eight integers fill the registers that are left, and eight words are on the stack.
        (*(("uint64_t", "0"),) * 8, *(("uint64_t", f"fz_guard.w[{i}]") for i in range(8))),
        lp64.clang_fails,
    )


HERE = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
ISAS = {
    "x86_64": Isa(
        "x86_64",
        psabi.in_memory,
        psabi.x87_depth,
        psabi.padded,
        lambda kind: kind.wide,
        lambda leaf: leaf,
        # Above 16 bytes a struct is in memory.
        (("fz_canary", "fz_guard"),),
    ),
    "aarch64": Isa(
        "aarch64",
        aapcs64.in_memory,
        lambda kind: 0,
        aapcs64.padded,
        aapcs64.wide,
        aapcs64.leaf,
        # Eight integers fill the registers that are left, and eight words are on the stack.
        (*(("uint64_t", "0"),) * 8, *(("uint64_t", f"fz_guard.w[{i}]") for i in range(8))),
        clang_fails=aapcs64.clang_fails,
    ),
    "riscv64": _lp64("riscv64"),
    "loongarch64": _lp64("loongarch64"),
    "powerpc64le": Isa(
        "powerpc64le",
        elfv2.in_memory,
        lambda kind: 0,
        elfv2.padded,
        elfv2.wide,
        aapcs64.leaf,
        (*(("uint64_t", "0"),) * 8, *(("uint64_t", f"fz_guard.w[{i}]") for i in range(8))),
    ),
    "s390x": Isa(
        "s390x",
        zelf.in_memory,
        lambda kind: 0,
        zelf.padded,
        zelf.wide,
        aapcs64.leaf,
        (*(("uint64_t", "0"),) * 5, *(("uint64_t", f"fz_guard.w[{i}]") for i in range(8))),
        big=True,
        ldouble_align=8,
        looks_floating=zelf.looks_floating,
    ),
    "arm": Isa(
        "arm",
        aapcs32.in_memory,
        lambda kind: 0,
        aapcs32.padded,
        aapcs32.wide,
        lambda leaf: leaf,
        (*(("uint32_t", "0"),) * 4, ("fz_canary", "fz_guard")),
        scalar=aapcs32.scalar,
        clang_fails=aapcs32.clang_fails,
    ),
    **{
        f"i686{'-' if convention else ''}{convention}": Isa(
            f"i686{'-' if convention else ''}{convention}",
            i386.in_memory,
            i386.x87_depth,
            i386.padded,
            i386.wide,
            lambda leaf: leaf,
            () if convention else (("fz_canary", "fz_guard"),),
            scalar=i386.scalar,
            abi=f"FFI_{convention.upper() or 'SYSV'}",
            convention=convention,
            pops=functools.partial(i386.pops, convention),
            of="i686",
            # clang passes complex types, structs and hidden pointers otherwise beside registers.
            compilers=("gcc",) if i386.REGISTERS[convention] else ("gcc", "clang"),
        )
        for convention in ("", "stdcall", "fastcall", "thiscall")
    },
}
