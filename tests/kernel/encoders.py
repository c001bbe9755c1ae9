# SPDX-License-Identifier: MIT
"""encoders - the module's encoders as programs, and what the assembler is asked for instead.

Each of ``csrc/kernel/encode_*.c`` is compiled for the machine that runs the tests, with encode.c,
which calls it. Beside it are the same trampolines in assembly, from the header's text.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from tests.arch import elf
from tests.support.process import output

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "csrc" / "kernel"
BLOCK = 4096
NONE = (1 << 64) - 1
X86 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
I386 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
#: How far the constants can be before the code: all that a table can have, in either form.
MOST = 16384 * 32
SIZES = list(range(BLOCK, MOST + 1, BLOCK))


def run(*command: str | Path, text: str = "") -> str:
    """Run a command for what it prints."""
    return output(command, input=text)


def tool(prefix: str, name: str) -> str:
    """Name the architecture's program, or skip with what is missing."""
    found = name if prefix == f"{os.uname().machine}-linux-gnu" else f"{prefix}-{name}"
    if shutil.which(found) is None:
        pytest.skip(f"not installed: {found} (`make test-arch` as root installs it)")
    return found


@dataclass(frozen=True)
class Isa:
    """One encoder: where it is, its registers, and its code in assembly.

    Texts are given how far the constants are, and registers. ``start\\@`` is a trampoline's own
    address; ``n`` is its number in its block. What is left of its room is filled with ``pad``,
    which traps.
    """

    source: str
    machine: int  # as ELF has it
    prefix: str  # of its tools
    data: tuple[int, ...]
    code: tuple[int, ...]
    spent: int  # on a jump, where no register is named; NONE: none
    pad: bytes
    absolute: Callable[[int, int, int], str]
    compact: Callable[[int, int, int], str]
    stub: Callable[[int, int], str]
    arch: str = "trampfd_native"
    options: tuple[str, ...] = ()


def absolute_x86(size: int, register: int, code_register: int) -> str:
    """A landing pad, a load and a jump through memory; or two loads."""
    data, code = (f"start\\@ - {size} + {at}(%rip)" for at in (16, 24))
    leave = f"jmp *{code}"
    if code_register != NONE:
        leave = f"mov {code}, %{X86[code_register]}; jmp *%{X86[code_register]}"
    return f"endbr64; mov {data}, %{X86[register]}; {leave}"


def compact_x86(size: int, register: int, n: int) -> str:
    """The jump has 32 bits even where 8 would do."""
    load = f"mov start\\@ - {size} + 16(%rip), %{X86[register]}"
    return f"endbr64; {load}; .byte 0xe9; .long {(255 - n) * 16 - 16}"


def here_i386(register: int) -> str:
    """Where we are, 10 bytes behind the start."""
    return f"endbr32; nop; call h\\@; h\\@: pop %{I386[register]}"


def absolute_i386(size: int, register: int, code_register: int) -> str:
    """Both loads are from the register that says where we are."""
    c = I386[0 if code_register == NONE else code_register]
    loads = f"mov {6 - size}(%{c}), %{I386[register]}; mov {14 - size}(%{c}), %{c}"
    return f"{here_i386(I386.index(c))}; {loads}; jmp *%{c}"


def compact_i386(_size: int, _register: int, n: int) -> str:
    """The load is in the stub."""
    return f"{here_i386(0)}; .byte 0xe9; .long {(255 - n) * 16 - 16}"


def stub_i386(size: int, register: int) -> str:
    """The load, and the jump by the block's address."""
    load = f"mov {6 - size}(%eax), %{I386[register]}"
    return f"{load}; andw $0xf000, %ax; jmp *{-size}(%eax)"


def absolute_arm64(size: int, register: int, code_register: int) -> str:
    """X16 is spent where no other is named."""
    through = 16 if code_register == NONE else code_register
    return f"""hint 34; ldr x{register}, start\\@ - {size} + 16
        ldr x{through}, start\\@ - {size} + 24; br x{through}"""


def absolute_arm32(size: int, register: int, code_register: int) -> str:
    """The distance is eight bits, 20 to the left of the last."""
    c = 12 if code_register == NONE else code_register
    loads = f"ldr r{register}, [r{c}, #8]; ldr r{c}, [r{c}, #16]"
    return f"sub r{c}, pc, #{size >> 12}, 20; {loads}; bx r{c}"


