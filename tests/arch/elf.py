# SPDX-License-Identifier: MIT
"""elf - an object file, read as far as two of them must be compared, and what differs between two.

All that reaches the machine, the linker or an unwinder is compared: every section's bytes, type,
rights and alignment, every relocation, every symbol's place, size and kind. A relocation's target
is compared by value, so that a symbol may get another name; new names are listed apart from what
differs. The order of symbols and the compiler's own name (``.comment``) do not count.

Fails with ValueError on what is no ELF object. Layouts: System V gABI, chapters 4 and 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYMTAB, STRTAB, RELA, NOBITS, REL, GROUP = 2, 3, 4, 8, 9, 17
MIPS = 8
UNDEFINED, ABSOLUTE, COMMON = 0, 0xFFF1, 0xFFF2
SECTION_SYMBOL, FILE_SYMBOL = 3, 4
#: Not compared: the compiler's name, and numbers of symbols for a linker's guess.
ASIDE = {".comment", ".llvm_addrsig"}


class Section(NamedTuple):
    """A section's header, as far as it means something, and its bytes."""

    kind: int
    flags: int
    align: int
    size: int
    data: bytes  # none where the file has none (.bss)


class Symbol(NamedTuple):
    """A symbol; ``where`` is its section's name, "*UND*", "*ABS*" or "*COM*"."""

    name: str
    where: str
    value: int
    size: int
    info: int  # binding and type
    other: int  # visibility, and what the psABI puts there

    @property
    def place(self) -> tuple[str, int, int, int, int]:
        """Everything but the name."""
        return self.where, self.value, self.size, self.info, self.other


class Relocation(NamedTuple):
    """A relocation; its target is a place in this object, or the name of a symbol elsewhere."""

    offset: int
    kind: int
    where: str  # of the target
    value: int  # with the addend, where the relocation has one
    name: str  # of a target elsewhere, else ""


@dataclass
class Object:
    """What an object file says."""

    sections: dict[str, Section] = field(default_factory=dict)
    symbols: list[Symbol] = field(default_factory=list)
    relocations: dict[str, list[Relocation]] = field(default_factory=dict)


class _Layout:
    """The file's class (32 or 64 bits) and byte order."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != b"\x7fELF":
            raise ValueError("not an ELF object")
        self.data = data
        self.wide = data[4] == 2
        self.order = "<" if data[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{self.order}H", data, 18)
        # Its relocations are a symbol and then four bytes, whatever the order.
        self.symbol_first = machine == MIPS and self.wide and self.order == "<"

    def all(self, fields: str, raw: bytes) -> Iterator[tuple[int, ...]]:
        return struct.iter_unpack(self.order + fields, raw)

    def headers(self) -> list[tuple[int, ...]]:
        """Give name, type, flags, address, offset, size, link, info, alignment, entry size."""
        fields, at, counts = ("IIQQQQIIQQ", 40, 58) if self.wide else ("IIIIIIIIII", 32, 46)
        (start,) = struct.unpack_from(self.order + ("Q" if self.wide else "I"), self.data, at)
        size, count = struct.unpack_from(f"{self.order}HH", self.data, counts)
        return list(self.all(fields, self.data[start : start + size * count]))

    def symbols(self, raw: bytes) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Give name, info, other, section, value, size."""
        for s in self.all("IBBHQQ" if self.wide else "IIIBBH", raw):
            at = range(6) if self.wide else (0, 3, 4, 5, 1, 2)
            name, info, other, section, value, size = (s[n] for n in at)
            yield name, info, other, section, value, size

    def relocations(self, raw: bytes, *, addends: bool) -> Iterator[tuple[int, int, int, int]]:
        """Give offset, type, symbol, addend."""
        word, number, bits = ("Q", "q", 32) if self.wide else ("I", "i", 8)
        for r in self.all(2 * word + (number if addends else ""), raw):
            low, high = r[1] & ((1 << bits) - 1), r[1] >> bits
            kind, symbol = (high, low) if self.symbol_first else (low, high)
            yield r[0], kind, symbol, r[2] if addends else 0


