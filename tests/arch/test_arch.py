# SPDX-License-Identifier: MIT
"""test_arch - trampolines, tables and providers on every architecture that csrc/arch has.

Under qemu-user where the machine is another one; libffi's own tests on patched libraries take
minutes and are `make test-arch`'s (tests/arch/closures.py).
"""

from __future__ import annotations

import platform
import re
import shutil
import struct
from typing import TYPE_CHECKING

import pytest

from tests.arch import elf, same
from tests.arch.isas import ISAS, Isa
from tests.support import process
from tests.support.ctests import BUILD, PROVIDERS, ROOT, build, judge, run
from tests.support.process import output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = re.findall(r"^    CASE\((\w+)\),$", (ROOT / "tests/arch/slots.c").read_text(), re.MULTILINE)


def emulator(isa: str) -> tuple[str, ...]:
    """Give what runs this architecture's programs here, or skip with what is missing."""
    missing = ISAS[isa].missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (`make test-arch` as root installs them)")
    return ISAS[isa].runner


def program(isa: str) -> Path:
    emulator(isa)  # skips where the architecture's compiler is missing
    build(f"build/arch/{isa}/slots")
    return BUILD / "arch" / isa / "slots"


def applies(isa: str, case: str, provider: str) -> bool:
    """Tell whether there is anything to see: larger pages, guarded pages, are not everywhere.

    The kernel that runs an emulator writes code for its own architecture only.
    """
    if provider == "trampfd" and isa != platform.machine():
        return False
    mapped = provider not in {"", "resident"}
    if mapped and ISAS[isa].descriptors != (provider == "descriptor"):
        return False
    if case == "a_table_is_whole_pages_of_64_KiB":
        return ISAS[isa].page >= 0x10000
    if case == "a_slot_takes_its_size_and_few_mappings":
        return not provider and not ISAS[isa].runner  # an emulator has memory of its own
    if case == "a_mapped_trampoline_is_entered_at_its_landing_pad_only":
        return ISAS[isa].landing and provider in {"file", "memfd"}
    if case == "every_step_of_a_trampoline_is_unwound":
        return (ROOT / "tests/arch" / ISAS[isa].folder / "step.c").exists()
    return case not in ISAS[isa].lacks


RUNS = [
    (isa, case, provider)
    for isa in ISAS
    for case in CASES
    for provider in ("", *PROVIDERS, "descriptor")
    if applies(isa, case, provider)
]


@pytest.mark.parametrize(("isa", "case", "provider"), RUNS)
def test_slots(isa: str, case: str, provider: str) -> None:
    before = emulator(isa)
    chosen = {"FFI_STATIC_PROVIDER": provider} if provider else {}
    judge(run(program(isa), case, before=before, env=chosen))


@pytest.mark.parametrize("isa", ISAS)
def test_a_wrong_register_is_noticed(isa: str) -> None:
    """The probe would see a trampoline that loads R with something else: here, the next slot."""
    done = run(program(isa), "a_wrong_slot_is_noticed", before=emulator(isa))
    assert done.returncode == 1
    assert "does not hold: self(p.code) == p.slot + FS_SLOT_SIZE" in done.stderr


def disassembly(isa: str) -> str:
    emulator(isa)
    command = [ISAS[isa].objdump, "-d", "--no-show-raw-insn", str(program(isa))]
    return output(command)


def symbols(isa: str) -> dict[str, int]:
    text = output(["readelf", "-sW", program(isa)])
    rows = re.findall(r": ([0-9a-f]{8,16}) +\w+ \w+ +\w+ +\w+ +\w+ (\w+)$", text, re.MULTILINE)
    return {name: int(address, 16) for address, name in rows}


WITH_CODE = [isa for isa in ISAS if not ISAS[isa].descriptors]


