# SPDX-License-Identifier: MIT
"""model - C types as the generator sees them: their layout, their bits, their libffi description.

The layout is computed here and asserted in the generated C (`_Static_assert`), so the compiler
is the judge. It is that of every 64-bit machine whose long double has 16 bytes. Nothing here knows
how a type is passed: `isa` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

EIGHTBYTE = WORD = 8
MEMORY_ABOVE = 16


@dataclass(frozen=True)
class Leaf:
    """Bits that carry a value: `size` bytes at `offset`; kind i raw, f floating, b bool, x x87."""

    offset: int
    size: int
    kind: str


@dataclass(frozen=True)
class Scalar:
    """A C type without members. `wide` is the type whose value fills the same register or slot."""

    name: str
    ffi: str
    size: int
    align: int
    leaves: tuple[Leaf, ...]
    wide: str
    signed: bool = False

    @property
    def tag(self) -> str:
        """The C identifier of its descriptor."""
        return "fz_" + self.name.replace(" *", "_p").replace(" ", "_")

    @property
    def spelled(self) -> str:
        """The type as a C reader would write it."""
        return self.name


def _scalar(name: str, ffi: str, size: int, kind: str, wide: str, signed: bool = False) -> Scalar:
    return Scalar(name, ffi, size, size, (Leaf(0, size, kind),), wide, signed)


def _complex(name: str, ffi: str, part: int, kind: str, wide: str) -> Scalar:
    used = 10 if kind == "x" else part
    leaves = (Leaf(0, used, kind), Leaf(part, used, kind))
    return Scalar(name, ffi, 2 * part, part, leaves, wide)


INT8 = _scalar("int8_t", "ffi_type_sint8", 1, "i", "uint64_t", signed=True)
UINT8 = _scalar("uint8_t", "ffi_type_uint8", 1, "i", "uint64_t")
INT16 = _scalar("int16_t", "ffi_type_sint16", 2, "i", "uint64_t", signed=True)
UINT16 = _scalar("uint16_t", "ffi_type_uint16", 2, "i", "uint64_t")
INT32 = _scalar("int32_t", "ffi_type_sint32", 4, "i", "uint64_t", signed=True)
UINT32 = _scalar("uint32_t", "ffi_type_uint32", 4, "i", "uint64_t")
INT64 = _scalar("int64_t", "ffi_type_sint64", 8, "i", "uint64_t", signed=True)
UINT64 = _scalar("uint64_t", "ffi_type_uint64", 8, "i", "uint64_t")
BOOL = _scalar("_Bool", "ffi_type_uint8", 1, "b", "uint64_t")
POINTER = _scalar("void *", "ffi_type_pointer", 8, "i", "uint64_t")
FLOAT = _scalar("float", "ffi_type_float", 4, "f", "double")
DOUBLE = _scalar("double", "ffi_type_double", 8, "f", "double")
LDOUBLE = Scalar("long double", "ffi_type_longdouble", 16, 16, (Leaf(0, 10, "x"),), "long double")
CFLOAT = _complex("_Complex float", "ffi_type_complex_float", 4, "f", "double")
CDOUBLE = _complex("_Complex double", "ffi_type_complex_double", 8, "f", "_Complex double")
CLDOUBLE = _complex(
    "_Complex long double", "ffi_type_complex_longdouble", 16, "x", "_Complex long double"
)

NARROW = (INT8, UINT8, INT16, UINT16, BOOL, INT32, UINT32)
INTEGERS = (*NARROW, INT64, UINT64, POINTER)
FLOATS = (FLOAT, DOUBLE)
COMPLEX = (CFLOAT, CDOUBLE, CLDOUBLE)
SCALARS = (*INTEGERS, *FLOATS, LDOUBLE, *COMPLEX)
# GNU C's, which libffi describes but has no names for; rt.c defines them.
COMPLEX_INTEGERS = tuple(
    _complex(f"_Complex {part}", f"fz_complex_{tag}", size, "i", f"_Complex {part}")
    for part, tag, size in (
        ("signed char", "schar", 1),
        ("short", "short", 2),
        ("int", "int", 4),
        ("long", "long", 8),
    )
)


def covered(leaves: list[Leaf]) -> tuple[Leaf, ...]:
    """The bits that carry a value where `leaves` overlap, as a union's do.

    Those that lie on each other exactly stay what they are, if they are alike; the bytes under all
    others are raw, or floating where nothing else covers them.
    """
    apart: list[Leaf] = []
    for leaf in dict.fromkeys(leaves):
        on = [x for x in apart if x.offset < leaf.offset + leaf.size]
        on = [x for x in on if leaf.offset < x.offset + x.size]
        if not on:
            apart.append(leaf)
            continue
        kind = "f" if {x.kind for x in (leaf, *on)} == {"f"} else "i"
        taken = {n for x in (leaf, *on) for n in range(x.offset, x.offset + x.size)}
        apart = [x for x in apart if x not in on]
        for word in sorted({n // EIGHTBYTE for n in taken}):
            here = [n for n in taken if n // EIGHTBYTE == word]
            apart.append(Leaf(min(here), max(here) + 1 - min(here), kind))
    return tuple(sorted(apart, key=lambda x: x.offset))


@dataclass(frozen=True)
class Struct:
    """A struct or union. `members` are (type, n): n = 0 is a plain member, n > 0 an array of n.

    `aligned`, unless 0, is the alignment that an attribute asks for. `pack`, unless 0, is the most
    that a member is aligned to: 1 by the attribute, more by the pragma. libffi's elements can say
    neither, nor that a type is a union: its users give size and alignment by hand.
    """

    members: tuple[tuple[Type, int], ...]
    name: str
    aligned: int = 0
    union: bool = False
    pack: int = 0
    size: int = field(init=False)
    align: int = field(init=False)
    offsets: tuple[int, ...] = field(init=False)
    leaves: tuple[Leaf, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the members out by the psABI's rule: each at its alignment, a union's all at 0."""
        at, end, align = 0, 0, max(1, self.aligned)
        offsets: list[int] = []
        leaves: list[Leaf] = []
        for kind, count in self.members:
            own = min(kind.align, self.pack or kind.align)
            at = 0 if self.union else -(-at // own) * own
            offsets.append(at)
            align = max(align, own)
            for _ in range(count or 1):
                leaves.extend(Leaf(at + x.offset, x.size, x.kind) for x in kind.leaves)
                at += kind.size
            end = max(end, at)
        for key, value in (
            ("size", -(-end // align) * align),
            ("align", align),
            ("offsets", tuple(offsets)),
            ("leaves", covered(leaves) if self.union else tuple(leaves)),
        ):
            object.__setattr__(self, key, value)

    @property
    def by_hand(self) -> bool:
        """Whether libffi cannot lay it out from its elements."""
        return bool(self.aligned or self.union or self.pack)

    @property
    def packs(self) -> bool:
        """Whether this type or one inside it is packed."""
        inner = (kind for kind, _ in self.members)
        return bool(self.pack) or any(isinstance(k, Struct) and k.packs for k in inner)

    @property
    def over_aligned(self) -> bool:
        """Whether an attribute aligned this type or one inside it."""
        inner = (kind for kind, _ in self.members)
        return bool(self.aligned) or any(isinstance(k, Struct) and k.over_aligned for k in inner)

    @property
    def keyword(self) -> str:
        """The C keyword before its name."""
        return "union" if self.union else "struct"

    @property
    def attribute(self) -> str:
        """What stands behind the closing brace, with a space before it, or ''."""
        packed = " __attribute__((packed))" if self.pack == 1 else ""
        return packed + (f" __attribute__((aligned({self.aligned})))" if self.aligned else "")

    @property
    def tag(self) -> str:
        """The C identifier of its descriptor."""
        return "D_" + self.name

    @property
    def spelled(self) -> str:
        """The type as a C reader would write it, anonymous and on one line."""
        inner = " ".join(
            f"{kind.spelled} {chr(97 + i % 26)}{f'[{n}]' if n else ''};"
            for i, (kind, n) in enumerate(self.members)
        )
        pragma = f" pack({self.pack})" if self.pack > 1 else ""
        return f"{self.keyword}{pragma} {{ {inner} }}{self.attribute}"


Type = Union[Scalar, Struct]
