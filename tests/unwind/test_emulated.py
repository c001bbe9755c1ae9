# SPDX-License-Identifier: MIT
"""test_emulated - from a handler to the C caller on other architectures, under qemu-user.

The program's own unwinder reads signed return addresses, on a processor that signs them. gdb, which
steps through each call, runs it on one that does not: QEMU 7 does not tell gdb which bits are the
signature's.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from tests.arch.isas import ISAS
from tests.support.ctests import BUILD, ROOT, judge, run
from tests.support.emulated import ELSEWHERE, emulator, environment, program
from tests.support.process import output

HERE = ROOT / "tests" / "unwind"
SHAPES = re.findall(r'^    \{"(\w+)",\s*caller_', (HERE / "shapes.h").read_text(), re.MULTILINE)
#: A processor without what gdb cannot see through.
PLAIN = {"aarch64": "cortex-a57", "arm": "cortex-a15", "armel": "cortex-a15"}


@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("provider", ["resident", "file", "memfd"])
@pytest.mark.parametrize("how", ["backtrace", "throw"])
def test_unwinds_to_the_caller(isa: str, provider: str, how: str) -> None:
    env = {**environment(isa), "FFI_STATIC_PROVIDER": provider}
    judge(run(program(isa, "unwind/unwind"), how, "all", env=env, before=emulator(isa)))


@pytest.mark.parametrize("isa", ELSEWHERE)
def test_each_function_is_described_whole(isa: str) -> None:
    """To its end: an assembler has written a relocation over a size (entry_order_lp64.h)."""
    program(isa, "unwind/unwind")
    library = BUILD / isa / "lib/libffi_static.so.0"
    frames = output(["readelf", "--debug-dump=frames", library])
    described = dict(re.findall(r" FDE cie=\w+ pc=(\w+)\.\.(\w+)", frames))
    symbols = output(["readelf", "-sW", library])
    found = re.findall(r": (\w+) +(\w+) FUNC .* (fs_\w+)$", symbols, re.MULTILINE)
    ends = {name: (int(at, 16) & ~1) + int(size, 0) for at, size, name in found}
    starts = {name: f"{int(at, 16) & ~1:0{len(at)}x}" for at, _, name in found}
    wrong = {
        name: (hex(end), described[starts[name]])
        for name, end in ends.items()
        if starts[name] in described and int(described[starts[name]], 16) != end
    }
    assert wrong == {}
    assert sum(start in described for start in starts.values()) > 150


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
@pytest.mark.parametrize("shape", SHAPES)
def test_unwinds_at_every_instruction(
    isa: str, shape: str, tool: Callable[[str], str], tmp_path: Path
) -> None:
    gdb = tool("gdb-multiarch")
    made, socket = program(isa, "unwind/unwind"), tmp_path / "gdb"
    command = [gdb, "-q", "-nx", "-batch", "-ex", "set sysroot /"]
    command += ["-ex", f"set solib-search-path /usr/{ISAS[isa].triple}/lib"]
    command += ["-x", str(HERE / "step_remote.py"), str(made)]
    env = {"STEP_SHAPE": shape}
    if not emulator(isa):  # gdb runs it itself
        done = run(Path(command[0]), *command[1:], env=env)
    else:
        cpu = ("-cpu", PLAIN[isa]) if isa in PLAIN else ()
        with subprocess.Popen(
            [*emulator(isa), *cpu, "-g", str(socket), str(made), "stop", shape],
            stderr=subprocess.DEVNULL,
        ) as process:
            while not socket.exists() and process.poll() is None:
                time.sleep(0.01)
            env["STEP_SOCKET"] = str(socket)
            done = run(Path(command[0]), *command[1:], env=env)
            process.kill()
    if "Truncated register" in done.stdout + done.stderr:
        pytest.skip(f"{gdb} and QEMU do not agree on the registers of {isa}: one is too old")
    found = re.search(r"^stepped (\d+) wrong (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    assert int(found[1]) >= 10  # ARM's shortest way
    assert found[2] == "0", done.stdout
