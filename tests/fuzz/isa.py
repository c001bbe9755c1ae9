# SPDX-License-Identifier: MIT
"""isa - what the generator must know of each architecture that closures run on.

The signatures are the same everywhere. What differs is how a type comes back, which wider type
fills the same register, and what stands on the stack whatever the registers hold (the canary).

psabi, aapcs32, aapcs64, elfv2, i386, lp64 and zelf know how one psABI passes a type. Each is
written from the document, independently of `csrc/arch/*/abi.c`. No check relies on them for the
place of an argument: the compilers' callers decide that. The runtime asks them how a result comes
back and how many bytes are popped, and the generator which changes of a type do not change how it
is passed.
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
    """One architecture.

    `canary`: the arguments that follow a signature's, (C type, value); the last are the guard's
    words.
    `big`: it is big-endian, so garbage in a register or stack word is in front of the value.
    `ldouble_align`: the alignment of a long double, which is 16 in drawn signatures.
    `looks_floating`: is this a struct that libffi would take for a struct around a float alone? A
    member without size behind the float tells libffi that it is none.
    `abi`, `convention`: libffi's name of the calling convention, and gcc's attribute.
    `pops`: how many bytes a callee takes off the stack.
    `of`: the folder of the architecture, if that is not `name`.
    `compilers`: the compilers that agree on its calling convention.
    `scalar`: gives this machine's scalar for a drawn one, which is a 64-bit machine's.
    """

    name: str
    in_memory: Callable[[m.Type | None], bool]
    x87_depth: Callable[[m.Type | None], int]
    padded: Callable[[m.Struct], str]
    wide: Callable[[m.Scalar], str]
    leaf: Callable[[m.Leaf], m.Leaf]
    canary: tuple[tuple[str, str], ...]
    #: Does clang 14 compile these types, of a result and arguments, differently from the psABI
    #: and gcc? Then gcc compiles them.
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
        """The name of its architecture (tests/arch), and of the folder where that is built."""
        return self.of or self.name

    @property
    def native(self) -> bool:
        """Whether this machine has this architecture."""
        return self.name == HERE

    @property
    def shim(self) -> Path:
        """The folder with its call shim."""
        return ROOT / "tests" / "core" / "abi" / MACHINES[self.folder].folder

    @property
    def runner(self) -> tuple[str, ...]:
        """The words with which a program's command begins on this machine."""
        return () if self.native else MACHINES[self.folder].runner

    @property
    def link(self) -> tuple[str, ...]:
        """More of a program's link command, so that this kernel finds the program's loader."""
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
        """Tools and folders that its programs need and that are missing here."""
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


def _arm(name: str, in_memory: Callable[[m.Type | None], bool]) -> Isa:
    return Isa(
        name,
        in_memory,
        lambda kind: 0,
        aapcs32.padded,
        aapcs32.wide,
        lambda leaf: leaf,
        (*(("uint32_t", "0"),) * 4, ("fz_canary", "fz_guard")),
        scalar=aapcs32.scalar,
        clang_fails=aapcs32.clang_fails,
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
    "arm": _arm("arm", aapcs32.in_memory),
    "armel": _arm("armel", aapcs32.in_memory_soft),
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