@pytest.mark.parametrize("isa", WITH_CODE)
def test_template_is_whole_pages_in_memory_and_in_the_file(isa: str) -> None:
    emulator(isa)
    page = ISAS[isa].page
    at = symbols(isa)["fs_table_code"]
    assert at % page == 0
    headers = output(["readelf", "-lW", program(isa)])
    loads = re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+) 0x\w+ R E (0x\w+)", headers)
    (offset, start, align) = next(
        (int(o, 16), int(v, 16), int(a, 16))
        for o, v, size, a in loads
        if int(v, 16) <= at < int(v, 16) + int(size, 16)
    )
    assert align >= page
    assert (offset + at - start) % page == 0


@pytest.mark.parametrize("isa", ISAS)
def test_clang_assembles_all_of_it(isa: str, tmp_path: Path) -> None:
    """It is stricter than gas, about immediates for one."""
    if shutil.which("clang") is None:
        pytest.skip("not installed: clang")
    if not same.clang_knows(ISAS[isa]):
        pytest.skip(f"this clang does not know {isa}")
    where = ROOT / "csrc"
    folder = where / "arch" / ISAS[isa].folder
    for source in sorted(folder.glob("*.S")):
        command = ["clang", f"--target={ISAS[isa].triple}", *ISAS[isa].flags, "-fPIC", f"-I{where}"]
        command += [f"-I{folder}", "-c", str(source), "-o", str(tmp_path / "made.o")]
        done = process.run(command, status=None)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("isa", WITH_CODE)
def test_every_trampoline_is_where_it_should_be(isa: str) -> None:
    """All of one size, none compressed or relaxed, each starting with the same instruction."""
    base, facts = symbols(isa)["fs_table_code"], ISAS[isa]
    lines = dict(re.findall(r"^ *([0-9a-f]+):\s+(\w+)", disassembly(isa), re.MULTILINE))
    wrong = [
        i
        for i in range(1, facts.table_slots)
        if (i + 1) % facts.group_slots
        and lines.get(f"{base + facts.tramp_size * i:x}") != facts.first
    ]
    assert wrong == []


def object_of(isa: Isa, source: str, folder: Path, *flags: str) -> Path:
    """Make one of an architecture's objects, by whichever compiler of this machine can."""
    csrc = ROOT / "csrc"
    compilers = same.tools(isa, folder)
    if not compilers:
        pytest.skip(f"not installed: {isa.gcc}, and clang does not know {isa.name}")
    command = [*compilers[0].command, f"-I{csrc}", f"-I{csrc}/arch/{isa.folder}", *flags, "-c"]
    made = folder / "made.o"
    process.run([*command, f"{csrc}/arch/{isa.folder}/{source}", "-o", made])
    return made


def aarch64_object(source: str, folder: Path) -> Path:
    return object_of(ISAS["aarch64"], source, folder)


def instructions(made: Path) -> tuple[int, ...]:
    text = elf.read(made).sections[".text"]
    return struct.unpack(f"<{text.size // 4}I", text.data)


AARCH64 = sorted(path.name for path in (ROOT / "csrc/arch/aarch64").glob("*.S"))


@pytest.mark.parametrize("source", AARCH64)
def test_aarch64_object_says_that_it_is_fit_for_bti_pac_and_gcs(
    source: str, tmp_path: Path
) -> None:
    """The linker ANDs the bits, so one of ours that is missing is missing in all of libffi."""
    note = elf.read(aarch64_object(source, tmp_path)).sections[".note.gnu.property"].data
    name, size, kind, owner, feature, width, bits, _ = struct.unpack("<III4sIIII", note)
    assert (name, size, kind, owner) == (4, 16, 5, b"GNU\0")
    assert (feature, width) == (0xC0000000, 4)  # GNU_PROPERTY_AARCH64_FEATURE_1_AND
    bti, pac, gcs = 1, 2, 4
    assert bits == bti | pac | gcs