def _string(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode()


def read(path: Path) -> Object:
    """Read an object file."""
    layout = _Layout(path.read_bytes())
    headers = layout.headers()
    (names_at,) = struct.unpack_from(f"{layout.order}H", layout.data, 62 if layout.wide else 50)
    raw = [b"" if h[1] == NOBITS else layout.data[h[4] : h[4] + h[5]] for h in headers]
    names = [_string(raw[names_at], h[0]) for h in headers]
    places = {UNDEFINED: "*UND*", ABSOLUTE: "*ABS*", COMMON: "*COM*"}
    found = Object()
    for at, h in enumerate(headers):
        if h[1] == SYMTAB:
            for name, info, other, section, value, size in layout.symbols(raw[at]):
                where = places.get(section) or names[section]
                text = _string(raw[h[6]], name)
                found.symbols.append(Symbol(text, where, value, size, info, other))
    for at, h in enumerate(headers):
        if h[1] in {REL, RELA}:
            found.relocations[names[h[7]]] = [
                _relocation(found.symbols[symbol], offset, kind, addend)
                for offset, kind, symbol, addend in layout.relocations(
                    raw[at], addends=h[1] == RELA
                )
            ]
        elif h[1] not in {0, SYMTAB, STRTAB, GROUP} and names[at] not in ASIDE:
            found.sections[names[at]] = Section(h[1], h[2], h[8], h[5], raw[at])
    return found


def _relocation(target: Symbol, offset: int, kind: int, addend: int) -> Relocation:
    elsewhere = target.where == "*UND*"
    name = target.name if elsewhere else ""
    return Relocation(offset, kind, target.where, target.value + addend, name)


class Comparison(NamedTuple):
    """What differs, a line each, and which symbols only have another name."""

    differences: list[str]
    renamed: dict[str, str]


def compare(before: Object, now: Object) -> Comparison:
    """Compare two objects."""
    renamed: dict[str, str] = {}
    differences = _sections(before, now)
    differences += _relocations(before, now, renamed)
    differences += _symbols(before, now, renamed)
    return Comparison(differences, renamed)


def _sections(before: Object, now: Object) -> list[str]:
    wrong = [f"{name}: gone" for name in before.sections if name not in now.sections]
    wrong += [f"{name}: new" for name in now.sections if name not in before.sections]
    for name, old in before.sections.items():
        new = now.sections.get(name)
        if new is None or new == old:
            continue
        if new[:3] != old[:3]:
            wrong.append(f"{name}: type, flags, alignment were {old[:3]}, are {new[:3]}")
        if new.size != old.size:
            wrong.append(f"{name}: had {old.size} bytes, has {new.size}")
        pairs = [at for at, (a, b) in enumerate(zip(old.data, new.data)) if a != b]
        if pairs:
            at = pairs[0]
            wrong.append(
                f"{name}: {len(pairs)} bytes differ, the first at {at:#x}:"
                f" was {old.data[at]:#04x}, is {new.data[at]:#04x}"
            )
    return wrong


def _relocations(before: Object, now: Object, renamed: dict[str, str]) -> list[str]:
    wrong = []
    old_names, new_names = ({s.name for s in o.symbols} for o in (before, now))
    for section in sorted({*before.relocations, *now.relocations}):
        old, new = before.relocations.get(section, []), now.relocations.get(section, [])
        if len(old) != len(new):
            wrong.append(f"{section}: had {len(old)} relocations, has {len(new)}")
            continue
        different = []
        for a, b in zip(old, new):
            # One name for another, neither of which is on the other side: two that change places
            # are no renaming.
            if a.name not in new_names and b.name not in {*old_names, *renamed.values()}:
                renamed.setdefault(a.name, b.name)
            if a._replace(name=renamed.get(a.name, a.name)) != b:
                different.append(f"was {a}, is {b}")
        if different:
            wrong.append(f"{section}: {len(different)} relocations differ; {different[0]}")
    return wrong


def _symbols(before: Object, now: Object, renamed: dict[str, str]) -> list[str]:
    def named(found: Object) -> dict[str, Symbol]:
        kinds = {SECTION_SYMBOL, FILE_SYMBOL}
        return {s.name: s for s in found.symbols if s.name and s.info & 15 not in kinds}

    old, new = named(before), named(now)
    wrong = []
    gone = {name: s for name, s in old.items() if name not in new}
    fresh = {name: s for name, s in new.items() if name not in old}
    for name, symbol in gone.items():
        to = renamed.get(name) or next(
            (other for other, s in fresh.items() if s.place == symbol.place), None
        )
        if to in fresh:
            renamed[name] = to
            del fresh[to]
        else:
            wrong.append(f"symbol {name}: gone ({symbol.where}+{symbol.value:#x})")
    wrong += [f"symbol {name}: new ({s.where}+{s.value:#x})" for name, s in fresh.items()]
    wrong += [
        f"symbol {name}: was {old[name].place}, is {new[name].place}"
        for name in old
        if name in new and old[name].place != new[name].place
    ]
    return wrong
