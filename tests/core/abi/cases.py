# SPDX-License-Identifier: MIT
"""cases - each type libffi describes, at each place where a psABI treats it differently.

The places are those where one of the register files runs out, of six and eight on x86-64 (3.2.3)
and of eight and eight on AArch64 (6.8): alone, as the last register, one past it, in the middle of
the stack, behind an alignment hole, and as a result with and without arguments. The fuzzer's
emitter and checker do the rest.
"""

from __future__ import annotations

from itertools import product

from tests.fuzz import model as m
from tests.fuzz.signature import Signature

_I, _D = m.INT64, m.DOUBLE


class Shapes:
    """Names the struct types of one case."""

    def __init__(self) -> None:
        """No struct yet."""
        self.made: list[m.Struct] = []
        self.index = 0

    def start(self, index: int) -> None:
        """Begin the case `index`."""
        self.made, self.index = [], index

    def struct(self, *members: m.Type | tuple[m.Type, int], aligned: int = 0) -> m.Struct:
        """A struct of plain members and (type, n) arrays."""
        pairs = tuple(x if isinstance(x, tuple) else (x, 0) for x in members)
        made = m.Struct(pairs, f"S{self.index}_{len(self.made)}", aligned)
        self.made.append(made)
        return made


def build(s: Shapes, name: str) -> m.Type:
    """The type called `name`; struct types are new in each case."""
    for scalar in (*m.SCALARS, *m.COMPLEX_INTEGERS):
        if scalar.name == name:
            return scalar
    letters: dict[str, m.Type] = {
        "c": m.INT8, "h": m.UINT16, "i": m.INT32, "l": m.INT64, "b": m.BOOL, "p": m.POINTER,
        "f": m.FLOAT, "d": m.DOUBLE, "x": m.LDOUBLE, "F": m.CFLOAT, "D": m.CDOUBLE,
        "X": m.CLDOUBLE,
    }  # fmt: skip
    stack: list[list[m.Type | tuple[m.Type, int]]] = [[]]
    digits = ""
    for char in name:
        if char.isdigit():
            digits += char
            continue
        if digits:
            last = stack[-1].pop()
            assert not isinstance(last, tuple)
            stack[-1].append((last, int(digits)))
            digits = ""
        if char == "{":
            stack.append([])
        elif char in CLOSING:
            stack[-2].append(s.struct(*stack.pop(), aligned=CLOSING[char]))
        else:
            stack[-1].append(letters[char])
    (only,) = stack[0]
    assert not isinstance(only, tuple)
    return only


# A brace ends a struct as it is, a bracket one that an attribute aligns to 16.
CLOSING = {"}": 0, "]": 16}
# One letter a member, a number after it makes it an array: {c3} is struct { int8_t a[3]; }.
STRUCTS = (
    "{c}", "{c2}", "{c3}", "{c4}", "{c5}", "{c6}", "{c7}", "{c8}", "{c9}", "{c11}", "{c12}",
    "{c13}", "{c15}", "{c16}", "{c17}", "{c23}", "{c24}", "{c31}", "{c33}", "{c64}", "{c80}",
    "{h}", "{h3}", "{i}", "{i3}", "{l}", "{ll}", "{lll}", "{l8}", "{b}", "{b3}", "{p}", "{ph}",
    "{cl}", "{lc}", "{chi}", "{cicl}", "{f}", "{ff}", "{fff}", "{ffff}", "{f5}", "{d}", "{dd}",
    "{ddd}", "{fd}", "{df}", "{ld}", "{dl}", "{if}", "{fi}", "{ffi}", "{iff}", "{fif}", "{dc}",
    "{cd}", "{di}", "{fc}", "{cf}", "{ffc}", "{x}", "{xx}", "{cx}", "{xc}", "{fx}", "{F}", "{fF}",
    "{Ff}", "{FF}", "{iF}", "{Fi}", "{D}", "{dD}", "{X}", "{{x}}", "{{f}{f}}", "{{i}{f}}",
    "{{d}{l}}", "{{ff}f}", "{{c}{c}{c}}", "{{c3}2}", "{{cf}2}", "{{{{{{{{d}}}}}}}}", "{{{l}}{{d}}}",
    "{{if}{fi}}", "{c{x}}", "{{lc}c}",
    "{c]", "{i]", "{l]", "{ll]", "{p]", "{f]", "{d]", "{dd]", "{ffff]", "{ld]", "{dl]", "{fi]",
    "{F]", "{D]", "{lll]", "{c17]", "{{d]}", "{{l]c}", "{{ll]2}", "{x]",
)  # fmt: skip
TYPES = (*(s.name for s in (*m.SCALARS, *m.COMPLEX_INTEGERS)), *STRUCTS)

