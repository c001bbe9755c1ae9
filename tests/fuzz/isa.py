# SPDX-License-Identifier: MIT
"""isa - what the generator must know of each architecture that closures run on.

The signatures are the same everywhere. What differs is how a type comes back, which wider type
fills the same register, and what stands on the stack whatever the registers hold (the canary).
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.arch.isas import ISAS as MACHINES
from tests.arch.isas import ROOT

from . import aapcs64, elfv2, lp64, psabi, zelf
from . import model as m


@dataclass(frozen=True)
class Isa:
    """One architecture. `canary` is arguments, (C type, value); the last are the guard's words.

    `big`: big-endian; what fills a register or stack word is in front of the value then.
    `ldouble_align`: of a long double; a drawn signature has 16.
    `looks_floating`: a struct that libffi's elements make one around a float alone, if that
    matters; a member without size behind it says that it is none.
    """

    name: str
    in_memory: Callable[[m.Type | None], bool]
    x87_depth: Callable[[m.Type | None], int]
    padded: Callable[[m.Struct], str]
    wide: Callable[[m.Scalar], str]
    leaf: Callable[[m.Leaf], m.Leaf]
    canary: tuple[tuple[str, str], ...]
    #: What clang 14 compiles wrongly, or otherwise than gcc, which gets these: a signature's result
    #: and arguments.
    clang_fails: Callable[[list[m.Type]], bool] = lambda kinds: False
    big: bool = False
    ldouble_align: int = m.LDOUBLE.align
    looks_floating: Callable[[m.Struct], bool] = lambda kind: False

    @property
    def native(self) -> bool:
        """Whether this machine is one."""
        return self.name == HERE

    @property
    def shim(self) -> Path:
        """The folder with its call shim."""
        return ROOT / "tests" / "core" / "abi" / self.name

    @property
    def runner(self) -> tuple[str, ...]:
        """What a program's command begins with here."""
        return () if self.native else MACHINES[self.name].runner

    def compiler(self, name: str) -> list[str]:
        """The command of gcc or clang for it."""
        if self.native:
            return [name]
        triple = MACHINES[self.name].triple
        return [f"{triple}-gcc"] if name == "gcc" else [name, f"--target={triple}"]

    def knows(self, name: str) -> bool:
        """Whether gcc or clang, as it is installed here, compiles for it."""
        command = [*self.compiler(name), "-fsyntax-only", "-x", "c", "/dev/null"]
        if not shutil.which(command[0]):
            return False
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def lib(self) -> Path:
        """Where libffi_static.a is built."""
        return ROOT / "build" / ("" if self.native else self.name) / "lib"

    def libffi(self) -> Path | None:
        """Where the target's libffi is built (include/, archive/), if not where compilers look."""
        suite = MACHINES[self.name].libffi
        return None if self.native else ROOT / "build" / self.name / "libffi" / suite / "upstream"

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
        lambda kinds: any(map(aapcs64.clang_differs, kinds)),
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
}
