# SPDX-License-Identifier: MIT
"""isa - what the generator must know of each architecture that closures run on.

The signatures are the same everywhere. What differs is how a type comes back, which wider type
fills the same register, and what stands on the stack whatever the registers hold (the canary).
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.arch.isas import ISAS as MACHINES
from tests.arch.isas import ROOT

from . import aapcs64, psabi
from . import model as m


@dataclass(frozen=True)
class Isa:
    """One architecture. `canary` is arguments, (C type, value); the last are the guard's words."""

    name: str
    in_memory: Callable[[m.Type | None], bool]
    x87_depth: Callable[[m.Type | None], int]
    padded: Callable[[m.Struct], str]
    wide: Callable[[m.Scalar], str]
    leaf: Callable[[m.Leaf], m.Leaf]
    canary: tuple[tuple[str, str], ...]
    clang_differs: Callable[[m.Type], bool] = lambda kind: False  # as an argument, from gcc

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

    def lib(self) -> Path:
        """Where libffi_static.a is built."""
        return ROOT / "build" / ("" if self.native else self.name) / "lib"

    def libffi(self) -> Path | None:
        """Where the target's libffi is built (include/, archive/), if not where compilers look."""
        return (
            None if self.native else ROOT / "build" / self.name / "libffi" / "trixie" / "upstream"
        )

    def missing(self) -> list[str]:
        """What is needed to compile and run its programs and is not there."""
        tools = [self.compiler("gcc")[0], *self.runner[:1]]
        files = [p for p in (self.libffi(),) if p and not p.is_dir()]
        return [t for t in tools if not shutil.which(t)] + [str(p) for p in files]


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
        aapcs64.clang_differs,
    ),
}
