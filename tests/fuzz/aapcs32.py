# SPDX-License-Identifier: MIT
"""aapcs32 - ARM's types, and how AAPCS32 (5 and 7.1.2) passes them, with VFP or not (see `isa`)."""

from __future__ import annotations

from dataclasses import replace

from . import aapcs64
from . import model as m

WORD = 4


def scalar(kind: m.Scalar) -> m.Scalar:
    """The type of this name: long and pointers have 4 bytes, long double is double."""
    own: dict[m.Scalar, tuple[m.Scalar, str]] = {
        m.POINTER: (m.INT32, "uint32_t"),
        m.LDOUBLE: (m.DOUBLE, "long double"),
        m.CLDOUBLE: (m.CDOUBLE, "_Complex long double"),
        m.COMPLEX_INTEGERS[3]: (m.COMPLEX_INTEGERS[2], "_Complex long"),
    }
    if kind in own:
        like, wide = own[kind]
        return replace(kind, size=like.size, align=like.align, leaves=like.leaves, wide=wide)
    return replace(kind, wide="uint32_t") if kind in m.NARROW else kind


def in_memory_soft(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through r0 in the base standard."""
    if kind is None:
        return False
    simple = isinstance(kind, m.Scalar) and len(kind.leaves) == 1
    return kind.size > WORD and not simple


def in_memory(kind: m.Type | None) -> bool:
    """Whether one does with VFP, which has registers for what is homogeneous."""
    return in_memory_soft(kind) and not (kind and aapcs64.homogeneous(kind))


def clang_fails(kinds: list[m.Type]) -> bool:
    """Whether clang 14 differs from gcc and AAPCS32: at packed homogeneous structs on the stack.

    Such a struct has the alignment that the packing leaves. clang takes its members' alignment.
    """
    structs = [kind for kind in kinds if isinstance(kind, m.Struct)]
    return any(kind.packs and aapcs64.homogeneous(kind) for kind in structs)


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last word and does not change how it is passed, or ''."""
    room = -kind.size % WORD
    return f"unsigned char pad[{room}];" if room and not aapcs64.homogeneous(kind) else ""


def wide(kind: m.Scalar) -> str:
    """The C type whose value fills the same register or stack word. A float stays a float."""
    return kind.wide if kind.wide == "uint32_t" else kind.name
