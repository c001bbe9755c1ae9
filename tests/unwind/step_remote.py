# SPDX-License-Identifier: MIT
"""step_remote - gdb's script: step a call through a closure, and unwind at each instruction.

Run by gdb itself (``gdb-multiarch -batch -x``) on a program that QEMU runs and stops for it
(``qemu-aarch64 -g SOCKET unwind stop SHAPE``); the environment names SOCKET and SHAPE. Without
SOCKET, gdb runs the program itself. At every instruction from the caller's branch until it is back,
the handler's own left out, the caller's frame must be found, with the stack pointer and the
registers that it had at the branch.
Prints ``stepped N wrong M``; each wrong one is named.
"""

from __future__ import annotations

import os

import gdb  # type: ignore[import-untyped]

#: By the beginning of gdb's name of the architecture: what a callee keeps, the stack pointer first,
#: and where it returns to, at its first instruction.
REGISTERS = {
    "aarch64": (("sp", *(f"x{n}" for n in range(19, 30))), "$x30"),
    "arm": (("sp", *(f"r{n}" for n in range(4, 12))), "$lr & ~1"),
    "i386": (("esp", "ebx", "esi", "edi", "ebp"), "*(unsigned *) $esp"),
    "riscv": (("sp", "fp", *(f"s{n}" for n in range(1, 12))), "$ra"),
    "loongarch": (("r3", *(f"r{n}" for n in range(22, 32))), "$r1"),
    "s390": (("r15", *(f"r{n}" for n in range(6, 14))), "$r14"),
    "powerpc": (("r1", *(f"r{n}" for n in range(14, 32))), "$lr"),
}
MOST = 5000


def of_the_machine() -> tuple[tuple[str, ...], str]:
    """Choose from REGISTERS."""
    name = gdb.newest_frame().architecture().name().lower()
    return next(found for isa, found in REGISTERS.items() if name.startswith(isa))


def quietly(command: str) -> None:
    """Run a gdb command without its output."""
    gdb.execute(command, to_string=True)


def registers(frame: gdb.Frame) -> dict[str, int]:
    """What a frame's callee keeps."""
    return {name: int(frame.read_register(name)) & (2**64 - 1) for name in of_the_machine()[0]}


def find(name: str) -> gdb.Frame | None:
    """The caller's frame, unwound to from where the program is."""
    frame = gdb.newest_frame()
    for _ in range(20):
        if frame is None or frame.name() == name:
            return frame
        frame = frame.older()
    return None


def leave_the_handler() -> None:
    """From the handler's first instruction to the one that it returns to."""
    quietly(f"tbreak *{int(gdb.parse_and_eval(of_the_machine()[1]))}")
    quietly("continue")


def main() -> None:
    """Step through one shape's call."""
    caller = f"caller_{os.environ['STEP_SHAPE']}"
    for setting in ("confirm off", "pagination off", "width 0", "debuginfod enabled off"):
        quietly(f"set {setting}")
    socket = os.environ.get("STEP_SOCKET")
    quietly(f"target remote {socket}" if socket else f"set args stop {os.environ['STEP_SHAPE']}")
    quietly(f"break {caller}")
    quietly("continue" if socket else "run")
    quietly("delete")
    # i386 calls a function to know where it is.
    while (gdb.newest_frame().name() or "").startswith((caller, "__x86.get_pc_thunk")):
        want = registers(gdb.newest_frame())
        quietly("stepi")
    stepped = wrong = 0
    while gdb.newest_frame().name() != caller and stepped < MOST:
        stepped += 1
        frame = find(caller)
        got = registers(frame) if frame else {}
        if got != want:
            wrong += 1
            differ = [name for name in want if got.get(name) != want[name]]
            print(f"{gdb.newest_frame().name()} {gdb.newest_frame().pc():#x}: {differ}")
        if gdb.newest_frame().name() == "on_call":
            leave_the_handler()
        else:
            quietly("stepi")
    print(f"stepped {stepped} wrong {wrong}")
    quietly("kill")


main()
