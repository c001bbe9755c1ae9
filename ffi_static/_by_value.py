# SPDX-License-Identifier: MIT
"""_by_value - how the C compiler passes an aggregate whose members lie anywhere

libffi describes a struct by the types of its members and computes their offsets. A union, a
bit-field, a packed or over-aligned struct has no such description. A call needs less: the psABI's
class of each eightbyte. So an aggregate is classified here, from where its members lie, and
described by a plain struct of the same size, alignment and classes.

Fails with NotImplementedError where gcc and clang disagree. Only x86-64's psABI is known here
(System V AMD64, section 3.2.3); `_lib.knows_classes` says whether this is it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Union

# A description of a C type (csrc/py/shape.c): a letter, or (size, alignment, members).
Description = Any

NONE, SSE, INTEGER, X87, X87UP, MEMORY = range(6)
EIGHTBYTE = 8
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Leaf(NamedTuple):
    """A scalar of an aggregate, or a bit-field: the bytes that it lies in, and its class."""

    start: int
    end: int
    kind: int  # SSE, INTEGER or X87
    alignment: int = 1  # that the compiler expects of it; none of a bit-field


def _merge(one: int, other: int) -> int:
    """Give the class of an eightbyte that holds both (3.2.3, "Classification", step 4)."""
    kinds = {one, other} - {NONE}
    if len(kinds) < 2:
        return kinds.pop() if kinds else NONE
    if MEMORY in kinds or (INTEGER not in kinds and kinds & {X87, X87UP}):
        return MEMORY
    return INTEGER if INTEGER in kinds else SSE


Tree = list[Union[Leaf, "Tree"]]  # of an aggregate: its members, arrays' elements one by one


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

    An inner aggregate has its classes before it is merged with its neighbours: what would be in
    memory by itself takes the whole there, also where an INTEGER would have won.
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
    # A packed struct whose second member is unaligned: not aligned, its members fit; aligned, not.
    unit = max(width for width in (2, 4, 8) if width < size)
    members = ("B", _UNSIGNED[unit], *(("B",) if 2 * unit <= size else ()))
    return (size, alignment, ((size, 1, members),))


def describe(name: str, size: int, alignment: int, tree: Tree) -> Description:
    """Return the description of an aggregate of at most 16 bytes.

    Raises NotImplementedError for an aggregate whose first eightbyte is nothing but padding.
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