def compact_arm32(size: int, register: int, n: int) -> str:
    """By ip."""
    start = f"sub ip, pc, #{size >> 12}, 20; ldr r{register}, [ip, #8]"
    return f"{start}; b start\\@ + {(255 - n) * 16}"


def load_power(register: int, distance: int) -> str:
    """From r12; an upper part, and a lower one that is signed."""
    upper = (distance + 0x8000) >> 16
    load = f"ld {register}, {distance - (upper << 16)}({register})"
    return f"addis {register}, 12, {upper}; {load}"


def absolute_power(size: int, register: int, code_register: int) -> str:
    """R12 is what all is found from, so it is loaded last."""
    c = 12 if code_register == NONE else code_register
    data, code = load_power(register, 16 - size), f"{load_power(c, 24 - size)}; mtctr {c}"
    return f"{data}; {code}; bctr" if c == 12 else f"{code}; {data}; bctr"


def compact_power(size: int, register: int, n: int) -> str:
    """A load, and where the block begins, for the stub."""
    load = load_power(register, 16 - size)
    return f"{load}; clrrdi 12, 12, 12; b start\\@ + {(255 - n) * 16}"


def load_riscv(register: int, distance: int) -> str:
    """An upper part, and a lower one that is signed."""
    upper = (distance + 0x800) >> 12
    load = f"ld x{register}, {distance - (upper << 12)}(x{register})"
    return f"auipc x{register}, {upper & 0xFFFFF:#x}; {load}"


def absolute_riscv(size: int, register: int, code_register: int) -> str:
    """T3 is spent where no other is named."""
    c = 28 if code_register == NONE else code_register
    loads = f"{load_riscv(register, 12 - size)}; {load_riscv(c, 12 - size)}"
    return f".word 0x17; {loads}; jr x{c}"


def compact_riscv(size: int, register: int, n: int) -> str:
    """A landing pad, a load, a jump: all of its room."""
    return f".word 0x17; {load_riscv(register, 12 - size)}; j start\\@ + {(255 - n) * 16}"


def load_loongarch(register: int, distance: int) -> str:
    """The address in words, and what is there."""
    return f"pcaddi $r{register}, {distance >> 2}; ld.d $r{register}, $r{register}, 0"


def absolute_loongarch(size: int, register: int, code_register: int) -> str:
    """T1 is spent where no other is named."""
    c = 13 if code_register == NONE else code_register
    return f"{load_loongarch(register, 16 - size)}; {load_loongarch(c, 16 - size)}; jr $r{c}"


def absolute_s390(size: int, register: int, code_register: int) -> str:
    """R1 is spent where no other is named."""
    c = 1 if code_register == NONE else code_register
    loads = [f"lgrl %r{r}, start\\@ - {size} + {at}" for r, at in ((register, 16), (c, 24))]
    return f"{'; '.join(loads)}; br %r{c}"


def but(count: int, *left_out: int) -> tuple[int, ...]:
    """So many registers, but these."""
    return tuple(r for r in range(count) if r not in left_out)