def test_aarch64_trampolines_keep_that_promise(tmp_path: Path) -> None:
    """What pushes to or pops from the guarded control stack: the two calls that do not return."""
    words = instructions(aarch64_object("table.S", tmp_path))
    calls = [w for w in words if w >> 26 == 0b100101]  # BL
    by_register = [w >> 21 & 0b11 for w in words if w >> 25 == 0b1101011]  # 0 BR, 1 BLR, 2 RET
    assert len(calls) == 2
    assert by_register
    assert set(by_register) == {0}


def test_aarch64_entries_keep_that_promise(tmp_path: Path) -> None:
    """A return address that is stored was signed, and one that is returned to authenticated."""
    paciasp, autiasp, ret = 0xD503233F, 0xD50323BF, 0xD65F03C0
    words = instructions(aarch64_object("entry.S", tmp_path))
    stores = [
        i for i, w in enumerate(words) if w & 0xFFC07FFF == 0xA9807BFD
    ]  # stp x29, x30, [sp, #]!
    returns = [i for i, w in enumerate(words) if w == ret]
    assert len(stores) > 200
    assert len(returns) > 200
    assert all(words[i - 1] == paciasp for i in stores)
    assert all(words[i - 1] == autiasp for i in returns)


def test_aarch64_hops_jump_by_the_registers_that_landing_pads_allow(tmp_path: Path) -> None:
    """BR by x16 or x17 may arrive at `bti c`."""
    words = instructions(aarch64_object("hop.S", tmp_path))
    jumps = [w >> 5 & 31 for w in words if w & 0xFFFFFC1F == 0xD61F0000]
    assert len(jumps) == 31 * 31
    assert set(jumps) == {16, 17}


LPAD = struct.pack("<I", 0x17)  # auipc zero, 0
PADS = "-D__riscv_landing_pad=1"


def riscv64_object(source: str, folder: Path) -> elf.Object:
    """Make one as compilers for Zicfilp do, which may be newer than this machine's."""
    return elf.read(object_of(ISAS["riscv64"], source, folder, PADS))


@pytest.mark.parametrize("source", ["table.S", "entry.S", "hop.S"])
def test_riscv64_landing_pads(source: str, tmp_path: Path) -> None:
    """What a trampoline or a slot leads to begins with one, and the object says so."""
    made = riscv64_object(source, tmp_path)
    text = made.sections[".text"].data
    (bits,) = struct.unpack_from("<I", made.sections[".note.gnu.property"].data, 24)
    assert bits == 1
    at = {s.name: s.value for s in made.symbols if s.where == ".text" and s.name}
    if source == "table.S":
        of_table = [i for i in range(1, 4096) if (i + 1) % 256]
        places = [at["fs_table_code"] + 16 * i for i in of_table]
        places += [at["fs_resident_code"] + 16 * i for i in range(256)]
        places += [at[name] for name in ("fs_enter_slot", "fs_freed", "fs_unprepared")]
    elif source == "entry.S":
        places = [value for name, value in at.items() if name.startswith("fs_entry_")]
        places += [at["fs_tails"] + 64 * i for i in range(18) if i != 6]  # the tail that is not
    else:
        hops = [(code, data) for code in range(32) for data in range(1, 32)]
        places = [at["fs_hops"] + 20 * (32 * code + data) for code, data in hops
                  if data not in {2, code} and code != 0]  # fmt: skip
    assert len(places) > 100
    assert [hex(p) for p in places if text[p : p + 4] != LPAD] == []


RA, T1, T3, T4 = 1, 6, 28, 29  # numbers of registers


def riscv64_jumps(code: bytes) -> Iterator[int]:
    """Give the register of each jalr, c.jr and c.jalr; an instruction has four bytes or two."""
    at = 0
    while at < len(code):
        (half,) = struct.unpack_from("<H", code, at)
        if half & 3 == 3:
            (word,) = struct.unpack_from("<I", code, at)
            if word & 0x7F == 0x67:
                yield word >> 15 & 31
        elif half & 0xE07F == 0x8002 and half >> 7 & 31:
            yield half >> 7 & 31
        at += 4 if half & 3 == 3 else 2


