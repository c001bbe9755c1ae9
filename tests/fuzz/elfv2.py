# SPDX-License-Identifier: MIT
"""elfv2 - how ppc64le passes a type: 64-bit ELF V2 ABI (see `isa`)."""

from __future__ import annotations

from . import aapcs64
from . import model as m

#: The most registers that a homogeneous aggregate has, and the most bytes that two have.
HOMOGENEOUS, IN_REGISTERS = 8, 16


def homogeneous(kind: m.Type) -> bool:
    """Whether its members are in floating registers of their own; IBM's long double takes two."""
    long_doubles = any(leaf.kind == "x" for leaf in kind.leaves)
    return aapcs64.homogeneous(kind, HOMOGENEOUS // 2 if long_doubles else HOMOGENEOUS)


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through the hidden pointer."""
    return kind is not None and kind.size > IN_REGISTERS and not homogeneous(kind)


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last word and does not change how it is passed, or ''."""
    room = -kind.size % m.WORD
    return f"unsigned char pad[{room}];" if room and not homogeneous(kind) else ""


def wide(kind: m.Scalar) -> str:
    """The C type whose value fills the same register or stack word."""
    return kind.wide if kind.wide == "uint64_t" else kind.name
