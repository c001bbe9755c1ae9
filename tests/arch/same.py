# SPDX-License-Identifier: MIT
"""same - does the tree make the same machine code for each architecture as another commit does?

``make arch-same BASE=<commit>`` builds what csrc/arch/<isa> has of both, for every architecture and
with every assembler at hand, and compares the objects (elf.py says what counts). So code that moves
from one file to another, or into a macro, is shown to reach the machine unchanged::

    python -m tests.arch.same --build build --base COMMIT

Assembly needs no C library: clang assembles for each architecture that it knows, and Debian's cross
compilers do where tests/arch/packages.sh has installed them, or root.sh has made a root of a suite
that has one. C files are compared with the machine's own compilers.

Exit status: 0 the same, 1 different, 2 nothing to compare with. An architecture that no assembler
here knows is named; it is not an error.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.arch import elf
from tests.arch.isas import ISAS, ROOT, Isa
from tests.support.process import run


class CannotCompareError(RuntimeError):
    """One of the two sides cannot be had; the text says why and what to do."""


@dataclass(frozen=True)
class Tool:
    """A compiler: its command, and where the files that it is to see must lie."""

    label: str
    command: tuple[str, ...]
    folder: Path  # ours
    inside: Path  # the same folder as the compiler sees it
    compiles_c: bool


def tools(isa: Isa, build: Path) -> list[Tool]:
    """Find what assembles for an architecture on this machine."""
    here, native = build / "arch-same", isa.name == platform.machine()
    found: list[Tool] = []
    if shutil.which(isa.gcc):
        found.append(Tool("gcc", (isa.gcc,), here, here, compiles_c=native))
    if shutil.which("clang") and clang_knows(isa):
        clang = ("clang", f"--target={isa.triple}")
        found.append(Tool("clang", clang, here, here, compiles_c=native))
    root = build / "arch" / f"root-{isa.root}-{isa.name}"
    if isa.root and (root / "usr/bin" / isa.gcc).exists() and os.geteuid() == 0:
        entered = ("chroot", str(root), f"{isa.triple}-gcc")
        inside = Path("/tmp/arch-same")
        folder = root / inside.relative_to("/")
        found.append(Tool(f"gcc of {isa.root}", entered, folder, inside, compiles_c=False))
    return found


def clang_knows(isa: Isa) -> bool:
    """Tell whether clang assembles for an architecture."""
    if not isa.clang:
        return False
    command = ["clang", f"--target={isa.triple}", "-c", "-x", "c", os.devnull]
    done = run([*command, "-o", os.devnull], status=None)
    return done.returncode == 0


def put_csrc(base: str, folder: Path) -> None:
    """Put csrc of a commit, or of another tree's folder, into a folder of the build."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if Path(base, "csrc").is_dir():
        shutil.copytree(Path(base, "csrc"), folder / "csrc")
        return
    packed = run(["git", "-C", str(ROOT), "archive", base, "csrc"], status=None, text=False)
    if packed.returncode:
        said = packed.stderr.decode(errors="replace").strip()
        raise CannotCompareError(
            f"git has no csrc of {base!r} ({said}); name a commit: make arch-same BASE=HEAD"
        )
    run(["tar", "-xf", "-", "-C", str(folder)], input=packed.stdout, text=False)


def sources(isa: Isa, tool: Tool, side: str) -> set[str]:
    """Name what this compiler can make of an architecture's folder."""
    kinds = {".S", ".c"} if tool.compiles_c else {".S"}
    folder = tool.folder / side / "csrc/arch" / isa.folder
    return {path.name for path in folder.glob("*") if path.suffix in kinds}


def compiled(isa: Isa, tool: Tool, side: str, name: str) -> elf.Object:
    """Make one object of one side."""
    csrc = tool.inside / side / "csrc"
    out = f"{side}.{isa.name}.{name}.o"
    command = [*tool.command, "-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", *isa.flags]
    command += [f"-I{csrc}", f"-I{csrc}/include", f"-I{csrc}/arch/{isa.folder}"]
    command += ["-c", f"{csrc}/arch/{isa.folder}/{name}", "-o", str(tool.inside / out)]
    done = run(command, status=None)
    if done.returncode:
        raise CannotCompareError(f"{side}: {' '.join(command)}\n{done.stderr[-1500:]}")
    return elf.read(tool.folder / out)


def compare(isa: Isa, tool: Tool, base: str) -> elf.Comparison:
    """Compare everything that one compiler makes of one architecture."""
    put_csrc(base, tool.folder / "base")
    put_csrc(str(ROOT), tool.folder / "tree")
    before, now = sources(isa, tool, "base"), sources(isa, tool, "tree")
    differences = [f"{name}: gone" for name in sorted(before - now)]
    differences += [f"{name}: new" for name in sorted(now - before)]
    renamed: dict[str, str] = {}
    for name in sorted(before & now):
        pair = (compiled(isa, tool, side, name) for side in ("base", "tree"))
        found = elf.compare(*pair)
        differences += [f"{name} {line}" for line in found.differences]
        renamed.update(found.renamed)
    shutil.rmtree(tool.folder)
    return elf.Comparison(differences, renamed)


def report(isa: Isa, tool: Tool, found: elf.Comparison) -> None:
    """Print what was found: a line, and a line for each difference."""
    verdict = "different" if found.differences else "the same"
    names = ", ".join(f"{old} -> {new}" for old, new in sorted(found.renamed.items()))
    print(f"{isa.name:<12} {tool.label:<14} {verdict}{names and f' (names: {names})'}")
    for line in found.differences:
        print(f"    {line}")


def main() -> int:
    """Compare all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where objects go")
    parser.add_argument("--base", required=True, help="a commit, or another tree's folder")
    options = parser.parse_args()
    different = False
    for isa in ISAS.values():
        at_hand = tools(isa, options.build.resolve())
        if not at_hand:
            print(f"{isa.name:<12} not compared: clang does not know it, and {isa.gcc} is not here")
        for tool in at_hand:
            try:
                found = compare(isa, tool, options.base)
            except CannotCompareError as error:
                print(f"arch-same: {error}", file=sys.stderr)
                return 2
            report(isa, tool, found)
            different = different or bool(found.differences)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
