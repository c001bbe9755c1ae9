# SPDX-License-Identifier: MIT
"""test_fuzz - random signatures: our closures, the generator against libffi, the checks themselves.

`make fuzz` is the long form. A failure prints the prototype, the values, what was expected and
seen, and the command that runs this signature alone.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import build, psabi
from tests.fuzz import model as m
from tests.fuzz.isa import HERE, ISAS
from tests.fuzz.signature import Signature, draw
from tests.support.ctests import build as make
from tests.support.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if not build.shim_folder().is_dir():
    pytest.skip(f"no call shim: {build.shim_folder()} does not exist", allow_module_level=True)

SEED = 1
COUNT = 2000
ODD = 1000
CHUNK = 250
#: Signatures on other architectures: as many as an emulator runs in some seconds.
EMULATED = 250
#: What each fault makes the checks say: the fuzzer can fail, and for the right reason.
HANDLER_FAULTS = {
    "swap": "argument",
    "flip": "argument",
    "shift": "not aligned",
    "user": "user data: expected",
    "twice": "the handler ran 2 times",
    "tail": "the user's bytes behind the closure were overwritten",
    "crash": "signal 11",
}
LP64_FAULTS = {
    "fcsr": "FCSR: expected",
    "sp": "sp: expected",
    "a0": "result",
    "fa0": "result",
    "extend": "result extended to 32 bits",
    "canary": "the canary above the outgoing arguments was overwritten",
}
ARM_FAULTS = {
    **{r: f"{r}: expected" for r in (f"r{n}" for n in range(4, 12))},
    "sp": "sp: expected",
    "r0": "result",
    "extend": "result extended to 32 bits",
    "canary": "the canary above the outgoing arguments was overwritten",
}
OWN_FAULTS = {
    "x86_64": {
        "rbx": "rbx: expected",
        "rbp": "rbp: expected",
        "r12": "r12: expected",
        "r13": "r13: expected",
        "r14": "r14: expected",
        "r15": "r15: expected",
        "mxcsr": "MXCSR: expected",
        "cw": "x87 control word: expected",
        "df": "the direction flag is set after the call",
        "rsp": "sp: expected",
        "x87": "x87 stack: expected",
        "rax": "hidden pointer: expected rax",
        "xmm0": "result",
        "extend": "result extended to 32 bits",
        "canary": "the canary above the outgoing arguments was overwritten",
    },
    "aarch64": {
        **{r: f"{r}: expected" for r in (f"x{n}" for n in range(19, 30))},
        **{r: f"{r}: expected" for r in (f"d{n}" for n in range(8, 16))},
        "fpcr": "FPCR: expected",
        "sp": "sp: expected",
        "x0": "result",
        "v0": "result",
        "extend": "result extended to 32 bits",
        "canary": "the canary above the outgoing arguments was overwritten",
    },
    "riscv64": {
        **{r: f"{r}: expected" for r in (f"{f}s{n}" for f in ("", "f") for n in range(12))},
        **LP64_FAULTS,
    },
    "loongarch64": {
        **{r: f"{r}: expected" for r in ("fp", *(f"s{n}" for n in range(9)))},
        **{r: f"{r}: expected" for r in (f"fs{n}" for n in range(8))},
        **LP64_FAULTS,
    },
    "powerpc64le": {
        **{r: f"{r}: expected" for r in (f"r{n}" for n in range(14, 32))},
        **{r: f"{r}: expected" for r in (f"f{n}" for n in range(14, 32))},
        **{r: f"{r}: expected" for r in (f"v{n}" for n in range(20, 32))},
        "cr": "cr: expected",
        "fpscr": "FPSCR: expected",
        "sp": "sp: expected",
        "r3": "result",
        "f1": "result",
        "extend": "result extended to 32 bits",
        "canary": "the canary above the outgoing arguments was overwritten",
    },
    "i686": {
        **{r: f"{r}: expected" for r in ("ebx", "esi", "edi", "ebp")},
        "mxcsr": "MXCSR: expected",
        "cw": "x87 control word: expected",
        "df": "the direction flag is set after the call",
        "esp": "sp: expected",
        "x87": "x87 stack: expected",
        "eax": "hidden pointer: expected eax",
        "st0": "result",
        "extend": "result extended to 32 bits",
        "canary": "the canary above the outgoing arguments was overwritten",
    },
    "armel": ARM_FAULTS,
    "arm": {
        **ARM_FAULTS,
        **{r: f"{r}: expected" for r in (f"d{n}" for n in range(8, 16))},
        "fpscr": "FPSCR: expected",
        "s0": "result",
    },
    "s390x": {
        **{r: f"{r}: expected" for r in (f"r{n}" for n in range(6, 14))},
        **{r: f"{r}: expected" for r in (f"f{n}" for n in range(8, 16))},
        "fpc": "FPC: expected",
        "sp": "sp: expected",
        "r2": "result",
        "f0": "result",
        "extend": "result extended to 32 bits",
        "canary": "the canary above the outgoing arguments was overwritten",
    },
}
FAULTS = {**HANDLER_FAULTS, **OWN_FAULTS[HERE]}
#: Architectures that an emulator runs here.
ELSEWHERE = [isa for isa in ISAS if isa != HERE]


def stock_gets_wrong(sig: Signature) -> bool:
    """Whether libffi 3.4.4 differs from the compilers.

    Compilers return a struct of one long double in st(0); libffi looks in rax and rdx. libffi gives
    the handler a struct of alignment 16 where its registers were saved, at any multiple of 8.
    """
    returned = isinstance(sig.result, m.Struct) and psabi.x87_depth(sig.result) == 1
    return returned or any(over_aligned_in_registers(kind) for kind in sig.args)


def over_aligned_in_registers(kind: m.Type | None) -> bool:
    small = isinstance(kind, m.Struct) and (kind.size, kind.align) == (16, 16)
    return kind is not None and small and all(leaf.kind != "x" for leaf in kind.leaves)


def options(**changes: object) -> build.Options:
    jobs = 1 if "PYTEST_XDIST_WORKER" in os.environ else build.Options().jobs
    return replace(build.Options(seed=SEED, jobs=jobs), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def lib() -> None:
    make("lib")


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[Path, list[Signature]]]:
    """A compiled batch of 100 signatures. The backend is chosen when the batch runs."""
    out = build.scratch()
    sigs = [draw(SEED, i) for i in range(100)]
    objects = build.runtime(out, "gcc")
    yield build.compile_batch(options(), out / "sample", sigs, ["gcc", "-O1"], objects), sigs
    shutil.rmtree(out)


@pytest.mark.parametrize(
    "first", range(0, COUNT, CHUNK), ids=lambda n: f"seed-{SEED}-from-{n}-to-{n + CHUNK - 1}"
)
def test_signatures(first: int) -> None:
    seen = build.fuzz(options(), range(first, first + CHUNK))
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == CHUNK
    assert seen.calls >= 4 * CHUNK


@pytest.mark.parametrize(
    "first", range(0, ODD, CHUNK), ids=lambda n: f"seed-{SEED}-from-{n}-to-{n + CHUNK - 1}"
)
def test_unions_and_packed_structs(first: int) -> None:
    assert {cc for cc, _ in build.compilers()[:2]} == {"gcc", "clang"}
    seen = build.fuzz(options(odd=True), range(first, first + CHUNK))
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == CHUNK
    assert seen.calls >= 4 * CHUNK


@pytest.mark.parametrize("provider", ["text", "file", "memfd"])
def test_signatures_on_mapped_tables(
    provider: str, sample: tuple[Path, list[Signature]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFI_STATIC_PROVIDER", provider)
    seen = build.execute(options(rounds=4), *sample, ["gcc", "-O1"])
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == len(sample[1])


def test_generator_agrees_with_the_system_libffi() -> None:
    indices = [i for i in range(COUNT, COUNT + 600) if not stock_gets_wrong(draw(SEED, i))]
    seen = build.fuzz(options(backend="system"), indices)
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == len(indices) > 350


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault: str, sample: tuple[Path, list[Signature]]) -> None:
    seen = build.execute(options(backend=f"fault:{fault}", limit=100), *sample, ["gcc", "-O1"])
    assert any(FAULTS[fault] in text for text in seen.failures.values()), seen.failures
    for text in seen.failures.values():
        assert "--seed 1" in text, "no reproducer"


def test_report_reproduces(sample: tuple[Path, list[Signature]]) -> None:
    seen = build.execute(options(backend="fault:flip", limit=1), *sample, ["gcc", "-O1"])
    (report,) = seen.failures.values()
    command = report.split("again: ")[1].splitlines()[0]
    words = [sys.executable if w == "python3" else w for w in shlex.split(command)]
    done = run(words, status=None, cwd=build.ROOT)
    assert done.returncode == 1, done.stdout + done.stderr

    def about(text: str) -> list[str]:
        return [x for x in text.splitlines() if x.startswith(("FAIL", "    arg", "    seen"))]

    assert about(done.stdout) == about(report) != []


def test_every_fault_is_listed() -> None:
    handlers = (build.HERE / "backend.c").read_text()
    names = re.findall(r'"(\w+)"', handlers.split("handler_faults[] = {")[1].split("}")[0])
    assert sorted(HANDLER_FAULTS) == sorted(names)
    for isa in ISAS.values():
        shims = (isa.shim / "faults.S").read_text()
        rows = [
            sorted(line.split(", "))
            for line in re.findall(r"^ +FAULTS  (.*)$", shims, re.MULTILINE)
        ]
        assert sorted(OWN_FAULTS[isa.folder]) in rows  # ARM has two: with VFP, and without


# ---- other architectures, emulated


def elsewhere(name: str, **changes: object) -> build.Options:
    """Options for an architecture that is built and emulated here, or skip with what is missing."""
    isa = ISAS[name]
    archive = isa.lib() / "libffi_static.a"
    missing = [*isa.missing(), *([] if archive.exists() else [str(archive)])]
    if missing:
        pytest.skip(f"`make lib ISA={name}` makes what is missing: {', '.join(missing)}")
    return options(isa=isa, **changes)


@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd"])
@pytest.mark.parametrize("isa", ELSEWHERE)
def test_signatures_elsewhere(isa: str, odd: bool) -> None:
    seen = build.fuzz(elsewhere(isa, odd=odd), range(EMULATED))
    assert not seen.failures, "\n\n".join(seen.failures.values())
    assert seen.signatures == EMULATED


@pytest.mark.parametrize("isa", [isa for isa in ELSEWHERE if ISAS[isa].folder == isa])
def test_faults_elsewhere_are_found(isa: str) -> None:
    out = build.scratch()
    o = elsewhere(isa, limit=100)
    sigs = [draw(SEED, i) for i in range(100)]
    cc = ["gcc", "-O1"]
    program = build.compile_batch(o, out / "sample", sigs, cc, build.runtime(out, "gcc", o.isa))
    unseen = []
    for fault, said in {**HANDLER_FAULTS, **OWN_FAULTS[isa]}.items():
        seen = build.execute(replace(o, backend=f"fault:{fault}"), program, sigs, cc)
        if not any(said in text for text in seen.failures.values()):
            unseen.append((fault, seen.failures))
    shutil.rmtree(out)
    assert unseen == []


def test_signature_depends_on_seed_and_index_alone() -> None:
    assert draw(3, 17).prototype == draw(3, 17).prototype
    assert len({draw(3, i).prototype for i in range(50)}) > 45
    assert draw(3, 17).prototype != draw(4, 17).prototype
    assert draw(3, 17, odd=True).prototype == draw(3, 17, odd=True).prototype
    assert draw(3, 17, odd=True).prototype != draw(3, 17).prototype


def test_draws_reach_every_kind() -> None:
    """The weights leave nothing out: each scalar, each class of struct, long and empty lists."""
    sigs = [draw(SEED, i) for i in range(COUNT)]
    kinds = [a for s in sigs for a in s.args] + [s.result for s in sigs]
    for scalar in (*m.SCALARS, *m.COMPLEX_INTEGERS):
        assert scalar in kinds
        assert any(s.result is scalar for s in sigs)
    structs = [k for k in kinds if isinstance(k, m.Struct)]
    assert {k.size for k in structs} >= set(range(1, 25))
    assert len({k.size for k in structs}) > 60
    assert any(psabi.x87_depth(k) for k in structs)
    assert any(over_aligned_in_registers(s.result) for s in sigs)
    assert sum(over_aligned_in_registers(a) for s in sigs for a in s.args) > 100
    assert any(k.aligned and k.size > m.MEMORY_ABOVE for k in structs)
    assert any(psabi.in_memory(s.result) and not s.args for s in sigs)
    assert max(len(s.args) for s in sigs) > 255
    assert min(len(s.args) for s in sigs) == 0
    assert any(isinstance(t, m.Struct) for k in structs for t, _ in k.members)


def test_odd_draws_reach_every_merge() -> None:
    """Unions of each pair of classes come, in either eightbyte, taken and given."""
    sigs = [draw(SEED, i, odd=True) for i in range(ODD)]
    taken = [k for s in sigs for k in s.args if isinstance(k, m.Struct)]
    given = [s.result for s in sigs if isinstance(s.result, m.Struct)]
    for kinds in (taken, given):
        assert {k.pack for k in kinds} == {0, 1, 2, 4, 8}
        unions = [k for k in kinds if k.union and k.size == m.MEMORY_ABOVE]
        found = {"/".join(psabi.classes(k) or ["MEMORY"]) for k in unions}
        both = {f"{a}/{b}" for a in ("SSE", "INTEGER") for b in ("SSE", "INTEGER")}
        assert found >= {*both, "X87/X87UP", "MEMORY"}
        x87 = [k for k in unions if any(t is m.LDOUBLE for t, _ in k.members)]
        assert sum(psabi.classes(k) == ["INTEGER", "INTEGER"] for k in x87) > 50
        assert any(psabi.in_memory(k) for k in x87)
        assert any(psabi.in_memory(k) for k in kinds if k.pack and k.size <= m.MEMORY_ABOVE)
    assert psabi.classes(m.CLDOUBLE) == ["COMPLEX_X87"]


def test_merging_is_in_the_order_of_the_members() -> None:
    """The psABI's merge is not associative: SSE meets X87 in memory, unless INTEGER came first."""
    x, d, ll = (m.LDOUBLE, 0), (m.DOUBLE, 0), (m.INT64, 2)
    assert psabi.classes(m.Struct((x, d, ll), "", union=True)) is None
    assert psabi.classes(m.Struct((x, ll, d), "", union=True)) == ["INTEGER", "INTEGER"]
    inner = m.Struct((x, (m.INT64, 0)), "", union=True)
    assert psabi.classes(inner) is None
    assert psabi.classes(m.Struct(((inner, 0), ll), "", union=True)) is None