@pytest.mark.parametrize("flag", ["", PADS])
@pytest.mark.parametrize("source", ["table.S", "entry.S", "hop.S"])
def test_riscv64_jumps_are_neither_returns_nor_unguarded(
    source: str, flag: str, tmp_path: Path
) -> None:
    """By ra and t0 a jump is predicted as a return; by these and t2 it needs no landing pad."""
    made = object_of(ISAS["riscv64"], source, tmp_path, *([flag] if flag else []))
    found = list(riscv64_jumps(elf.read(made).sections[".text"].data))
    assert {"table.S": 19, "entry.S": 814, "hop.S": 900}[source] <= len(found)
    assert set(found) <= {RA, T1, T3, T4}


# ---- arch-same, which compares two trees' machine code

#: What is changed -> in which file of csrc/arch, from what, to what, and what is said of it.
CHANGES = {
    "an instruction": ("x86_64/table.S", "ud2", "ud2; ud2", r"table\.S \.text: had"),
    "a register": ("x86_64/table.S", "%r10, %rdi", "%r11, %rdi", r"table\.S \.text: 2 bytes"),
    "a frame": ("x86_64/table.S", "register %rbp", "register %rbx", r"\.eh_frame: 2 bytes"),
    "a note": ("x86_64/arch.h", "BITS 3", "BITS 1", r"\.note\.gnu\.property: 1 bytes"),
    "a right": ("asm.h", '.GNU-stack, ""', '.GNU-stack, "x"', r"\.note\.GNU-stack: type, flags"),
    "a callee": ("table_code.h", "fs_report_freed", "fs_report_unprepared", r"1 relocations"),
    "a file": ("x86_64/hop.S", None, None, r"^hop\.S: new$"),
}


def changed(folder: Path, name: str, before: str | None, put: str | None) -> same.Tool:
    """Copy csrc with a change to `name` in csrc/arch; give the compiler that compares."""
    isa = ISAS["x86_64"]
    compilers = same.tools(isa, folder / "build")
    if not compilers:
        pytest.skip(f"not installed: {isa.gcc}, and clang, which knows {isa.name}")
    shutil.copytree(ROOT / "csrc", folder / "csrc")
    path = folder / "csrc/arch" / name
    if before is None or put is None:
        path.unlink()
    else:
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, put))
    return compilers[0]


@pytest.mark.parametrize("change", CHANGES)
def test_arch_same_says_what_differs(change: str, tmp_path: Path) -> None:
    name, before, put, said = CHANGES[change]
    tool = changed(tmp_path, name, before, put)
    found = same.compare(ISAS["x86_64"], tool, str(tmp_path))
    assert any(re.search(said, line) for line in found.differences), found.differences


def test_arch_same_tells_new_names_from_other_code(tmp_path: Path) -> None:
    tool = changed(tmp_path, "table_code.h", "fs_freed", "fs_old")
    table = tmp_path / "csrc/arch/table_code.h"
    table.write_text(table.read_text().replace("fs_report_freed", "fs_report_old"))
    found = same.compare(ISAS["x86_64"], tool, str(tmp_path))
    assert found.differences == []
    assert found.renamed == {"fs_old": "fs_freed", "fs_report_old": "fs_report_freed"}


@pytest.mark.parametrize("isa", ISAS)
def test_arch_same_says_the_same_of_the_same(isa: str, tmp_path: Path) -> None:
    compilers = same.tools(ISAS[isa], tmp_path)
    if not compilers:
        pytest.skip(f"not installed: {ISAS[isa].gcc}, and clang does not know {isa}")
    for tool in compilers:
        assert same.compare(ISAS[isa], tool, str(ROOT)) == ([], {})
