# SPDX-License-Identifier: MIT
"""test_cet - the ELF notes, endbr64 wherever indirect branches land, and a run that checks each.

The disassembly proves it for all code; the single-stepped run checks what was really executed, as
a CPU with IBT and shadow stacks switched on would.
"""

from __future__ import annotations

import platform
import re
from typing import Callable

import pytest

from tests.support import process
from tests.support.ctests import (
    BUILD,
    LIBRARY,
    PROVIDERS,
    WITH_MODULE,
    build,
    judge,
    needs_module,
    run,
)
from tests.support.process import output
from tests.unwind.test_unwind import SHAPES, STEP

if platform.machine() != "x86_64":
    pytest.skip("CET is of x86-64; other ISAs have pads of their own", allow_module_level=True)

ENDBR = "endbr64"
TEMPLATE_BYTES = 4096 * 16
TRAMPOLINE = [ENDBR, "lea", "jmp"]
#: What fills up is no instruction, so that post-link optimizers leave the tables alone.
FILL = "(bad)"
FILLS = {FILL, "int3"}
RESIDENT = [*TRAMPOLINE, FILL, FILL]  # jumps by its slot at once: two bytes shorter
CODE_LINE = re.compile(r"^ *([0-9a-f]+):\t(?:[0-9a-f]{2} )+ *\t(?:notrack |bnd )?(\S+) ?(.*)$")
#: Addresses taken as data only: the template that providers copy or move, never run in place; and
#: where the grid of hops begins, whose first place is a trap (each place is looked at below).
NOT_TARGETS = {"fs_table_code", "fs_hops"}

Tool = Callable[[str], str]


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    build("tests-unwind")


def instructions(text: str) -> dict[int, tuple[str, str]]:
    """Mnemonic and operands by address, of objdump's output."""
    found = (CODE_LINE.match(line) for line in text.splitlines())
    return {int(x[1], 16): (x[2], x[3]) for x in found if x}


@pytest.fixture(scope="module")
def code() -> dict[int, tuple[str, str]]:
    return instructions(output(["objdump", "-d", "-w", "-j", ".text", str(LIBRARY)]))


@pytest.fixture(scope="module")
def symbols() -> dict[str, int]:
    """Functions of the library, static ones too."""
    lines = output(["readelf", "-sW", str(LIBRARY)]).splitlines()
    rows = [line.split() for line in lines]
    return {r[7].split("@")[0]: int(r[1], 16) for r in rows if len(r) == 8 and r[3] == "FUNC"
            and r[6] not in ("UND",)}  # fmt: skip


def test_library_is_marked(tool: Tool) -> None:
    note = output([tool("readelf"), "-nW", str(LIBRARY)])
    properties = re.search(r"x86 feature: (.*)", note)
    assert properties, note
    assert {"IBT", "SHSTK"} <= set(properties[1].replace(",", " ").split())


def test_startup_code_without_landing_pads_is_not_called(
    tool: Tool, code: dict[int, tuple[str, str]]
) -> None:
    """libc's _init and _fini have none in many distributions; ld.so would call them indirectly."""
    text = output([tool("readelf"), "-dW", str(LIBRARY)])
    assert "INIT_ARRAY" in text
    for tag in re.findall(r"\((?:INIT|FINI)\) +0x([0-9a-f]+)", text):
        assert code.get(int(tag, 16), ("",))[0] == ENDBR


def test_every_object_of_the_archive_is_marked(tool: Tool) -> None:
    archive = str(BUILD / "lib" / "libffi_static.a")
    parts = output([tool("readelf"), "-nW", archive]).split("File: ")[1:]
    assert len(parts) > 10
    for part in parts:
        assert re.search(r"x86 feature: IBT, SHSTK", part), part


def test_no_segment_is_writable_and_executable_and_no_stack_is(tool: Tool) -> None:
    text = output([tool("readelf"), "-lW", str(LIBRARY)])
    row = r"^  (\w+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3}) "
    segments = re.findall(row, text, re.MULTILINE)
    assert dict(segments)["GNU_STACK"].strip() == "RW"
    assert all(not {"W", "E"} <= set(flags) for _, flags in segments), text
    assert "LOAD" in dict(segments)
    assert "TEXTREL" not in output([tool("readelf"), "-dW", str(LIBRARY)])


def test_every_address_in_data_is_a_landing_pad(
    tool: Tool, code: dict[int, tuple[str, str]], symbols: dict[str, int]
) -> None:
    """Tables of functions, init and fini: what a relocation puts in data is called indirectly.

    One address is not: `fs_table_template` says where the template is.
    """
    text = output([tool("readelf"), "-rW", str(LIBRARY)])
    targets = {int(x, 16) for x in re.findall(r"R_X86_64_RELATIVE +([0-9a-f]+)", text)}
    template = symbols["fs_table_code"]
    assert template in targets
    inside = sorted(targets & set(code) - {template})
    assert len(inside) > 30, "the tables of entries were not found"
    assert [hex(a) for a in inside if code[a][0] != ENDBR] == []


