# SPDX-License-Identifier: MIT
"""build - compiles batches of callers, runs them, and turns failures into reproducers.

A batch that crashes is run again from the signature after the one that crashed, so one crash
does not hide the others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import ProcessError, run

from . import emit
from .isa import HERE as MACHINE
from .isa import ISAS, Isa
from .signature import Signature, draw

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMPILERS: tuple[tuple[str, str], ...] = (
    ("gcc", "-O1"),
    ("clang", "-O1"),
    ("gcc", "-O2"),
    ("gcc", "-O0"),
    ("clang", "-O2"),
)
BATCH = 125
RUN_SECONDS = 300
DONE = re.compile(r"^done signatures=(\d+) calls=(\d+) args=(\d+) failed=(\d+)$", re.MULTILINE)
CRASH = re.compile(r"^CRASH index (\d+)", re.MULTILINE)
FAIL = re.compile(r"^(?:FAIL|CRASH) index (\d+)", re.MULTILINE)


class BuildError(Exception):
    """A compiler refused. The text is the compiler's message."""


@dataclass
class Options:
    """What to run. `cc` restricts the compilers, "gcc -O2"; `lib` holds libffi_static.a.

    Closures of `isa` are called, under an emulator unless this machine is one. `odd` draws unions
    and packed structs.
    """

    seed: int = 1
    backend: str = "ours"
    rounds: int = 2
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    cc: str = ""
    lib: Path | None = None
    limit: int = 20
    odd: bool = False
    isa: Isa = field(default_factory=lambda: ISAS[MACHINE])


@dataclass
class Outcome:
    """What a run saw. `failures` maps a signature's index to its report."""

    signatures: int = 0
    calls: int = 0
    args: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take another outcome in."""
        self.signatures += other.signatures
        self.calls += other.calls
        self.args += other.args
        self.failures.update(other.failures)


def shim_folder() -> Path:
    """The folder for this machine's call shim. It need not exist."""
    return HERE.parent / "core" / "abi" / MACHINE


def compilers(choice: str = "", isa: Isa = ISAS[MACHINE]) -> list[list[str]]:
    """The installed compilers, gcc and clang, which take turns; `choice` names one alone."""
    if choice:
        return [choice.split()]
    known = {c for c in dict(COMPILERS) if isa.knows(c)}
    found = [[c, o] for c, o in COMPILERS if c in known]
    if not found:
        raise BuildError(f"neither gcc nor clang for {isa.name} is installed")
    return found


def command(isa: Isa, cc: Sequence[str]) -> list[str]:
    """The command of a compiler of `compilers()`."""
    return [*isa.compiler(cc[0]), *cc[1:]]


def _compile(command: Sequence[str]) -> None:
    try:
        run(command)
    except ProcessError as error:
        raise BuildError(str(error)[:3000]) from None


def flags(isa: Isa) -> list[str]:
    """What every compilation gets."""
    libffi = isa.libffi()
    own = ["-I", str(libffi / "include"), "-L", str(libffi / "archive")] if libffi else []
    return [
        *own,
        "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
        "-fno-strict-aliasing", "-I", str(HERE), "-I", str(isa.shim),
        "-I", str(ROOT / "csrc" / "include"),
    ]  # fmt: skip


def runtime(out: Path, cc: str, isa: Isa = ISAS[MACHINE]) -> list[str]:
    """Compile the checker, the backends and the shim; their objects."""
    objects = []
    for source in (HERE / "rt.c", HERE / "backend.c", *sorted(isa.shim.glob("*.[cS]"))):
        made = out / (source.stem + ".o")
        _compile(
            [*command(isa, [cc, "-O2", "-g"]), *flags(isa), "-c", str(source), "-o", str(made)]
        )
        objects.append(str(made))
    return objects


def _link(o: Options) -> list[str]:
    archive = (o.lib or o.isa.lib()) / "libffi_static.a"
    if not archive.exists():
        isa = "" if o.isa.native else f" ISA={o.isa.name}"
        raise BuildError(f"{archive} does not exist: run `make lib{isa}` first")
    return [str(archive), "-lffi", "-lpthread", "-ldl"]


def compile_batch(
    o: Options, program: Path, sigs: Sequence[Signature], cc: Sequence[str], objects: Sequence[str]
) -> Path:
    """Write and compile one translation unit; the program that runs it."""
    source = program.with_name(program.name + ".c")
    source.write_text(emit.batch(o.isa, sigs))
    compiler = command(o.isa, cc)
    _compile(
        [
            *compiler,
            *flags(o.isa),
            str(source),
            *objects,
            *_link(o),
            *o.isa.link,
            "-o",
            str(program),
        ]
    )
    return program


