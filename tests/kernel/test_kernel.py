# SPDX-License-Identifier: MIT
"""test_kernel - the trampfd module's parts that need no kernel: header, encoders, build, patch.

What the module does inside a kernel is `make test-vm`'s. Here its encoders, compiled as a program,
are held against what the assembler makes of the same instructions, for every register, and against
the library's own tables.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.encoders import (
    ISAS,
    KERNEL,
    MOST,
    NONE,
    ROOT,
    SIZES,
    Encoder,
    Isa,
    assembled,
    run,
    tool,
)
from tests.support import process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UAPI = KERNEL / "include" / "uapi" / "linux" / "trampfd.h"

ENDBR64 = bytes.fromhex("f30f1efa")
USABLE = {"x86_64": list(ISAS["x86_64"].data), "aarch64": list(ISAS["aarch64"].data)}


# ---- the header


@pytest.mark.parametrize("compiler", ["gcc -std=c99", "gcc -std=gnu17", "g++ -std=c++11", "clang"])
def test_header_compiles_alone_and_strictly(compiler: str, tmp_path: Path) -> None:
    words = compiler.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed (`sh .ci/packages` names the package)")
    source = tmp_path / ("header.cc" if words[0] == "g++" else "header.c")
    source.write_text(f'#include "{UAPI}"\nint main(void) {{ return 0; }}\n', encoding="utf-8")
    run(*words, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", source)


#: What programs are compiled against: never to change.
ABI = """
sizeof(struct trampfd_create) == 48 && TRAMPFD_CREATE_SIZE_V0 == 48
sizeof(struct trampfd_info) == 56 && TRAMPFD_INFO_SIZE_V0 == 56
offsetof(struct trampfd_create, size) == 0
offsetof(struct trampfd_create, flags) == 4
offsetof(struct trampfd_create, count) == 8
offsetof(struct trampfd_create, first) == 12
offsetof(struct trampfd_create, data_register) == 16
offsetof(struct trampfd_create, code_register) == 20
offsetof(struct trampfd_create, code) == 24
offsetof(struct trampfd_create, data) == 32
offsetof(struct trampfd_create, stride) == 40
offsetof(struct trampfd_info, size) == 0
offsetof(struct trampfd_info, version) == 4
offsetof(struct trampfd_info, machine) == 8
offsetof(struct trampfd_info, flags) == 12
offsetof(struct trampfd_info, max_count) == 16
offsetof(struct trampfd_info, page_size) == 20
offsetof(struct trampfd_info, data_registers) == 24
offsetof(struct trampfd_info, code_registers) == 32
offsetof(struct trampfd_info, user_pages) == 40
offsetof(struct trampfd_info, user_limit) == 48
TRAMPFD_CREATE == 0xb940 && TRAMPFD_INFO == 0xb941
TRAMPFD_COMPACT == 1 && TRAMPFD_CODE_ARRAY == 2 && TRAMPFD_DATA_ARRAY == 4
TRAMPFD_CODE_REGISTER == 8 && TRAMPFD_VERSION == 1
TRAMPFD_OFFSET(0) == 0 && TRAMPFD_OFFSET(127) == 127 * 32 && TRAMPFD_OFFSET(128) == 4096
TRAMPFD_DATA_AT == 16 && TRAMPFD_CODE_AT == 24
TRAMPFD_CODE_SIZE(1, 4096) == 4096 && TRAMPFD_CODE_SIZE(128, 4096) == 4096
TRAMPFD_CODE_SIZE(129, 4096) == 8192 && TRAMPFD_CODE_SIZE(129, 65536) == 65536
TRAMPFD_COMPACT_CODE_SIZE(256, 4096) == 4096 && TRAMPFD_COMPACT_CODE_SIZE(257, 4096) == 8192
TRAMPFD_COMPACT_CODE_SIZE(4096, 65536) == 65536 && TRAMPFD_COMPACT_OFFSET(255) == 4080
"""


@pytest.mark.parametrize("compiler", ["gcc -std=c11", "gcc -std=c11 -m32", "g++ -std=c++11"])
def test_abi_is_what_was_published(compiler: str, tmp_path: Path) -> None:
    words = compiler.split()
    cplusplus = words[0] == "g++"
    source = tmp_path / ("abi.cc" if cplusplus else "abi.c")
    word = "static_assert" if cplusplus else "_Static_assert"
    claims = "\n".join(f'{word}({claim}, "");' for claim in ABI.strip().splitlines())
    head = f'#include <stddef.h>\n#include "{UAPI}"\n'
    source.write_text(head + claims + "\n", encoding="utf-8")
    if "-m32" in words:
        if os.uname().machine != "x86_64":
            pytest.skip(f"{compiler} is for x86")
        words.append("-I/usr/include/x86_64-linux-gnu")  # asm/, which serves both
    run(*words, "-fsyntax-only", source)


def test_every_errno_of_the_sources_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in KERNEL.glob("*.c"))
    used = set(re.findall(r"-(E[A-Z0-9]{3,})\b", source)) - {"ENAMETOOLONG"}  # of d_dname()
    assert len(used) > 10
    for page in (UAPI, KERNEL / "trampfd.rst"):
        known = set(re.findall(r"\bE[A-Z0-9]{3,}\b", page.read_text(encoding="utf-8")))
        assert used - known == set(), page.name


# ---- encoders


@pytest.fixture(scope="module", params=ISAS)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(request.param, tmp_path_factory.mktemp(f"encode-{request.param}"))


def absolute_cases(isa: Isa) -> list[tuple[int, int, int]]:
    cases = [
        (SIZES[(7 * r + c) % len(SIZES)], r, c)
        for r, c in itertools.product(isa.data, [NONE, *isa.code])
        if r != (isa.spent if c == NONE else c)
    ]
    return cases + [(size, isa.data[-1], NONE) for size in SIZES]


def test_every_pair_of_registers_is_encoded_as_the_assembler_does(
    encoder: Encoder, tmp_path: Path
) -> None:
    cases = absolute_cases(encoder.isa)
    wanted = assembled(encoder.isa, (encoder.isa.absolute(*case) for case in cases), 32, tmp_path)
    got = encoder(f"absolute {size:x} {r:x} {c:x}" for size, r, c in cases)
    assert len(got) == len(cases) > 150
    assert [(case, g, w) for case, g, w in zip(cases, got, wanted) if g != w] == []


def test_compact_form_is_encoded_as_the_assembler_does(encoder: Encoder, tmp_path: Path) -> None:
    data = [r for r in encoder.isa.data if r != encoder.isa.spent]
    cases = [(SIZES[(7 * r + n) % len(SIZES)], r, n) for r in data for n in range(0, 255, 9)]
    cases += [(size, data[-1], 254) for size in SIZES]
    wanted = assembled(encoder.isa, (encoder.isa.compact(*case) for case in cases), 16, tmp_path)
    got = encoder(f"compact {size:x} {r:x} {n:x}" for size, r, n in cases)
    assert [(case, g, w) for case, g, w in zip(cases, got, wanted) if g != w] == []


def test_registers_are_all_but_the_stack_pointer_and_what_cannot_be(encoder: Encoder) -> None:
    machine, data, code = encoder(["about"])[0].split()
    assert int(data, 16) == sum(1 << r for r in encoder.isa.data)
    assert int(code, 16) == sum(1 << r for r in encoder.isa.code)
    assert int(machine) == encoder.isa.machine


def library_table(isa: str, tmp_path: Path) -> bytes:
    """Give the code of the library's own table, assembled and linked from csrc/arch."""
    prefix = ISAS[isa].prefix
    obj, linked = tmp_path / "table.o", tmp_path / "table.so"
    arch = ROOT / "csrc" / "arch" / isa
    run(
        tool(prefix, "gcc"),
        "-c",
        f"-I{arch}",
        f"-I{ROOT}/csrc",
        arch / "table.S",
        "-o",
        obj,
    )
    flags = ["-shared", "--unresolved-symbols=ignore-all"]
    # hidden symbols of the library's C would be asked for: only the table is wanted
    strip = ["--globalize-symbol=fs_report_freed", "--weaken"]
    run(tool(prefix, "objcopy"), *strip, obj)
    run(tool(prefix, "ld"), *flags, obj, "-o", linked)
    symbols = run(tool(prefix, "nm"), linked)
    found = re.search(r"^(\w+) \w fs_table_code$", symbols, re.MULTILINE)
    assert found
    run(
        tool(prefix, "objcopy"),
        "-O",
        "binary",
        "-j",
        ".text",
        linked,
        tmp_path / "text",
    )
    sections = run(tool(prefix, "objdump"), "-h", linked)
    text = re.search(r" \.text +\w+ +(\w+)", sections)
    assert text
    start = int(found[1], 16) - int(text[1], 16)
    return (tmp_path / "text").read_bytes()[start : start + 65536]