def test_every_address_taken_in_code_is_a_landing_pad(
    code: dict[int, tuple[str, str]], symbols: dict[str, int]
) -> None:
    data_only = {symbols[name] for name in NOT_TARGETS}  # both are taken somewhere
    template = range(symbols["fs_table_code"], symbols["fs_table_code"] + TEMPLATE_BYTES)
    taken = set()
    for at, (operation, operands) in code.items():
        if at in template:  # its `lea`s name addresses behind the mapped copy
            continue
        target = re.search(r"# ([0-9a-f]+)(?: <|$)", operands)
        if operation == "lea" and target and int(target[1], 16) in code:
            taken.add(int(target[1], 16))
    assert data_only < taken
    assert [hex(a) for a in taken - data_only if code[a][0] != ENDBR] == []


def test_every_entry_and_public_function_is_a_landing_pad(
    tool: Tool, code: dict[int, tuple[str, str]], symbols: dict[str, int]
) -> None:
    named = [n for n in symbols if n.startswith(("fs_entry_", "ffi_static_"))]
    named = [n for n in named if not n.endswith(".cold")]  # reached by direct jumps alone
    named += ["fs_enter_slot", "fs_freed", "fs_unprepared", "fs_resident_code"]
    assert sum(n.startswith("fs_entry_") for n in named) > 10
    assert [n for n in named if code[symbols[n]][0] != ENDBR] == []


def units(
    code: dict[int, tuple[str, str]], start: int, stop: int, size: int = 16
) -> list[list[str]]:
    """The mnemonics of each unit of `size` bytes."""
    return [[code[a][0] for a in range(at, at + size) if a in code]
            for at in range(start, stop, size)]  # fmt: skip


def odd_units(found: list[list[str]]) -> list[list[str]]:
    """Units that are no trampoline: stubs and holes, without what fills them."""
    return [[x for x in u if x not in FILLS] for u in found if u != TRAMPOLINE]


def test_every_resident_trampoline(
    code: dict[int, tuple[str, str]], symbols: dict[str, int]
) -> None:
    start = symbols["fs_resident_code"]
    assert units(code, start, start + 256 * 16) == [RESIDENT] * 256


def test_every_trampoline_of_the_template(
    code: dict[int, tuple[str, str]], symbols: dict[str, int]
) -> None:
    start = symbols["fs_table_code"]
    found = units(code, start, start + 4096 * 16)
    assert found.count(TRAMPOLINE) == 4096 - 16 - 1
    assert odd_units(found) == [[], *[["jmp"]] * 16], "one hole, one stub a page"


def test_every_hop(code: dict[int, tuple[str, str]], symbols: dict[str, int]) -> None:
    """One for each two different registers of 15, and for each alone; traps in all other places."""
    start = symbols["fs_hops"]
    found = units(code, start, start + 16 * 16 * 16)
    hops = [[x for x in u if x != FILL] for u in found if set(u) != {FILL}]
    assert len(hops) == 15 * 15 and len(found) == 16 * 16
    moves = {tuple(hop) for hop in hops}
    alone = (ENDBR, "mov", "jmp")
    assert moves == {alone, (ENDBR, "mov", "mov", "jmp"), (ENDBR, "jmp")}
    assert hops.count(list(alone)) == 14 and hops.count([ENDBR, "jmp"]) == 1  # the last: R itself


@pytest.mark.parametrize("provider", PROVIDERS)
def test_mapped_page_as_it_is_in_memory(
    provider: str, tool: Tool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = tmp_path_factory.mktemp("cet") / "page"
    env = {"FFI_STATIC_PROVIDER": provider}
    dumped = process.run([STEP, "dump", "nothing"], env=env, text=False).stdout
    assert len(dumped) == 4096
    page.write_bytes(dumped)
    text = output([tool("objdump"), "-D", "-w", "-b", "binary", "-m", "i386:x86-64", str(page)])
    found = units(instructions(text), 0, 4096)
    if provider == "resident":
        assert found == [RESIDENT] * 256
        return
    hole, stub = odd_units(found)
    assert (hole, stub[0]) == ([], "jmp")
    if provider == "trampfd":
        assert found[-1][1:3] == ["int3", "int3"]  # what follows is the target, in code
    else:
        assert stub == ["jmp"]
    assert found.count(TRAMPOLINE) == 254


@pytest.mark.parametrize("provider", WITH_MODULE)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_executed_branch_breaks_ibt_or_the_shadow_stack(provider: str, shape: str) -> None:
    needs_module(provider)
    judge(run(STEP, "cet", shape, env={"FFI_STATIC_PROVIDER": provider}))


@pytest.mark.parametrize("shape", SHAPES)
def test_control_without_landing_pad_is_found(shape: str) -> None:
    done = run(STEP, "control-cet", shape)
    assert done.returncode == 1, done.stdout
    assert "lands on no endbr64" in done.stdout
