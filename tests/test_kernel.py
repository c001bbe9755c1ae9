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
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parent.parent
KERNEL = ROOT / "csrc" / "kernel"
UAPI = KERNEL / "include" / "uapi" / "linux" / "trampfd.h"

ENDBR64 = bytes.fromhex("f30f1efa")
BLOCK = 4096
NONE = (1 << 64) - 1
X86 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
USABLE = {"x86_64": [r for r in range(16) if X86[r] != "rsp"], "aarch64": list(range(31))}
DATA = [0, 1, 0x7F, 0x80, 0xFFFF, 0x10000, 0x12345678, 0x7FFF_FFFF, 0x8000_0000, 0x7FFF_FFFF_EFFF]
CODE = 0x5555_AAAA_1230


def run(*command: str | Path, text: str = "") -> str:
    done = subprocess.run(
        [str(word) for word in command], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def tool(isa: str, name: str) -> str:
    """Name the architecture's program, or skip with what is missing."""
    found = name if os.uname().machine == isa else f"{isa}-linux-gnu-{name}"
    if shutil.which(found) is None:
        pytest.skip(f"not installed: {found} (`make test-arch` as root installs it)")
    return found


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
sizeof(struct trampfd_create) == 56 && TRAMPFD_CREATE_SIZE_V0 == 56
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
offsetof(struct trampfd_create, map_addr) == 48
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
TRAMPFD_OFFSET(0) == 0 && TRAMPFD_OFFSET(126) == 126 * 32 && TRAMPFD_OFFSET(127) == 4096
TRAMPFD_OFFSET(65535) == 516 * 4096 + 3 * 32
TRAMPFD_MAP_SIZE(1, 4096) == 4096 && TRAMPFD_MAP_SIZE(127, 4096) == 4096
TRAMPFD_MAP_SIZE(128, 4096) == 8192 && TRAMPFD_MAP_SIZE(128, 65536) == 65536
TRAMPFD_COMPACT_MAP_SIZE(256, 4096) == 4096 && TRAMPFD_COMPACT_MAP_SIZE(257, 4096) == 8192
TRAMPFD_COMPACT_MAP_SIZE(4096, 65536) == 65536 && TRAMPFD_COMPACT_OFFSET(255) == 4080
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


@pytest.fixture(scope="module", params=["x86_64", "aarch64"])
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Encoder:
    """The module's encoder of one architecture, compiled for this machine."""

    def __init__(self, isa: str, folder: Path) -> None:
        self.isa = isa
        kernel_name = {"x86_64": "x86", "aarch64": "arm64"}[isa]
        source = KERNEL / f"encode_{kernel_name}.c"
        named = "".join(path.read_text(encoding="utf-8") for path in (source, *KERNEL.glob("*.h")))
        for header in re.findall(r"#include <(linux/\w+\.h)>", named):
            if header not in {"linux/types.h", "linux/ioctl.h", "linux/errno.h"}:
                empty = folder / "include" / header
                empty.parent.mkdir(parents=True, exist_ok=True)
                empty.touch()
        self.program = folder / "encode"
        includes = [f"-I{folder}/include", f"-I{KERNEL}", f"-I{KERNEL}/include"]
        flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-arith"]
        shim = ["-include", str(ROOT / "tests" / "kernel" / "kernel.h")]
        sanitizer = ["-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-recover"]
        driver = ROOT / "tests" / "kernel" / "encode.c"
        run("gcc", *flags, *sanitizer, *includes, *shim, source, driver, "-o", self.program)

    def __call__(self, calls: Iterable[str]) -> list[str]:
        return run(self.program, text="".join(f"{call}\n" for call in calls)).splitlines()


@pytest.fixture(scope="module")
def encoder(isa: str, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(isa, tmp_path_factory.mktemp(f"encode-{isa}"))


def assembled(isa: str, source: str, folder: Path) -> bytes:
    (folder / "case.S").write_text(source, encoding="utf-8")
    run(tool(isa, "as"), folder / "case.S", "-o", folder / "case.o")
    run(tool(isa, "objcopy"), "-O", "binary", "-j", ".text", folder / "case.o", folder / "case.bin")
    return (folder / "case.bin").read_bytes()


def split(code: bytes, size: int) -> list[str]:
    return [code[i : i + size].hex() for i in range(0, len(code), size)]


def absolute_x86(data: int, register: int, code_register: int, each: bool, code: int) -> str:
    where = 24 if each else BLOCK - 8
    if code_register == NONE:
        leave = f"jmp *start\\@ + {where}(%rip)"
    else:
        name = X86[code_register]
        leave = f"mov start\\@ + {where}(%rip), %{name}; jmp *%{name}"
    return f"""endbr64; movabs ${data}, %{X86[register]}; {leave}
        .fill 24 - (. - start\\@), 1, 0xcc
        {f".quad {code}" if each else ".fill 8, 1, 0xcc"}"""


def absolute_arm64(data: int, register: int, code_register: int, each: bool, code: int) -> str:
    through = 16 if code_register == NONE else code_register
    parts = [data >> shift & 0xFFFF for shift in (0, 16, 32)]
    return f"""hint 34; movz x{register}, {parts[0]}
        movk x{register}, {parts[1]}, lsl 16; movk x{register}, {parts[2]}, lsl 32
        ldr x{through}, start\\@ + {24 if each else BLOCK - 8}; br x{through}
        {f".quad {code}" if each else "brk 0; brk 0"}"""


def absolute_cases(isa: str) -> list[tuple[int, int, int, bool, int]]:
    registers = USABLE[isa]
    cases = [
        (DATA[(r + c) % len(DATA)], r, c, each, CODE)
        for each in (False, True)
        for r, c in itertools.product(registers, [NONE, *registers])
        if r != c and not (isa == "aarch64" and c == NONE and r == 16)
    ]
    return cases + [(data, registers[-1], NONE, False, CODE) for data in DATA]


def test_every_pair_of_registers_is_encoded_as_the_assembler_does(
    encoder: Encoder, tmp_path: Path
) -> None:
    cases = absolute_cases(encoder.isa)
    text = absolute_x86 if encoder.isa == "x86_64" else absolute_arm64
    bodies = "".join(
        f".macro m{i}\nstart\\@:\n{text(*case)}\n.endm\nm{i}\n" for i, case in enumerate(cases)
    )
    wanted = split(assembled(encoder.isa, bodies, tmp_path), 32)
    got = encoder(
        f"absolute {d:x} {r:x} {c:x} {int(each)} {code:x}" for d, r, c, each, code in cases
    )
    assert len(got) == len(cases) > 400
    wrong = [(case, g, w) for case, g, w in zip(cases, got, wanted) if g != w]
    assert wrong == []


def test_registers_are_all_but_the_stack_pointer(encoder: Encoder) -> None:
    machine, registers = encoder(["about"])[0].split()
    assert int(registers, 16) == sum(1 << r for r in USABLE[encoder.isa])
    assert int(machine) == {"x86_64": 62, "aarch64": 183}[encoder.isa]


def library_table(isa: str, tmp_path: Path) -> bytes:
    """Give the code of the library's own table, assembled and linked from csrc/arch."""
    obj, linked = tmp_path / "table.o", tmp_path / "table.so"
    arch = ROOT / "csrc" / "arch" / isa
    run(tool(isa, "gcc"), "-c", f"-I{arch}", f"-I{ROOT}/csrc", arch / "table.S", "-o", obj)
    flags = ["-shared", "--unresolved-symbols=ignore-all"]
    # hidden symbols of the library's C would be asked for: only the table is wanted
    strip = ["--globalize-symbol=fs_report_freed", "--weaken"]
    run(tool(isa, "objcopy"), *strip, obj)
    run(tool(isa, "ld"), *flags, obj, "-o", linked)
    symbols = run(tool(isa, "nm"), linked)
    found = re.search(r"^(\w+) \w fs_table_code$", symbols, re.MULTILINE)
    assert found
    run(tool(isa, "objcopy"), "-O", "binary", "-j", ".text", linked, tmp_path / "text")
    sections = run(tool(isa, "objdump"), "-h", linked)
    text = re.search(r" \.text +\w+ +(\w+)", sections)
    assert text
    start = int(found[1], 16) - int(text[1], 16)
    return (tmp_path / "text").read_bytes()[start : start + 65536]


def test_compact_form_is_the_librarys_own_table(encoder: Encoder, tmp_path: Path) -> None:
    register = {"x86_64": 10, "aarch64": 17}[encoder.isa]
    base = 0x7F12_3456_0000
    table = split(library_table(encoder.isa, tmp_path), 16)
    indices = [i for i in range(4096) if i and i % 256 != 255]
    places = [(base + 16 * i, base + 65536 + 64 * i, 4080 - 16 * i % BLOCK) for i in indices]
    got = encoder(f"compact {pc:x} {data:x} {register:x} {stub:x}" for pc, data, stub in places)
    assert len(got) == 4079
    assert [i for i, code in zip(indices, got) if code != table[i]] == []


def reach(isa: str) -> tuple[list[int], list[int]]:
    """Give distances from a trampoline to data that its instructions can and cannot span."""
    if isa == "x86_64":  # from the end of the lea, 32 bits
        return [11 - (1 << 31), 11 + (1 << 31) - 1, 11, 0], [10 - (1 << 31), 11 + (1 << 31)]
    pages = 1 << 20  # adrp counts pages, from the start of its own
    return [4 - pages, 3 + pages, 4 + pages, -pages, -(pages << 12), (pages << 12) - 1], [
        -(pages << 12) - 1,
        pages << 12,
    ]


def test_compact_form_reaches_as_far_as_documented_and_no_further(encoder: Encoder) -> None:
    pc = 0x5555_0000_0000
    near, far = reach(encoder.isa)
    got = encoder(f"compact {pc:x} {pc + d:x} 9 ff0" for d in near)
    assert [g for g in got if len(g) != 32] == []
    assert encoder(f"compact {pc:x} {pc + d:x} 9 ff0" for d in far) == ["ERANGE"] * len(far)


def loaded_arm64(code: bytes, pc: int) -> int:
    """Follow adr, or adrp and add, as the manual defines them."""
    first, second = (int.from_bytes(code[i : i + 4], "little") for i in (4, 8))
    offset = (first >> 5 & 0x7FFFF) << 2 | first >> 29 & 3
    offset -= (offset & 1 << 20) << 1
    if first >> 31:
        return ((pc + 4) >> 12 << 12) + (offset << 12) + (second >> 10 & 0xFFF)
    return pc + 4 + offset


def loaded(isa: str, code: bytes, pc: int) -> int:
    if isa == "aarch64":
        return loaded_arm64(code, pc)
    return pc + 11 + int.from_bytes(code[7:11], "little", signed=True)


def test_compact_form_loads_the_very_address(encoder: Encoder) -> None:
    page = 0x5555_0000_0000
    near, _ = reach(encoder.isa)
    distances = [*range(-70000, 70000, 777), *range(-(1 << 30), 1 << 30, 12345677)]
    cases = [(page, d) for d in near] + [(page + 0xAB0, d) for d in distances]
    got = encoder(f"compact {pc:x} {pc + d:x} 9 ff0" for pc, d in cases)
    pairs = [(pc, d, bytes.fromhex(g)) for (pc, d), g in zip(cases, got)]
    assert [(pc, d) for pc, d, code in pairs if loaded(encoder.isa, code, pc) != pc + d] == []


def test_stub_jumps_through_its_own_literal(encoder: Encoder, tmp_path: Path) -> None:
    text = {
        "x86_64": "jmp *2(%rip); int3; int3",
        "aarch64": "ldr x16, . + 8; br x16",
    }[encoder.isa]
    wanted = assembled(encoder.isa, f"{text}; .quad {CODE}\n", tmp_path)
    assert encoder([f"stub {CODE:x}"]) == [wanted.hex()]


def test_padding_traps_and_tells_nothing(encoder: Encoder, tmp_path: Path) -> None:
    text = {"x86_64": "int3\n" * 16, "aarch64": "brk 0\n" * 4}[encoder.isa]
    assert encoder(["pad"]) == [assembled(encoder.isa, text, tmp_path).hex()]


# ---- landing pads where none should be


def pads_at(code: bytes) -> list[int]:
    return [i for i in range(len(code) - 3) if code[i : i + 4] == ENDBR64]


def hiding(value: int) -> list[int]:
    """Give addresses of 47 bits with the landing pad's bytes at every place in them."""
    found = []
    for shift in range(0, 40, 8):
        address = value << shift | 0x11 & ((1 << shift) - 1)
        if address < 1 << 47 or shift == 16:
            found.append(address & (1 << 57) - 1)
    return found


def test_x86_refuses_addresses_that_hold_a_landing_pad(tmp_path: Path) -> None:
    encoder = Encoder("x86_64", tmp_path)
    pad = int.from_bytes(ENDBR64, "little")
    bad = hiding(pad)
    assert len(bad) >= 3
    calls = [f"absolute {a:x} a {NONE:x} 0 {CODE:x}" for a in bad]
    calls += [f"absolute 1000 a {NONE:x} {each} {a:x}" for a in bad for each in (0, 1)]
    calls += [f"stub {a:x}" for a in bad]
    pc = 0x5555_0000_0000
    calls += [f"compact {pc:x} {pc + 11 + pad - (1 << 32):x} a ff0"]
    assert encoder(calls) == ["EILSEQ"] * len(calls)


def test_x86_writes_no_landing_pad_but_the_first(tmp_path: Path) -> None:
    """Every address made of the pad's own bytes: whatever is let through hides none."""
    encoder = Encoder("x86_64", tmp_path)
    parts = [*ENDBR64, 0]
    values = [
        int.from_bytes(bytes(choice), "little")
        for choice in itertools.product(parts, repeat=6)
        if choice[5] < 0x80
    ]
    registers = [(0, NONE), (10, NONE), (3, 15), (15, 3)]
    calls: list[str] = []
    for i, value in enumerate(values):
        register, code_register = registers[i % 4]
        calls.append(f"absolute {value:x} {register:x} {code_register:x} 1 {values[-i]:x}")
    got = encoder(calls)
    written = [bytes.fromhex(g) for g in got if g != "EILSEQ"]
    assert 1000 < len(written) < len(values)
    # with another trampoline behind, as in a table
    assert [w.hex() for w in written if pads_at(w + ENDBR64) != [0, 32]] == []


# ---- the build, the patch


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    return subprocess.run(
        ["make", "-s", "-C", str(ROOT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["6.1 x86_64", "6.12 x86_64", "6.1 arm64"])
def test_module_compiles_without_a_warning(target: str, tmp_path: Path) -> None:
    kernel, arch = target.split()
    headers = subprocess.run(
        ["sh", str(KERNEL / "packages.sh"), "headers", kernel, arch],
        capture_output=True,
        text=True,
        check=False,
    )
    if headers.returncode == 2:
        pytest.skip(f"no headers of {target}: {headers.stderr.strip().splitlines()[-1]}")
    assert headers.returncode == 0, headers.stderr
    if arch == "arm64":
        tool("aarch64", "gcc")
    env = dict(os.environ, KMOD_OUT=str(tmp_path), KMOD_PACKAGES=str(ROOT / "build/kmod/packages"))
    done = subprocess.run(
        ["sh", str(KERNEL / "build.sh"), kernel, arch],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert (done.returncode, "warning" in done.stdout) == (0, False), done.stdout + done.stderr
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
    done = subprocess.run(
        [*map(str, refresh), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "target.c" in done.stdout + done.stderr
