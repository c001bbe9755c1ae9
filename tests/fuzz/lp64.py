# SPDX-License-Identifier: MIT
"""lp64 - how RISC-V and LoongArch (LP64D) pass a type (see `isa`).

RISC-V ELF psABI, "Hardware Floating-point Calling Convention"; LoongArch psABI, "Procedure Calling
Convention".
"""

from __future__ import annotations

from . import model as m

IN_REGISTERS = 16
#: Bytes of arguments, which a caller has twice in its frame, with room for what it keeps.
LARGE = 1000
#: The kinds of a flattened struct's members: f floating, i integer, ? neither.
Kinds = list[str]


def _members(kind: m.Type) -> Kinds:
    if isinstance(kind, m.Scalar):
        if kind == m.POINTER:
            return ["?"]
        return ["?" if x.kind == "x" else "f" if x.kind == "f" else "i" for x in kind.leaves]
    if kind.union:
        return ["?"]
    return [k for inner, n in kind.members for k in _members(inner) * (n or 1)]


def flattened(kind: m.Type) -> bool:
    """Whether its members may go in registers of their own, one of them a floating-point one."""
    kinds = _members(kind)
    return len(kinds) <= 2 and "f" in kinds and "?" not in kinds


def _has_complex_integers(kind: m.Type) -> bool:
    if isinstance(kind, m.Scalar):
        return kind in m.COMPLEX_INTEGERS
    return any(_has_complex_integers(inner) for inner, _ in kind.members)


def clang_fails(kinds: list[m.Type]) -> bool:
    """Whether clang 14 compiles a call of these types wrongly.

    clang passes a struct around a complex integer in two general registers, a part in each. And a
    function whose frame is larger than 4 KiB saves a register in its caller's frame.
    """
    structs = [k for k in kinds if isinstance(k, m.Struct)]
    return any(map(_has_complex_integers, structs)) or sum(k.size for k in kinds) > LARGE


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through the pointer in a0."""
    return kind is not None and kind.size > IN_REGISTERS and not flattened(kind)


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last word and does not change how it is passed, or ''."""
    room = -kind.size % m.WORD
    return f"unsigned char pad[{room}];" if room and not flattened(kind) else ""
