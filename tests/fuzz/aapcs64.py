# SPDX-License-Identifier: MIT
"""aapcs64 - how AArch64 passes a type: AAPCS64, 5.9.5 and 6.8 (see `isa`)."""

from __future__ import annotations

from . import model as m

#: The most members that a homogeneous aggregate has, and the most bytes that registers hold.
HOMOGENEOUS, IN_REGISTERS = 4, 16


def _width(leaf: m.Leaf) -> int:
    return 16 if leaf.kind == "x" else leaf.size


def _count(kind: m.Type) -> tuple[int, set[tuple[str, int]]]:
    """How many members an aggregate of one type has, and the types of its members."""
    if isinstance(kind, m.Scalar):
        leaves = [("x" if x.kind == "x" else x.kind, _width(x)) for x in kind.leaves]
        return len(leaves), set(leaves)
    parts = [(inner, _count(inner), n or 1) for inner, n in kind.members]
    counts = [n * count for _, (count, _), n in parts]
    types = {t for _, (_, of), _ in parts for t in of}
    count = max(counts) if kind.union else sum(counts)
    if len(types) == 1 and kind.size != count * next(iter(types))[1]:
        types.add(("padding", 0))
    return count, types


def homogeneous(kind: m.Type, most: int = HOMOGENEOUS) -> bool:
    """Whether it goes in as many vector registers as it has members."""
    if isinstance(kind, m.Scalar):
        return all(x.kind in "fx" for x in kind.leaves)
    count, types = _count(kind)
    return count <= most and len(types) == 1 and next(iter(types))[0] in "fx"


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through x8."""
    return kind is not None and kind.size > IN_REGISTERS and not homogeneous(kind)


def clang_fails(kinds: list[m.Type]) -> bool:
    """Whether clang 14 passes one of them differently from gcc: packed long doubles, on the stack.

    Packed members have no natural alignment of 16, so the argument follows the last one (C.4).
    clang puts the argument at a multiple of 16.
    """
    structs = [k for k in kinds if isinstance(k, m.Struct) and k.align < IN_REGISTERS]
    return any(homogeneous(k) and all(x.kind == "x" for x in k.leaves) for k in structs)


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last word and does not change how it is passed, or ''."""
    room = -kind.size % m.WORD
    return f"unsigned char pad[{room}];" if room and not homogeneous(kind) else ""


def wide(kind: m.Scalar) -> str:
    """The C type whose value fills the same register or stack word."""
    return kind.name if kind == m.CFLOAT else kind.wide


def leaf(x: m.Leaf) -> m.Leaf:
    """A long double has 16 bytes, all of which carry its value."""
    return m.Leaf(x.offset, 16, "f") if x.kind == "x" else x
