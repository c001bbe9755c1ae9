# SPDX-License-Identifier: MIT
"""i386 - i386's types, and how its conventions pass them: psABI, gcc's manual (see `isa`)."""

from __future__ import annotations

from dataclasses import replace

from . import model as m
from .signature import Signature

WORD = 4
#: How many integers are in registers.
REGISTERS = {"": 0, "stdcall": 0, "thiscall": 1, "fastcall": 2}


def _long_double(kind: m.Scalar) -> m.Scalar:
    parts = len(kind.leaves)
    leaves = tuple(m.Leaf(12 * i, 10, "x") for i in range(parts))
    return replace(kind, size=12 * parts, align=WORD, leaves=leaves)


def scalar(kind: m.Scalar) -> m.Scalar:
    """The type of this name: long, pointers and alignments have 4 bytes, a long double has 12."""
    if kind in (m.LDOUBLE, m.CLDOUBLE):
        return _long_double(kind)
    if kind is m.COMPLEX_INTEGERS[3]:
        like = m.COMPLEX_INTEGERS[2]
        return replace(kind, size=like.size, align=like.align, leaves=like.leaves)
    if kind is m.POINTER:
        kind = replace(kind, size=WORD, leaves=m.INT32.leaves)
    wide = "uint32_t" if kind.size <= WORD and kind.wide == "uint64_t" else kind.wide
    return replace(kind, align=min(kind.align, WORD), wide=wide)


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through the hidden pointer."""
    if isinstance(kind, m.Scalar):
        return len(kind.leaves) == 2 and kind.size > 2 * WORD
    return kind is not None


def x87_depth(kind: m.Type | None) -> int:
    """How many x87 registers hold a result of this type: 0 or 1."""
    one = isinstance(kind, m.Scalar) and len(kind.leaves) == 1
    return int(one and kind is not None and kind.leaves[0].kind in "fx")


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last word, or ''."""
    room = -kind.size % WORD
    return f"unsigned char pad[{room}];" if room else ""


def wide(kind: m.Scalar) -> str:
    """The C type whose value fills the same stack word."""
    return kind.wide if kind.wide == "uint32_t" else kind.name


def floating(kind: m.Type) -> bool:
    """Whether gcc gives the type a floating mode, also a struct around one such member."""
    if isinstance(kind, m.Scalar):
        return len(kind.leaves) == 2 or kind.leaves[0].kind in "fx"
    inner, count = kind.members[0]
    alone = len(kind.members) == 1 and count < 2 and not kind.union
    return alone and inner.size == kind.size and floating(inner)


def pops(convention: str, sig: Signature) -> int:
    """How many bytes the callee takes off the stack."""
    hidden = in_memory(sig.result)
    if not convention:
        return WORD if hidden else 0
    left = REGISTERS[convention]
    words = 0
    if hidden:
        words, left = (0, left - 1) if left else (1, 0)
    for kind in sig.args:
        size = -(-kind.size // WORD)
        if isinstance(kind, m.Scalar) and not floating(kind) and size == 1 and left > 0:
            left -= 1
            continue
        words += size
        left -= 0 if floating(kind) else size
    return WORD * words
