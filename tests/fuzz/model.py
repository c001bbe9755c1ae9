# SPDX-License-Identifier: MIT
"""model - C types as the generator sees them: their layout, their bits, their libffi description.

The layout is computed here and asserted in the generated C (`_Static_assert`), so the compiler
is the judge. Nothing here knows how a type is passed, except `padded()`, which must not change
the class of a struct when it makes room for garbage behind it (x86-64 psABI 1.0, section 3.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

EIGHTBYTE = 8
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


@dataclass(frozen=True)
class Struct:
    """A struct type. `members` are (type, n): n = 0 is a plain member, n > 0 an array of n.

    `aligned`, unless 0, is the alignment that an attribute asks for. libffi's elements cannot say
    it: its users give size and alignment by hand.
    """

    members: tuple[tuple[Type, int], ...]
    name: str
    aligned: int = 0
    size: int = field(init=False)
    align: int = field(init=False)
    offsets: tuple[int, ...] = field(init=False)
    leaves: tuple[Leaf, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the members out by the psABI's rule: each at its natural alignment."""
        at, align = 0, max(1, self.aligned)
        offsets: list[int] = []
        leaves: list[Leaf] = []
        for kind, count in self.members:
            at = -(-at // kind.align) * kind.align
            offsets.append(at)
            align = max(align, kind.align)
            for _ in range(count or 1):
                leaves.extend(Leaf(at + x.offset, x.size, x.kind) for x in kind.leaves)
                at += kind.size
        for key, value in (
            ("size", -(-at // align) * align),
            ("align", align),
            ("offsets", tuple(offsets)),
            ("leaves", tuple(leaves)),
        ):
            object.__setattr__(self, key, value)

    @property
    def attribute(self) -> str:
        """What stands behind the closing brace, with a space before it, or ''."""
        return f" __attribute__((aligned({self.aligned})))" if self.aligned else ""

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
        return f"struct {{ {inner} }}{self.attribute}"

    def padded(self) -> str:
        """A C member that fills the struct's last slot without changing its class, or ''."""
        room = -self.size % EIGHTBYTE
        if not room:
            return ""
        last = self.size // EIGHTBYTE * EIGHTBYTE
        floating = all(x.kind == "f" for x in self.leaves if x.offset >= last)
        if floating and self.size <= MEMORY_ABOVE:
            return "float pad;"
        return f"unsigned char pad[{room}];"


Type = Union[Scalar, Struct]


def x87_depth(kind: Type | None) -> int:
    """How many x87 registers hold a result of this type: 0, 1 or 2."""
    if kind is None or kind.size > 2 * MEMORY_ABOVE:
        return 0
    if kind is CLDOUBLE:
        return 2
    alone = len(kind.leaves) == 1 and kind.leaves[0].kind == "x"
    return 1 if alone and kind.size == MEMORY_ABOVE else 0


def in_memory(kind: Type | None) -> bool:
    """Whether a result of this type goes through a hidden pointer."""
    return isinstance(kind, Struct) and kind.size > MEMORY_ABOVE
