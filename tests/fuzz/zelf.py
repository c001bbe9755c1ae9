# SPDX-License-Identifier: MIT
"""zelf - how s390x passes a type: s390x ELF ABI, "Parameter Passing" (see `isa`)."""

from __future__ import annotations

from . import model as m


def floating(kind: m.Type) -> bool:
    """Whether it is a float or double, or a struct around one."""
    if isinstance(kind, m.Struct):
        inner, count = kind.members[0]
        return len(kind.members) == 1 and not count and not kind.union and floating(inner)
    return kind in m.FLOATS


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through the hidden pointer."""
    scalar = kind is None or kind in (*m.INTEGERS, *m.FLOATS)
    return not scalar


def padded(kind: m.Struct) -> str:
    """A C member that fills the rest of the struct's register or stack place, before it; or ''."""
    narrow = kind.size in (1, 2, 4) and not floating(kind)
    return f"unsigned char pad[{m.WORD - kind.size}];" if narrow else ""


def wide(kind: m.Scalar) -> str:
    """The C type whose value fills the same register or stack word."""
    return kind.wide if kind.wide == "uint64_t" else kind.name


def looks_floating(kind: m.Struct) -> bool:
    """Whether libffi's description is that of a struct around a float, which it is not."""
    return len(kind.members) == 1 and (kind.members[0][1] == 1 or kind.union)