# What stands before the type and behind it: i an int64, d a double, f a float, c an int8, x a long
# double.
PLACES = {
    "alone": ("", ""),
    "first": ("", "idcidc"),
    "second": ("i", "d"),
    "fifth-int": ("iiii", "ii"),
    "last-int": ("iiiii", "i"),
    "past-ints": ("iiiiii", "i"),
    "eighth-int": ("iiiiiii", "i"),
    "past-eight-ints": ("iiiiiiii", "i"),
    "past-eight-of-both": ("iiiiiiiidddddddd", "id"),
    "among-floats": ("f", "ff"),
    "last-sse": ("ddddddd", "d"),
    "past-sse": ("dddddddd", "d"),
    "last-of-both": ("iiiiiddddddd", "id"),
    "past-both": ("iiiiiidddddddd", "id"),
    "one-int-left": ("iiiiidddddddd", "iid"),
    "one-sse-left": ("iiiiiiddddddd", "ddi"),
    "odd-stack": ("iiiiiii" + "d" * 8, "c"),
    "even-stack": ("iiiiiiii" + "d" * 8, "x"),
    "narrow-stack": ("cccccccc", "cc"),
    "after-x87": ("cx", "xc"),
}
RESULTS = {
    "no-args": "",
    "an-int": "i",
    "six-ints": "iiiiii",
    "seven-ints": "iiiiiii",
    "nine-doubles": "ddddddddd",
    "both": "idididididididididid",
}
_RETURNED = (m.INT64, m.INT32, m.UINT32, m.INT16, m.UINT16, m.INT8, m.UINT8, None)
_MANY = 1000
_LETTER: dict[str, m.Type] = {"i": _I, "d": _D, "c": m.INT8, "x": m.LDOUBLE, "f": m.FLOAT}


def _spread(letters: str) -> list[m.Type]:
    return [_LETTER[c] for c in letters]


def all_cases() -> dict[str, list[Signature]]:
    """Signatures by the name of the type they are about."""
    shapes = Shapes()
    cases: dict[str, list[Signature]] = {}
    index = 0

    def add(group: str, label: str, result: m.Type | None, args: list[m.Type]) -> None:
        nonlocal index
        cases.setdefault(group, []).append(
            Signature(index, result, args, shapes.made, f"{group} {label}")
        )
        index += 1
        shapes.start(index)

    for name in TYPES:
        for place, (before, behind) in PLACES.items():
            args = [*_spread(before), build(shapes, name), *_spread(behind)]
            add(name, place, None, args)
        kind = build(shapes, name)
        add(name, "five in a row", m.INT32, [kind] * 5)
        kind = build(shapes, name)
        add(name, "eleven, taken and given", kind, [kind] * 11)
        for result, letters in RESULTS.items():
            add(name, f"returned, {result}", build(shapes, name), _spread(letters))
    for count in (0, 1, 2, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 63, 64, 255, 256, 257, _MANY):
        for letters in ("i", "d", "c", "id", "x", "cd"):
            args = _spread((letters * count)[:count])
            add("count", f"{count} of {letters}", m.INT16 if count % 2 else None, args)
    for count in range(2, 7):
        for n, order in enumerate(product("id", repeat=count)):
            results = _RETURNED if count == 2 else _RETURNED[n % len(_RETURNED) :][:1]
            for returned in results:
                add("order", "".join(order), returned, _spread("".join(order)))
    return cases
