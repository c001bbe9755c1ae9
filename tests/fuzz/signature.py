# SPDX-License-Identifier: MIT
"""signature - random signatures, weighted so that the registers run out in every way.

Signature `index` of seed `seed` depends on these two numbers alone, so that one failing signature
can be made again without the others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Callable

from . import model as m
from . import psabi


@dataclass
class Signature:
    """One function type. `structs` holds the struct types it needs, inner ones first."""

    index: int
    result: m.Type | None
    args: list[m.Type]
    structs: list[m.Struct] = field(default_factory=list)
    label: str = ""

    @property
    def kinds(self) -> list[m.Type]:
        """The types of the result, if there is one, and of the arguments."""
        return [*([self.result] if self.result else []), *self.args]

    @property
    def prototype(self) -> str:
        """The C prototype on one line, structs spelled out."""
        args = ", ".join(a.spelled for a in self.args) or "void"
        return f"{self.result.spelled if self.result else 'void'} f{self.index}({args})"


class Drawer:
    """Draws the types of one signature."""

    def __init__(self, seed: int, index: int) -> None:
        """The stream of (seed, index)."""
        self.rng = random.Random(f"{seed}:{index}")
        self.index = index
        self.structs: list[m.Struct] = []

    def struct(self, members: list[tuple[m.Type, int]], often: float = 0) -> m.Struct:
        """Name a new struct type; `often` of them, 0 to 1, are aligned to 16 by an attribute."""
        aligned = 16 if often and self.rng.random() < often else 0
        made = m.Struct(tuple(members), f"S{self.index}_{len(self.structs)}", aligned)
        self.structs.append(made)
        return made

    def _some(self, pool: tuple[m.Scalar, ...], most: int) -> list[tuple[m.Type, int]]:
        """Members of `pool`, scalars and arrays, up to about `most` bytes (never none)."""
        rng = self.rng
        members: list[tuple[m.Type, int]] = []
        room = rng.randint(1, most)
        while room > 0 or not members:
            fit = [k for k in pool if k.size <= max(room, pool[0].size)] or [pool[0]]
            kind = rng.choice(fit)
            count = rng.randint(1, max(1, min(room // kind.size, 24))) if rng.random() < 0.3 else 0
            members.append((kind, count))
            room -= kind.size * (count or 1)
        return members

    def small(self) -> m.Struct:
        """A struct of at most 16 bytes in INTEGER, SSE or mixed eightbytes."""
        rng = self.rng
        halves: list[list[tuple[m.Type, int]]] = []
        for _ in range(rng.choice((1, 2, 2))):
            pool: tuple[m.Scalar, ...] = rng.choice((m.INTEGERS, m.NARROW, m.FLOATS, m.FLOATS))
            half: list[tuple[m.Type, int]] = []
            at = 0
            while at < m.EIGHTBYTE:
                kind = rng.choice(pool)
                at = -(-at // kind.size) * kind.size + kind.size
                if at > m.EIGHTBYTE or (half and rng.random() < 0.15):
                    break
                half.append((kind, 0))
            halves.append(half or [(m.DOUBLE, 0)])
        members: list[tuple[m.Type, int]] = halves[0]
        if len(halves) == 2:
            if rng.random() < 0.3:
                members = [(self.struct(halves[0]), 0), (self.struct(halves[1]), 0)]
            else:
                members = halves[0] + halves[1]
        made = self.struct(members, often=0.1)
        return made if made.size <= m.MEMORY_ABOVE or rng.random() < 0.3 else self.small()

    def any_struct(self, depth: int = 0) -> m.Struct:
        """A struct of any class and of 1 to some 100 bytes."""
        rng = self.rng
        what = rng.random()
        if what < 0.40:
            return self.small()
        if what < 0.48:
            return self.struct([(rng.choice((m.INT8, m.UINT8, m.INT16)), rng.randint(1, 80))])
        if what < 0.56:
            return self.struct(self._some(m.FLOATS, 24))
        if what < 0.62:
            return self.struct([(rng.choice(m.FLOATS), rng.randint(1, 5))])
        if what < 0.67:
            return self.struct([(m.LDOUBLE, 0)])
        if what < 0.73:
            return self.struct(self._some((m.FLOAT, m.CFLOAT, m.CDOUBLE, m.INT32), 24))
        if what < 0.79:
            return self.struct(self._some((m.INT8, *m.SCALARS), 80))
        if what < 0.90 and depth < 3:
            inner: list[tuple[m.Type, int]] = []
            for _ in range(rng.randint(1, 3)):
                if rng.random() < 0.6:
                    count = rng.randint(1, 3) if rng.random() < 0.3 else 0
                    inner.append((self.any_struct(depth + 1), count))
                else:
                    inner.append((rng.choice(m.SCALARS), 0))
            return self.struct(inner)
        return self.struct(self._some(m.INTEGERS, 80), often=0.2)

    def any_type(self) -> m.Type:
        """Any type that an argument may have."""
        what = self.rng.random()
        if what < 0.35:
            return self.rng.choice(m.INTEGERS)
        if what < 0.55:
            return self.rng.choice(m.FLOATS)
        if what < 0.60:
            return m.LDOUBLE
        if what < 0.68:
            return self.rng.choice((*m.COMPLEX, *m.COMPLEX, *m.COMPLEX_INTEGERS))
        return self.any_struct()

    def count(self) -> int:
        """How many arguments."""
        what = self.rng.random()
        if what < 0.40:
            return self.rng.randint(0, 6)
        if what < 0.80:
            return self.rng.randint(7, 15)
        if what < 0.997:
            return self.rng.randint(16, 40)
        return self.rng.randint(250, 300)

    def boundary(self) -> list[m.Type]:
        """Nearly use up both register files, then split structs and stragglers over the edge."""
        rng = self.rng
        first: list[m.Type] = [rng.choice(m.INTEGERS) for _ in range(rng.randint(3, 6))]
        first += [rng.choice((*m.FLOATS, m.CFLOAT)) for _ in range(rng.randint(5, 8))]
        rng.shuffle(first)
        for _ in range(rng.randint(1, 6)):
            first.append(self.small())
            if rng.random() < 0.5:
                first.append(rng.choice((*m.INTEGERS, *m.FLOATS, m.CDOUBLE, m.LDOUBLE)))
        return first

    def arguments(self) -> list[m.Type]:
        """The arguments, by one of several profiles."""
        rng = self.rng
        profile = rng.choices(
            ("any", "ints", "floats", "scalars", "boundary", "structs", "x87", "same", "small"),
            (25, 10, 8, 15, 20, 8, 4, 5, 5),
        )[0]
        if profile == "boundary":
            return self.boundary()
        count = self.count()
        if profile == "same":
            return [self.any_type()] * count
        if profile in ("any", "structs", "small"):
            draws: dict[str, Callable[[], m.Type]] = {
                "any": self.any_type,
                "structs": self.any_struct,
                "small": self.small,
            }
            pool = [draws[profile]() for _ in range(min(count, 12))]
            return pool + [rng.choice(pool) for _ in range(count - len(pool))]
        pools: dict[str, tuple[m.Scalar, ...]] = {
            "ints": m.INTEGERS,
            "floats": m.FLOATS,
            "scalars": m.INTEGERS + m.FLOATS,
            "x87": (m.LDOUBLE, m.CLDOUBLE, m.INT16, m.FLOAT, m.CDOUBLE),
        }
        return [rng.choice(pools[profile]) for _ in range(count)]

    def outcome(self) -> m.Type | None:
        """The result type; None is void."""
        what = self.rng.random()
        if what < 0.08:
            return None
        if what < 0.55:
            return self.rng.choice((*m.SCALARS, *m.COMPLEX_INTEGERS))
        return self.small() if what < 0.75 else self.any_struct()


class OddDrawer(Drawer):
    """Draws unions and packed structs where `Drawer` draws structs.

    The members are those whose classes meet: long double, integers and floating types in either
    eightbyte, structs and unions of them. These are left out: types that libffi cannot describe
    (ffi_static.h); types that clang gets wrong (psabi.clang_loses); and types that gcc and clang
    pass differently: a packed struct with a member that is aligned by an attribute, and an array of
    packed structs (gcc looks at the alignment of the first one's fields only).
    """

    def __init__(self, seed: int, index: int) -> None:
        """The stream of (seed, index), another one than `Drawer`'s."""
        super().__init__(seed, index)
        self.rng = random.Random(f"{seed}:{index}:odd")

    def make(self, members: list[tuple[m.Type, int]], union: bool, pack: int = 0) -> m.Struct:
        """Name a new union, or a packed or plain struct."""
        made = m.Struct(tuple(members), f"S{self.index}_{len(self.structs)}", 0, union, pack)
        self.structs.append(made)
        return made

    def _member(self, depth: int) -> tuple[m.Type, int]:
        """A member of at most 16 bytes, or rarely one more."""
        rng = self.rng
        what = rng.random()
        if what < 0.25:
            return m.LDOUBLE, 0
        if what < 0.50:
            return rng.choice((*m.INTEGERS, *m.FLOATS, m.INT64, m.DOUBLE, m.CFLOAT, m.CDOUBLE)), 0
        if what < 0.72:
            kind: m.Scalar = rng.choice((*m.INTEGERS, m.INT64, m.INT8, *m.FLOATS, m.FLOAT))
            most = m.MEMORY_ABOVE // kind.size
            return kind, most if rng.random() < 0.4 else rng.randint(1, most)
        if what < 0.77:
            return rng.choice((m.CLDOUBLE, *m.COMPLEX_INTEGERS)), 0
        if depth < 2 and what < 0.95:
            inner = self.odd(depth + 1)
            return inner, rng.choice((0, 0, 0, 1) if inner.packs else (0, 0, 0, 1, 2))
        return super().small(), 0

    def odd(self, depth: int = 0) -> m.Struct:
        """A union, a packed struct or union, or a struct with such a member."""
        rng = self.rng
        members = [self._member(depth) for _ in range(rng.randint(1 if depth else 2, 4))]
        what = rng.random()
        union = what < 0.65 or 0.75 <= what < 0.80
        if not union:
            members = members[: rng.randint(1, 3)]
        pack = rng.choice((1, 1, 2, 4, 8)) if 0.65 <= what < 0.80 else 0
        if pack and any(isinstance(k, m.Struct) and k.over_aligned for k, _ in members):
            return self.odd(depth)
        made = self.make(members, union, pack)
        if psabi.clang_loses(made):
            return self.odd(depth)
        return made if made.size <= m.MEMORY_ABOVE or rng.random() < 0.2 else self.odd(depth)

    def small(self) -> m.Struct:
        """Nearly always a union or a packed struct."""
        return self.odd() if self.rng.random() < 0.9 else super().small()

    def any_struct(self, depth: int = 0) -> m.Struct:
        """Nearly always a union or a packed struct."""
        return self.odd() if self.rng.random() < 0.9 else super().any_struct(depth)

    def any_type(self) -> m.Type:
        """Every second one is an aggregate."""
        return self.odd() if self.rng.random() < 0.3 else super().any_type()

    def outcome(self) -> m.Type | None:
        """The result type, a union or a packed struct more often than not."""
        return self.odd() if self.rng.random() < 0.7 else super().outcome()


def draw(seed: int, index: int, odd: bool = False) -> Signature:
    """Signature number `index` of `seed`; `odd`: of the stream with unions and packed structs."""
    drawer = (OddDrawer if odd else Drawer)(seed, index)
    args = drawer.arguments()
    result = drawer.outcome()
    return Signature(index, result, args, drawer.structs, f"seed {seed}{', odd' if odd else ''}")
