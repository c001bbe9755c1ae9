# SPDX-License-Identifier: MIT
"""isas - the architectures that csrc/arch has, and what the tests must know of each.

Numbers come from the architecture's ``csrc/arch/<isa>/arch.h``, or from ``csrc/arch/sizes.h`` where
that has none. The rest comes from its ``tests/arch/<isa>/isa.mk``, which make reads as well; a key
without a value is left out there:

* ``ARCH_TRIPLE_<isa>``: the GNU name that its cross compiler begins with;
* ``ARCH_QEMU_<isa>``: the name of its ``qemu-...-static``; none: no emulator runs its programs;
* ``ARCH_FIRST_<isa>``: the instruction that every trampoline begins with, as objdump calls it,
  where trampolines are code;
* ``ARCH_FLAGS_<isa>``: how its programs are compiled and linked; with ``-DFS_TEST_SYSTEM_WX`` where
  a program has pages that are writable and executable before ``main()``: none may be added then;
* ``ARCH_LOADER_<isa>``: the loader that its programs name: a kernel that runs it runs them, and no
  emulator is needed;
* ``ARCH_CLANG_<isa>``: ``no`` where clang's assembler lacks instructions that are needed;
* ``ARCH_LACKS_<isa>``: cases of slots.c that it has nothing for;
* ``ARCH_LIBFFI_<isa>``: the suite whose libffi its programs are linked with (cross.mk), where the
  usual one lacks types that the tests draw;
* ``ARCH_DEBIAN_<isa>``: Debian's name of it (python.sh, callback.sh), where there is a port in
* ``ARCH_SUITE_<isa>``: a suite, trixie when not named;
* ``ARCH_FOLDER_<isa>``: whose folder of ``csrc/arch`` it uses, where it has none: armel is a
  variant of arm, and has but this file;
* ``ARCH_ROOT_<isa>``: a suite of Debian's that has its cross compiler, where the oldest that we
  build on has none (root.sh).

An architecture is added by adding its two folders: there is no list here.
"""

from __future__ import annotations

import functools
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Isa:
    """One architecture; sizes in bytes."""

    name: str  # its folder of tests/arch
    triple: str
    qemu: str
    first: str
    flags: tuple[str, ...]
    loader: str
    clang: bool
    lacks: frozenset[str]
    libffi: str
    root: str
    folder: str  # of csrc/arch
    debian: str  # the name of Debian's port, or nothing
    planned: bool  # has plans (abi.c), so that a patched libffi has our entry code too
    tramp_size: int
    table_slots: int
    group_slots: int  # the last of each group is a stub
    page: int  # the largest that it has
    landing: bool  # marks its mapped code, so that jumps arrive at landing pads
    descriptors: bool  # its trampolines are function descriptors, and no table has code

    @property
    def gcc(self) -> str:
        """The compiler."""
        return "gcc" if self.name == platform.machine() else f"{self.triple}-gcc"

    @property
    def link(self) -> tuple[str, ...]:
        """What a program is linked with, so that a kernel finds its loader."""
        if not self.loader:
            return ()
        folder = Path(self.loader).parent
        return (
            f"-Wl,--dynamic-linker={self.loader}",
            f"-Wl,--disable-new-dtags,-rpath,{folder}",
        )

    @property
    def objdump(self) -> str:
        """The disassembler."""
        return "objdump" if self.name == platform.machine() else f"{self.triple}-objdump"

    @property
    def runner(self) -> tuple[str, ...]:
        """What a program's command begins with here."""
        if self.name == platform.machine() or runs(self.loader) or not self.qemu:
            return ()
        return (f"qemu-{self.qemu}-static", "-L", f"/usr/{self.triple}")

    @property
    def mapped(self) -> tuple[str, ...]:
        """The providers of mapped tables that work under an emulator, too."""
        return ("descriptor",) if self.descriptors else ("file", "memfd")

    def missing(self) -> list[str]:
        """Give what is needed to build and run its programs and is not installed."""
        lacks = [name for name in (self.gcc, *self.runner[:1]) if shutil.which(name) is None]
        if not (self.qemu or lacks or runs(self.loader)):
            lacks.append(f"a kernel that runs {self.loader}")
        return lacks


@functools.cache
def runs(loader: str) -> bool:
    """Tell whether this kernel runs the programs of a loader: of i386, x86-64's mostly does."""
    if not Path(loader).is_file():
        return False
    try:
        said = run([loader, "--version"], status=None)
    except OSError:  # exec format error
        return False
    return said.returncode == 0


def _read(name: str) -> Isa:
    text = (ROOT / "tests/arch" / name / "isa.mk").read_text(encoding="utf-8")
    said = dict(re.findall(rf"^ARCH_(\w+)_{name} *:= *(.*)$", text, re.MULTILINE))
    folder = said.get("FOLDER", name)
    headers = (ROOT / "csrc/arch" / folder / "arch.h", ROOT / "csrc/arch/sizes.h")
    header = "".join(path.read_text(encoding="utf-8") for path in headers)

    def number(macro: str) -> int:
        found = re.search(rf"^#define {macro} (\w+)", header, re.MULTILINE)
        if found is None:
            raise ValueError(f"csrc/arch/{folder}/arch.h does not say what {macro} is")
        return int(found[1], 0)

    return Isa(
        name=name,
        triple=said["TRIPLE"],
        qemu=said.get("QEMU", ""),
        first=said.get("FIRST", ""),
        flags=tuple(said.get("FLAGS", "").split()),
        loader=said.get("LOADER", ""),
        clang=said.get("CLANG", "") != "no",
        lacks=frozenset(said.get("LACKS", "").split()),
        libffi=said.get("LIBFFI", "trixie"),
        root=said.get("ROOT", ""),
        folder=folder,
        debian=said.get("DEBIAN", ""),
        planned=(ROOT / "csrc/arch" / folder / "abi.c").exists(),
        tramp_size=number("FS_TRAMP_SIZE"),
        table_slots=number("FS_TABLE_SLOTS"),
        group_slots=number("FS_GROUP_SLOTS"),
        page=number("FS_TEXT_ALIGN"),
        landing=number("FS_PROT_LANDING") != 0,
        descriptors=number("FS_DESCRIPTORS") != 0,
    )


NAMES = {
    path.parent.name
    for path in (*ROOT.glob("csrc/arch/*/table.S"), *ROOT.glob("tests/arch/*/isa.mk"))
}
ISAS = {name: _read(name) for name in sorted(NAMES)}
