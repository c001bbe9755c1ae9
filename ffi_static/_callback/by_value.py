# SPDX-License-Identifier: MIT
"""by_value - how the C compiler passes an aggregate whose members lie anywhere

libffi describes a struct by the types of its members, and computes their offsets. A union, a
bit-field, and a packed or over-aligned struct have no such description. But a call needs less: the
psABI's class of each eightbyte. This file classifies an aggregate from where its members lie, and
describes a plain struct of the same size, alignment and classes.

Only x86-64's psABI is known here (System V AMD64, section 3.2.3). `_lib.knows_classes` says whether
this machine has it; elsewhere from_ctypes.py describes aggregates by their members. Where gcc and
clang disagree, NotImplementedError is raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Union

from ffi_static._callback.shape import Description

NONE, SSE, INTEGER, X87, X87UP, MEMORY = range(6)
EIGHTBYTE = 8
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Leaf(NamedTuple):
    """A scalar or bit-field of an aggregate: the bytes that hold it, and its class."""

    start: int
    end: int
    kind: int  # SSE, INTEGER or X87
    alignment: int = 1  # that the compiler assumes; 1 for a bit-field


def _merge(one: int, other: int) -> int:
    """Give the class of an eightbyte with members of both (3.2.3, "Classification", step 4)."""
    kinds = {one, other} - {NONE}
    if len(kinds) < 2:
        return kinds.pop() if kinds else NONE
    if MEMORY in kinds or (INTEGER not in kinds and kinds & {X87, X87UP}):
        return MEMORY
    return INTEGER if INTEGER in kinds else SSE


Tree = list[Union[Leaf, "Tree"]]  # the members of an aggregate; an array's elements one by one


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Give all scalars of an aggregate."""
    for each in tree:
        yield from (each,) if isinstance(each, Leaf) else leaves(each)


def _halves(member: Leaf | Tree) -> list[int]:
    if not isinstance(member, Leaf):
        return classes(member)
    halves = [NONE, NONE]
    first, last = member.start // EIGHTBYTE, (member.end - 1) // EIGHTBYTE
    for at in range(first, last + 1):
        halves[at] = X87UP if member.kind == X87 and at > first else member.kind
    return [MEMORY, MEMORY] if member.start % member.alignment else halves


def classes(tree: Tree) -> list[int]:
    """Return the classes of the two eightbytes of an aggregate of at most 16 bytes.

    An inner aggregate is classified before it is merged with its neighbours. When the inner
    aggregate alone would be in memory, so is the outer one, even if an INTEGER would have won.
    """
    halves = [NONE, NONE]
    for member in tree:
        halves = [_merge(one, other) for one, other in zip(halves, _halves(member))]
    if MEMORY in halves or (halves[1] == X87UP and halves[0] != X87):
        return [MEMORY, MEMORY]
    return halves


def in_memory(size: int, alignment: int) -> Description:
    """Describe an aggregate that is passed in memory."""
    if size > 2 * EIGHTBYTE:
        return (size, alignment, ("B",))
    # A packed struct with an unaligned second member is in memory. Without the packing that member
    # would not fit into `size`.
    unit = max(width for width in (2, 4, 8) if width < size)
    members = ("B", _UNSIGNED[unit], *(("B",) if 2 * unit <= size else ()))
    return (size, alignment, ((size, 1, members),))


def describe(name: str, size: int, alignment: int, tree: Tree) -> Description:
    """Return the description of an aggregate of at most 16 bytes.

    Raises NotImplementedError when the first eightbyte has nothing but padding.
    """
    halves = classes(tree)
    if halves[0] == MEMORY:
        return in_memory(size, alignment)
    if halves[0] == X87:
        return (size, alignment, ("g",))
    if halves[0] == NONE:
        raise NotImplementedError(f"{name} begins with nothing but padding; pass a pointer to it")
    members: list[str] = []
    for start, kind in zip((0, EIGHTBYTE), halves):
        width = min(EIGHTBYTE, size - start)
        if kind == SSE:
            members.append("d" if width == EIGHTBYTE else "f")
        elif kind == INTEGER:
            unit = math.gcd(width, min(alignment, EIGHTBYTE))
            members += [_UNSIGNED[unit]] * (width // unit)
    return (size, alignment, tuple(members))
