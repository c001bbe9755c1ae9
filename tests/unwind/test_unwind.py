# SPDX-License-Identifier: MIT
"""test_unwind - from a handler to the C caller: backtrace(), exceptions, gdb, at every instruction.

With a signal's PC inside a *mapped* trampoline the unwinder needs a description that it was given
at run time, FFI_STATIC_UNWIND=1 (csrc/tramp/unwind.h says why not always); nowhere else does it.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Callable

import pytest

from tests.support import process
from tests.support.ctests import BUILD, PROVIDERS, ROOT, build, judge, run

if platform.machine() != "x86_64":
    pytest.skip("steps through x86-64 instructions", allow_module_level=True)

HERE = ROOT / "tests" / "unwind"
SHAPES = re.findall(r'^    \{"(\w+)",\s*caller_', (HERE / "shapes.h").read_text(), re.MULTILINE)
UNWIND, STEP = BUILD / "tests" / "unwind" / "unwind", BUILD / "tests" / "unwind" / "step"

each_provider = pytest.mark.parametrize("provider", PROVIDERS)
each_shape = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    build("tests-unwind")


def test_shapes_were_found() -> None:
    assert len(SHAPES) >= 16


@each_provider
@each_shape
def test_backtrace_reaches_the_caller(provider: str, shape: str) -> None:
    judge(run(UNWIND, "backtrace", shape, env={"FFI_STATIC_PROVIDER": provider}))


@each_provider
@each_shape
def test_exception_passes_to_the_caller(provider: str, shape: str) -> None:
    judge(run(UNWIND, "throw", shape, env={"FFI_STATIC_PROVIDER": provider}))


@each_provider
@each_shape
def test_unwinds_at_every_instruction(provider: str, shape: str) -> None:
    env = {"FFI_STATIC_PROVIDER": provider, "FFI_STATIC_UNWIND": "1"}
    judge(run(STEP, "unwind", shape, env=env))


@each_provider
def test_unwinds_at_every_instruction_outside_a_mapped_trampoline(provider: str) -> None:
    env = {"FFI_STATIC_PROVIDER": provider}
    judge(run(STEP, "unwind" if provider == "resident" else "unwind-outside", "all", env=env))


@pytest.mark.parametrize("shape", SHAPES)
def test_control_without_frame_description_is_found(shape: str) -> None:
    done = run(STEP, "control-unwind", shape)
    assert done.returncode == 1, done.stdout
    assert "does not reach the caller" in done.stdout


GDB = """\
set confirm off
set pagination off
set width 0
set debuginfod enabled off
set breakpoint pending on
break stop_here
commands
  silent
  printf "== %s\\n", shape
  backtrace
  continue
end
run stop all
"""


@each_provider
def test_gdb_backtrace(provider: str, tool: Callable[[str], str], tmp_path: Path) -> None:
    gdb = tool("gdb")
    script = tmp_path / "script"
    script.write_text(GDB)
    done = run(
        Path(gdb), "-q", "-nx", "-batch", "-x", str(script), str(UNWIND),
        env={"FFI_STATIC_PROVIDER": provider},
    )  # fmt: skip
    text = done.stdout + done.stderr
    if "Operation not permitted" in text and "== " not in text:
        pytest.skip("gdb may not trace a process here (ptrace: Operation not permitted)")
    blocks = dict(re.findall(r"^== (\w+)\n((?:#.*\n?)+)", done.stdout, re.MULTILINE))
    assert sorted(blocks) == sorted(SHAPES), text
    for shape, block in blocks.items():
        frames = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+)", block, re.MULTILINE)
        assert frames[:2] == ["stop_here", "on_call"], block
        assert f"caller_{shape}" in frames, block
        at = frames.index(f"caller_{shape}")
        wanted = {0} if shape == "nothing" else {1, 2}  # there its handler is jumped to
        assert all(f.startswith("fs_") for f in frames[2:at]) and at - 2 in wanted, block
        assert frames[-1] == "main", block


def test_stripped_library_still_unwinds(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Distributions strip: .eh_frame must do, without .symtab and .debug_frame."""
    folder = tmp_path_factory.mktemp("stripped")
    made = folder / "libffi_static.so.0"
    process.run(["strip", "-o", made, BUILD / "lib" / "libffi_static.so.0"])
    for provider in PROVIDERS:
        env = {"FFI_STATIC_PROVIDER": provider, "LD_LIBRARY_PATH": str(folder)}
        judge(run(UNWIND, "throw", "all", env=env))
        judge(run(STEP, "unwind", "all", env={**env, "FFI_STATIC_UNWIND": "1"}))