ISAS = {
    "x86_64": Isa(
        "x86",
        62,
        "x86_64-linux-gnu",
        but(16, 4),
        but(16, 4),
        NONE,
        b"\xcc",
        absolute_x86,
        compact_x86,
        lambda size, _: f"jmp *start\\@ - {4080 + size}(%rip)",
    ),
    "i386": Isa(
        "i386",
        3,
        "x86_64-linux-gnu",
        but(8, 4),
        but(8, 4),
        0,
        b"\xcc",
        absolute_i386,
        compact_i386,
        stub_i386,
        "trampfd_compat",
        ("--32",),
    ),
    "aarch64": Isa(
        "arm64",
        183,
        "aarch64-linux-gnu",
        but(31),
        but(31),
        16,
        bytes.fromhex("000020d4"),
        absolute_arm64,
        lambda size, r, n: (
            f"hint 34; ldr x{r}, start\\@ - {size} + 16; b start\\@ + {(255 - n) * 16}"
        ),
        lambda size, _: f"ldr x16, start\\@ - {4080 + size}; br x16",
    ),
    "arm": Isa(
        "arm32",
        40,
        "arm-linux-gnueabihf",
        but(16, 13, 15),
        but(16, 13, 15),
        12,
        bytes.fromhex("f000f0e7"),
        absolute_arm32,
        compact_arm32,
        lambda size, _: f"sub ip, pc, #{size >> 12}, 20; ldr ip, [ip, #-4088]; bx ip",
        "trampfd_compat",
    ),
    "powerpc64le": Isa(
        "ppc64le",
        21,
        "powerpc64le-linux-gnu",
        but(32, 0, 1),
        but(32, 0, 1),
        12,
        bytes.fromhex("0800e07f"),
        absolute_power,
        compact_power,
        lambda size, _: f"{load_power(12, -size)}; mtctr 12; bctr",
    ),
    "riscv64": Isa(
        "riscv",
        243,
        "riscv64-linux-gnu",
        but(32, 0, 2),
        but(32, 0, 2),
        28,
        bytes.fromhex("73001000"),
        absolute_riscv,
        compact_riscv,
        lambda size, _: f"{load_riscv(28, -4080 - size)}; jr x28",
        options=("-march=rv64g", "-mno-relax"),
    ),
    "loongarch64": Isa(
        "loongarch",
        258,
        "loongarch64-linux-gnu",
        but(32, 0, 3),
        but(32, 0, 3),
        13,
        bytes.fromhex("00002a00"),
        absolute_loongarch,
        lambda size, r, n: f"{load_loongarch(r, 16 - size)}; b start\\@ + {(255 - n) * 16}",
        lambda size, _: f"{load_loongarch(13, -4080 - size)}; jr $r13",
        options=("-mno-relax",),
    ),
    "s390x": Isa(
        "s390",
        22,
        "s390x-linux-gnu",
        but(16, 15),
        but(16, 0, 15),
        1,
        b"\0",
        absolute_s390,
        lambda size, r, n: (f"lgrl %r{r}, start\\@ - {size} + 16; jg start\\@ + {(255 - n) * 16}"),
        lambda size, _: f"lgrl %r1, start\\@ - {4080 + size}; br %r1",
        options=("-march=z10",),
    ),
}


class Encoder:
    """The module's encoder of one architecture, compiled for this machine."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.isa = name, ISAS[name]
        source = KERNEL / f"encode_{self.isa.source}.c"
        named = "".join(path.read_text(encoding="utf-8") for path in (source, *KERNEL.glob("*.h")))
        for header in re.findall(r"#include <((?:linux|asm)/[\w/]+\.h)>", named):
            if header not in {"linux/types.h", "linux/ioctl.h", "linux/errno.h"}:
                empty = folder / "include" / header
                empty.parent.mkdir(parents=True, exist_ok=True)
                empty.touch()
        self.program = folder / "encode"
        includes = [f"-I{folder}/include", f"-I{KERNEL}", f"-I{KERNEL}/include"]
        flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-arith"]
        flags += ["-Wno-unused-parameter", f"-DARCH={self.isa.arch}"]  # the kernel's has it off
        shim = ["-include", str(ROOT / "tests" / "kernel" / "kernel.h")]
        sanitizer = ["-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-recover"]
        driver = ROOT / "tests" / "kernel" / "encode.c"
        run("gcc", *flags, *sanitizer, *includes, *shim, source, driver, "-o", self.program)

    def __call__(self, calls: Iterable[str]) -> list[str]:
        """Give the bytes of each call, in hexadecimal."""
        return run(self.program, text="".join(f"{call}\n" for call in calls)).splitlines()


def assembled(isa: Isa, texts: Iterable[str], room: int, folder: Path) -> list[str]:
    """Give what each text is in machine code, padded to `room` bytes, in hexadecimal."""
    bodies = [f".text\n.skip {MOST}\n"]  # what the loads name lies before the first
    for i, text in enumerate(texts):
        body = f"start\\@: {text}\nend{i}: .org start\\@ + {room}"
        bodies.append(f".macro m{i}\n{body}\n.endm\nm{i}\n")
    (folder / "case.s").write_text("".join(bodies), encoding="utf-8")
    run(tool(isa.prefix, "as"), *isa.options, folder / "case.s", "-o", folder / "case.o")
    made = elf.read(folder / "case.o")
    ends = {symbol.name: symbol.value for symbol in made.symbols}
    code = made.sections[".text"].data
    wanted = []
    for i in range(len(bodies) - 1):
        exact = code[MOST + i * room : ends[f"end{i}"]]
        wanted.append((exact + isa.pad * room)[:room].hex())
    return wanted