def execute(o: Options, program: Path, sigs: Sequence[Signature], cc: Sequence[str]) -> Outcome:
    """Run a compiled batch, past its crashes."""
    total = Outcome()
    first = min(s.index for s in sigs)
    while True:
        command = [
            *o.isa.runner, str(program), "--backend", o.backend, "--seed", str(o.seed),
            "--rounds", str(o.rounds), "--from", str(first), "--limit", str(o.limit),
        ]  # fmt: skip
        ran = run(command, status=None, timeout=RUN_SECONDS, stdin=subprocess.DEVNULL)
        text = ran.stdout
        total.add(_read(text + ran.stderr, " ".join(cc), o))
        crash = CRASH.findall(text)
        if crash and len(total.failures) < o.limit:
            first = int(crash[-1]) + 1
            if first <= max(s.index for s in sigs):
                continue
        if ran.returncode and not total.failures:
            total.failures[first] = f"exit status {ran.returncode}\n{text}{ran.stderr!r}"
        return total


def run_batch(
    o: Options, program: Path, sigs: Sequence[Signature], cc: Sequence[str], objects: Sequence[str]
) -> Outcome:
    """Compile and run one translation unit; its files stay only when something failed."""
    total = execute(o, compile_batch(o, program, sigs, cc, objects), sigs, cc)
    if not total.failures:
        program.with_name(program.name + ".c").unlink()
        program.unlink()
    return total


def again(o: Options, index: int, cc: str) -> str:
    """The command that runs this signature alone."""
    backend = f" --backend {o.backend}" if o.backend != "ours" else ""
    odd = " --odd" if o.odd else ""
    isa = "" if o.isa.native else f" --isa {o.isa.name}"
    return (
        f"python3 -m tests.fuzz --seed {o.seed} --rounds {o.rounds}{backend}{odd}{isa}"
        f" --only {index} --cc '{cc}'"
    )


def _read(text: str, cc: str, o: Options) -> Outcome:
    seen = Outcome()
    done = DONE.search(text)
    if done:
        seen.signatures, seen.calls, seen.args = (int(n) for n in done.groups()[:3])
    starts = list(FAIL.finditer(text))
    ends = [m.start() for m in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends):
        index = int(match[1])
        report = text[match.start() : end].split("\ndone ")[0].rstrip()
        if index not in seen.failures:
            seen.failures[index] = (
                f"{report}\n  caller compiled by: {cc}\n  again: {again(o, index, cc)}"
            )
        else:
            seen.failures[index] += "\n" + report
    return seen


def scratch() -> Path:
    """A fresh folder under build/fuzz."""
    base = ROOT / "build" / "fuzz"
    base.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="run-", dir=base))


def fuzz(o: Options, indices: Sequence[int], tell: bool = False) -> Outcome:
    """Run the signatures `indices` of the seed, in batches that take turns with the compilers."""
    out = scratch()
    objects = runtime(out, compilers(isa=o.isa)[0][0], o.isa)
    turns = [cc for cc in compilers(o.cc, o.isa) if cc[0] in o.isa.compilers]
    batches = [indices[i : i + BATCH] for i in range(0, len(indices), BATCH)]
    total = Outcome()

    def work(n: int) -> Outcome:
        sigs = [draw(o.seed, i, o.odd) for i in batches[n]]
        cc = turns[n % len(turns)]
        apart: list[Signature] = []
        if cc[0] == "clang" and not o.cc:
            apart = [s for s in sigs if o.isa.clang_fails(s.kinds)]
            sigs = [s for s in sigs if s not in apart]
        seen = Outcome()
        for name, some, by in (("", sigs, cc), ("gcc", apart, ["gcc", *cc[1:]])):
            if some:
                seen.add(run_batch(o, out / f"batch{n}{name}", some, by, objects))
        return seen

    with ThreadPoolExecutor(max(1, o.jobs)) as pool:
        waiting = [pool.submit(work, n) for n in range(len(batches))]
        for n, one in enumerate(as_completed(waiting), 1):
            total.add(one.result())
            if tell:
                print(
                    f"\rfuzz: batch {n}/{len(batches)}, {total.signatures} signatures,"
                    f" {total.calls} calls, {len(total.failures)} failed ",
                    end="", flush=True,
                )  # fmt: skip
            if len(total.failures) >= o.limit:
                for rest in waiting:
                    rest.cancel()
                break
    if tell:
        print()
    if not total.failures:
        shutil.rmtree(out, ignore_errors=True)
    return total
