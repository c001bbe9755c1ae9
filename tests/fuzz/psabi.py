# SPDX-License-Identifier: MIT
"""psabi - the class of a type on x86-64: psABI, 3.2.3 (see `isa`)."""

from __future__ import annotations

from typing import Optional

from . import model as m

#: One class per eightbyte, "" for NO_CLASS; None is MEMORY.
Classes = Optional[list[str]]

_CLASS = {"i": ["INTEGER"], "b": ["INTEGER"], "f": ["SSE"], "x": ["X87", "X87UP"]}


def _merge(a: str, b: str) -> str:
    if a == b or not b:
        return a
    if not a:
        return b
    for winner in ("MEMORY", "INTEGER"):
        if winner in (a, b):
            return winner
    return "MEMORY" if {a, b} & {"X87", "X87UP"} else "SSE"


def _members(kind: m.Struct, at: int) -> list[tuple[m.Type, int]]:
    return [
        (inner, at + offset + i * inner.size)
        for (inner, count), offset in zip(kind.members, kind.offsets)
        for i in range(count or 1)
    ]


def _scalar(kind: m.Scalar, at: int, words: list[str]) -> bool:
    """Put the classes of a scalar at `at` into `words`; False: it is not aligned."""
    for leaf in kind.leaves:
        here = at + leaf.offset
        if here % (16 if leaf.kind == "x" else leaf.size):
            return False
        for i, name in enumerate(_CLASS[leaf.kind], here // m.EIGHTBYTE):
            words[i] = _merge(words[i], name)
    return True


def classes(kind: m.Type, at: int = 0, total: int = 0) -> Classes:
    """The classes of `kind` at offset `at` of an aggregate of `total` bytes."""
    if kind == m.CLDOUBLE and not total:
        return ["COMPLEX_X87"]
    total = total or kind.size
    if total > m.MEMORY_ABOVE:
        return None
    words = [""] * -(-total // m.EIGHTBYTE)
    if isinstance(kind, m.Scalar):
        return words if _scalar(kind, at, words) else None
    for inner, offset in _members(kind, at):
        got = classes(inner, offset, total)
        if got is None:
            return None
        words = [_merge(a, b) for a, b in zip(words, got)]
    before = ["", *words]
    orphan = any(w == "X87UP" and before[i] != "X87" for i, w in enumerate(words))
    return None if "MEMORY" in words or orphan else words


def x87_depth(kind: m.Type | None) -> int:
    """How many x87 registers hold a result of this type: 0, 1 or 2."""
    got = classes(kind) if kind else None
    return 0 if not got else {"X87": 1, "COMPLEX_X87": 2}.get(got[0], 0)


def in_memory(kind: m.Type | None) -> bool:
    """Whether a result of this type goes through a hidden pointer."""
    return kind is not None and classes(kind) is None


def padded(kind: m.Struct) -> str:
    """A C member that fills the struct's last eightbyte without changing its class, or ''."""
    room = -kind.size % m.EIGHTBYTE
    if not room:
        return ""
    last = kind.size // m.EIGHTBYTE * m.EIGHTBYTE
    floating = all(x.kind == "f" for x in kind.leaves if x.offset + x.size > last)
    if floating and room == m.EIGHTBYTE // 2 and kind.size <= m.MEMORY_ABOVE:
        return "float pad;"
    return f"unsigned char pad[{room}];"


def _reach(leaves: tuple[m.Leaf, ...], word: int) -> int:
    """Where the bytes end that `leaves` have in eightbyte `word`."""
    ends = [x.offset + x.size for x in leaves if x.offset // m.EIGHTBYTE == word]
    return max(ends, default=0)


def clang_loses(kind: m.Type) -> bool:
    """Whether clang 14 drops bytes of a union, this one or one inside it.

    clang gives the whole union the type of one member: of the most aligned members, the largest. A
    packed member counts like one that is not packed. If this member ends in the first half of an
    SSE eightbyte, clang passes only four bytes of the register, and loses the bytes of other
    members.
    """
    if not isinstance(kind, m.Struct):
        return False
    if any(clang_loses(inner) for inner, _ in kind.members):
        return True
    if not kind.union:
        return False
    sse = [w for w, name in enumerate(classes(kind) or []) if name == "SSE"]
    wholes = [m.Struct((member,), "") for member in kind.members]
    least = max((w.align, w.size) for w in wholes)
    natural = [max(16 if x.kind == "x" else x.size for x in w.leaves) for w in wholes]
    stored = [w for w, align in zip(wholes, natural) if (max(align, w.align), w.size) >= least]
    return any(_reach(s.leaves, w) < _reach(kind.leaves, w) for s in stored for w in sse)