def library_bytes(isa: str, name: str) -> bytes:
    """Give the bytes that the library's arch.h says the kernel writes."""
    text = (ROOT / "csrc" / "arch" / isa / "arch.h").read_text(encoding="utf-8")
    found = re.search(rf"#define {name} \{{(.*?)\}}", text, re.DOTALL)
    assert found
    return bytes(int(byte, 16) for byte in re.findall(r"0x[0-9a-f]{2}", found[1]))


#: The library's R, where its tables can be the module's.
R = {"x86_64": 10, "aarch64": 17}


@pytest.mark.parametrize("isa", R)
def test_compact_form_is_what_the_library_compares_with(isa: str, tmp_path: Path) -> None:
    encoder, register = Encoder(isa, tmp_path), R[isa]
    load, stub = (library_bytes(isa, f"FS_TRAMPFD_{name}") for name in ("LOAD", "STUB"))
    end = 4 + len(load)
    code = library_table(isa, tmp_path)
    table = [code[i : i + 16] for i in range(0, len(code), 16)]
    indices = [i for i in range(4096) if i and i % 256 != 255]
    got = encoder(f"compact 10000 {register:x} {i % 256:x}" for i in indices)
    assert len(got) == 4079
    wanted = [(table[i][:4] + load + table[i][end:]).hex() for i in indices]
    assert [i for i, g, w in zip(indices, got, wanted) if g != w] == []
    assert encoder([f"stub 10000 {register:x}"]) == [stub.hex()]


def test_stub_jumps_through_its_blocks_first_constant(encoder: Encoder, tmp_path: Path) -> None:
    sizes = SIZES[: len(SIZES) // 2]  # a compact table is half as large
    r = next(r for r in encoder.isa.data if r not in {0, encoder.isa.spent})
    wanted = assembled(encoder.isa, (encoder.isa.stub(size, r) for size in sizes), 16, tmp_path)
    assert encoder(f"stub {size:x} {r:x}" for size in sizes) == wanted


def test_padding_traps_and_tells_nothing(encoder: Encoder, tmp_path: Path) -> None:
    assert encoder(["pad"]) == assembled(encoder.isa, [""], 16, tmp_path)


# ---- what a jump into the middle of it runs

PAIRS = [(r, c) for r in USABLE["x86_64"] for c in [NONE, *USABLE["x86_64"]] if r != c]
#: A system call, rights of keys, returns, calls, and what else nobody should be given.
WORTH_SOMETHING = re.compile(
    r"^(sys|int |iret|ret|lret|call|lcall|wrpkru|xrstor|xsave|ins|outs|pop|leave|enter|movabs|"
    r"mov .*%[a-z]s\b|rd|wr|swapgs|vmcall|vmmcall)"
)
#: Where the trampoline goes on as it should, or all is over: a trap, what only the kernel may do, a
#: load from above all addresses that programs have.
ENDS = re.compile(
    r"^(jmp +\*|int3|\(bad\)|ud|\.byte|hlt|cli|sti|int1|in +\$|out +%\w+,\$|"
    r"movabs 0x[0-9a-f]{16},%)"
)


@pytest.fixture(scope="module")
def x86(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder("x86_64", tmp_path_factory.mktemp("encode-x86"))


@pytest.fixture(scope="module")
def all_of_x86(x86: Encoder) -> list[bytes]:
    """Give every trampoline and stub that the module can write."""
    calls = [f"absolute {size:x} {r:x} {c:x}" for size in SIZES for r, c in PAIRS]
    half = [size for size in SIZES if size <= MOST // 2]
    calls += [
        f"compact {size:x} {r:x} {n:x}"
        for size in half
        for r in USABLE["x86_64"]
        for n in range(255)
    ]
    calls += [f"stub {size:x} 0" for size in half]
    return [bytes.fromhex(code) for code in x86(calls)]


def test_x86_code_holds_no_escape_byte_but_in_landing_pads_and_jumps(
    all_of_x86: list[bytes],
) -> None:
    """0f begins syscall, sysenter, wrpkru, sgdt and every landing pad."""
    codes = all_of_x86
    assert len(codes) > 200_000
    found = {
        (len(code), at, code[at + 1 : at + 3].hex())
        for code in codes
        for at in range(1, len(code))
        if code[at] == 0x0F
    }
    # endbr64, and `sldt (%rax)` in the jump of a block's first fifteen
    assert found == {(32, 1, "1efa"), (16, 1, "1efa"), (16, 13, "0000")}


def test_x86_code_has_no_landing_pad_but_its_first_bytes(all_of_x86: list[bytes]) -> None:
    codes = [code for code in all_of_x86 if code[:2] != b"\xff\x25"]
    # with another trampoline behind, as in a table
    wrong = [
        code.hex()
        for code in codes
        if (code + ENDBR64).count(ENDBR64) != 2 or not code.startswith(ENDBR64)
    ]
    assert wrong == []


def test_i386_code_holds_no_escape_byte_but_in_landing_pads_and_jumps(tmp_path: Path) -> None:
    encoder = Encoder("i386", tmp_path)
    registers, half = encoder.isa.data, SIZES[: len(SIZES) // 2]
    calls = [
        f"absolute {size:x} {r:x} {c:x}"
        for size in SIZES
        for r, c in itertools.permutations(registers, 2)
    ]
    calls += [f"compact {size:x} 1 {n:x}" for size in half for n in range(255)]
    calls += [f"stub {size:x} {r:x}" for size in half for r in registers if r]
    codes = [bytes.fromhex(code) for code in encoder(calls)]
    found = {
        (len(code), at, code[at + 1 : at + 3].hex())
        for code in codes
        for at in range(1, len(code) - 2)
        if code[at] == 0x0F
    }
    assert found == {(32, 1, "1efb"), (16, 1, "1efb"), (16, 13, "0000")}


def begun_inside(codes: Iterable[bytes]) -> list[bytes]:
    """Cut each at every byte but its first."""
    return [code[at:] for code in codes for at in range(1, len(code))]


def disassembled(tails: list[bytes], folder: Path) -> list[list[str]]:
    """Give the instructions that are run from the first byte of each on."""
    room = 64  # the rest traps, and brings the disassembler back into step
    (folder / "tails").write_bytes(b"".join(tail.ljust(room, b"\xcc") for tail in tails))
    text = run(
        tool("x86_64-linux-gnu", "objdump"), "-D", "-b", "binary", "-mi386:x86-64", folder / "tails"
    )
    runs: list[list[str]] = [[] for _ in tails]
    for where, instruction in re.findall(r"^ *([0-9a-f]+):\t[0-9a-f ]+\t(.+)$", text, re.MULTILINE):
        runs[int(where, 16) // room].append(instruction.strip())
    return runs


def worth_something(runs: list[list[str]]) -> set[str]:
    """Name the instructions that are run and that somebody could want."""
    found: set[str] = set()
    for instructions in runs:
        for instruction in instructions:
            if ENDS.match(instruction):
                break
            if WORTH_SOMETHING.match(instruction):
                found.add(instruction)
    return found


def test_x86_code_begun_in_the_middle_runs_nothing_of_worth(x86: Encoder, tmp_path: Path) -> None:
    pairs = [(0, NONE), (10, NONE), (7, 15), (15, 6), (12, 13), (5, 1)]
    calls = [f"absolute {size:x} {r:x} {c:x}" for size in SIZES for r, c in pairs]
    absolute = [bytes.fromhex(code) for code in x86(calls)]
    calls = [
        f"compact {size:x} {r:x} {n:x}"
        for size in SIZES[: len(SIZES) // 2]
        for r in (0, 10)
        for n in (0, 14, 15, 100, 254)
    ]
    compact = [bytes.fromhex(code) for code in x86(calls)]
    runs = disassembled(begun_inside(absolute + compact), tmp_path)
    assert len(runs) > 30_000
    assert worth_something(runs) == set()


def test_what_was_spelt_before_is_something_of_worth(tmp_path: Path) -> None:
    """The judge of the test above sees a movabs whose number is code."""
    spelt = bytes.fromhex("f30f1efa 49ba 6a2a580f05000000 ff2500000000".replace(" ", ""))
    runs = disassembled(begun_inside([spelt]), tmp_path)
    assert {"pop    %rax", "syscall"} <= worth_something(runs)


def test_arm64_code_is_of_five_instructions(tmp_path: Path) -> None:
    encoder = Encoder("aarch64", tmp_path)
    registers = USABLE["aarch64"]
    calls = [f"absolute {size:x} {r:x} {c:x}" for size in SIZES for r in registers for c in (9, 16)]
    calls += [f"compact {size:x} {r:x} {n:x}" for size in SIZES for r in registers for n in (0, 99)]
    calls += [f"stub {size:x} 0" for size in SIZES[: len(SIZES) // 2]]
    words = {
        int(word, 16)
        for code in encoder(calls)
        for word in (
            code[i + 6 : i + 8] + code[i + 4 : i + 6] + code[i + 2 : i + 4] + code[i : i + 2]
            for i in range(0, len(code), 8)
        )
    }
    kinds = {0xD503245F: ~0, 0x58000000: 0xFF000000, 0x14000000: 0xFC000000, 0xD61F0000: 0xFFFFFC1F}
    kinds[0xD4200000] = ~0  # bti c, ldr (literal), b, br, brk
    assert [
        hex(w) for w in words if not any(w & mask == kind for kind, mask in kinds.items())
    ] == []


# ---- the build, the patch


@pytest.mark.slow
@pytest.mark.parametrize("target", ["6.1 x86_64", "6.12 x86_64", "6.1 arm64"])
def test_module_compiles_without_a_warning(target: str, tmp_path: Path) -> None:
    kernel, arch = target.split()
    fetch = ["sh", str(KERNEL / "packages.sh"), "headers", kernel, arch]
    headers = process.run(fetch, status=None, timeout=None)
    if headers.returncode == 2:
        pytest.skip(f"no headers of {target}: {headers.stderr.strip().splitlines()[-1]}")
    assert headers.returncode == 0, headers.stderr
    if arch == "arm64":
        tool("aarch64-linux-gnu", "gcc")
    env = {"KMOD_OUT": str(tmp_path), "KMOD_PACKAGES": str(ROOT / "build/kmod/packages")}
    done = process.run(["sh", str(KERNEL / "build.sh"), kernel, arch], env=env, timeout=None)
    assert "warning" not in done.stdout, done.stdout + done.stderr
    assert (tmp_path / f"{kernel}-{arch}" / "trampfd.ko").stat().st_size > 10000


def test_patch_is_what_the_sources_make() -> None:
    run(sys.executable, ROOT / "patches" / "linux" / "refresh.py", "--check")


def test_a_stale_patch_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    shutil.copytree(KERNEL, copy / "csrc" / "kernel")
    shutil.copytree(ROOT / "patches" / "linux", copy / "patches" / "linux")
    changed = copy / "csrc" / "kernel" / "target.c"
    changed.write_text(changed.read_text(encoding="utf-8") + "/* more */\n", encoding="utf-8")
    refresh: Sequence[str | Path] = [sys.executable, copy / "patches" / "linux" / "refresh.py"]
    done = process.run([*refresh, "--check"], status=1)
    assert "target.c" in done.stdout + done.stderr
