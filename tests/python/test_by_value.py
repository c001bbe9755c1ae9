# SPDX-License-Identifier: MIT
"""test_by_value - ctypes structs and unions by value, from and to C code that a compiler made

The types are drawn at random, always the same ones: unions, bit-fields, packed, over-aligned and
big-endian structs, arrays and all of these inside each other. The C compiler is the judge; what
ctypes' own callbacks make of the same calls is compared as far as they get them right.
"""

from __future__ import annotations

import ctypes
import os
import platform
import random
import re
import shlex
import sys
import warnings
from typing import Any

import pytest

import ffi_static
from ffi_static import _lib
from ffi_static._callback import from_ctypes
from tests.support.process import run

SCALARS: dict[Any, str] = {
    ctypes.c_byte: "signed char",
    ctypes.c_ushort: "unsigned short",
    ctypes.c_int: "int",
    ctypes.c_uint: "unsigned",
    ctypes.c_long: "long",
    ctypes.c_float: "float",
    ctypes.c_double: "double",
    ctypes.c_longdouble: "long double",
    ctypes.c_void_p: "void *",
}
BIT_TYPES: tuple[Any, ...] = (ctypes.c_byte, ctypes.c_ushort, ctypes.c_int, ctypes.c_long)
TYPES = int(os.environ.get("FFI_STATIC_TEST_TYPES", "160"))
ALIGNS = sys.version_info >= (3, 13)  # ctypes knows _align_
X87 = platform.machine() in ("x86_64", "i686")  # long double has 80 bits, and then padding


class Type:
    """A ctypes type, its C declaration, and which bits of it are values and not padding."""

    def __init__(self, name: str, cls: Any, declaration: str, mask: int) -> None:
        self.name, self.cls, self.declaration, self.mask = name, cls, declaration, mask
        self.size = ctypes.sizeof(cls)
        self.holds = set(re.findall(r"\bT\d+\b", declaration)) - {name}

    def clean(self, raw: bytes) -> int:
        return int.from_bytes(raw[: self.size], sys.byteorder) & self.mask

    def random(self, rng: random.Random) -> Any:
        value = rng.getrandbits(8 * self.size) & self.mask
        return self.cls.from_buffer_copy(value.to_bytes(self.size, sys.byteorder))


def mask_of_scalar(cls: Any) -> int:
    return (1 << 8 * (10 if cls is ctypes.c_longdouble and X87 else ctypes.sizeof(cls))) - 1


def mask_of_bits(cls: Any, name: str) -> int:
    value = cls()
    setattr(value, name, -1)
    return int.from_bytes(bytes(value), sys.byteorder)


class Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.types: list[Type] = []

    def member(self, base: Any) -> tuple[Any, str, int]:
        """Draw a member's type: the ctypes type, its C name, its mask."""
        inner = [t for t in self.types if t.size <= 16]
        if inner and base in (ctypes.Structure, ctypes.Union) and self.rng.random() < 0.35:
            chosen = self.rng.choice(inner)
            return chosen.cls, chosen.name, chosen.mask
        cls = self.rng.choice(list(SCALARS)[: -1 if base is ctypes.BigEndianStructure else None])
        if base is ctypes.BigEndianStructure and cls is ctypes.c_longdouble:
            cls = ctypes.c_double
        return cls, SCALARS[cls], mask_of_scalar(cls)

    def draw(self) -> Type:
        rng, name = self.rng, f"T{len(self.types)}"
        base: Any = rng.choice(
            [ctypes.Structure] * 4 + [ctypes.Union] * 3 + [ctypes.BigEndianStructure]
        )
        fields: list[Any] = []
        lines: list[str] = []
        masks: list[Any] = []
        for i in range(rng.choice((1, 1, 2, 2, 3, 4))):
            if base is not ctypes.BigEndianStructure and rng.random() < 0.25:
                cls = rng.choice(BIT_TYPES)
                bits = rng.randint(1, 8 * ctypes.sizeof(cls))
                fields.append((f"f{i}", cls, bits))
                lines.append(f"{SCALARS[cls]} f{i} : {bits};")
                masks.append(None)
                continue
            cls, text, mask = self.member(base)
            count = rng.choice((0, 0, 0, 1, 2, 3))
            fields.append((f"f{i}", cls * count if count else cls))
            lines.append(f"{text} f{i}{f'[{count}]' if count else ''};")
            masks.append((mask, 8 * ctypes.sizeof(cls), max(count, 1)))
        space: dict[str, Any] = {"_fields_": fields}
        before = after = attribute = ""
        bitless = all(mask is not None for mask in masks)
        if bitless and rng.random() < 0.25:
            space.update(_pack_=rng.choice((1, 2, 4)), _layout_="ms")
            before, after = f"#pragma pack(push, {space['_pack_']})\n", "\n#pragma pack(pop)"
        elif ALIGNS and rng.random() < 0.15:
            space["_align_"] = rng.choice((2, 8, 16))
            attribute = f" __attribute__((aligned({space['_align_']})))"
        made = type(name, (base,), space)
        if any(  # ctypes would write beyond the memory of an instance
            not 0 <= getattr(made, each).offset <= ctypes.sizeof(made) - ctypes.sizeof(cls)
            for each, cls, *_ in fields
        ):
            return self.draw()
        kind = "union" if base is ctypes.Union else "struct"
        text = f"{before}typedef {kind}{attribute} {{ {' '.join(lines)} }} {name};{after}"
        whole = 0
        for field, mask in zip(fields, masks):
            if mask is None:
                whole |= mask_of_bits(made, field[0])
                continue
            bits, width, count = mask
            start = 8 * getattr(made, field[0]).offset
            for i in range(count):
                at = start + i * width
                if sys.byteorder == "big":
                    at = 8 * ctypes.sizeof(made) - at - width
                whole |= bits << at
        return Type(name, made, text, whole)

    def fill(self, count: int) -> list[Type]:
        while len(self.types) < count:
            drawn = self.draw()
            if drawn.size <= 48 and drawn.mask:
                self.types.append(drawn)
        return self.types


# T appears before, between and after what fills the registers
PARAMETERS = "T, long, T, double, T, T, T, long double, T, T, T, long"
ARGUMENTS = "v[0], 1, v[1], 2.0, v[2], v[3], v[4], 3.0L, v[5], v[6], v[7], 4"
PLACES = (0, 2, 4, 5, 6, 8, 9, 10)


REASONS = "gcc and clang disagree|as no C compiler would|a bit-field and|is packed and aligned"


def functype_of(cls: Any) -> Any:
    kinds = {
        "T": cls,
        "long": ctypes.c_long,
        "double": ctypes.c_double,
        "long double": ctypes.c_longdouble,
    }
    return ctypes.CFUNCTYPE(None, *(kinds[p] for p in PARAMETERS.split(", ")))


def program(types: list[Type]) -> str:
    """Write C functions per type: its layout, a call with it, a call for it."""
    parts = ["#include <stddef.h>\n#include <string.h>"]
    for t in types:
        places = "".join(
            f"    x.{name} = -1, out = put(out, &x, sizeof x), memset(&x, 0, sizeof x);\n"
            if bits
            else f"    *l++ = offsetof({t.name}, {name});\n"
            for name, _, *bits in t.cls._fields_
        )
        parts.append(
            f"{t.declaration}\n"
            f"void layout_{t.name}(unsigned long *l, char *out)\n{{\n"
            f"    {t.name} x;\n    *l++ = sizeof x;\n    *l++ = _Alignof({t.name});\n"
            f"    (void)out;\n    memset(&x, 0, sizeof x);\n{places}}}\n"
            f"void take_{t.name}(void (*f)({PARAMETERS.replace('T', t.name)}), {t.name} *v)\n"
            f"{{\n    f({ARGUMENTS});\n}}\n"
            f"void give_{t.name}({t.name} (*f)(long), {t.name} *v)\n{{\n    *v = f(7);\n}}\n"
            f"void give_wide_{t.name}({t.name} (*f)({'long, ' * 7}{t.name}), {t.name} *v)\n"
            f"{{\n    v[1] = f({'7, ' * 7}v[0]);\n}}\n"
        )
    put = (
        "static char *put(char *out, const void *x, size_t n)\n"
        "{\n    return (char *)memcpy(out, x, n) + n;\n}"
    )
    return "\n".join([parts[0], put, *parts[1:]])


def compiled_alike(library: Any, t: Type) -> bool:
    """Tell whether the compiler lays `t` out as ctypes does; of bit-fields ctypes' is peculiar."""
    layout = (ctypes.c_ulong * 16)()
    out = ctypes.create_string_buffer(1024)
    getattr(library, f"layout_{t.name}")(layout, out)
    wanted = [t.size, ctypes.alignment(t.cls)]
    bits = b""
    for name, _, *is_bits in t.cls._fields_:
        if is_bits:
            bits += mask_of_bits(t.cls, name).to_bytes(t.size, sys.byteorder)
        else:
            wanted.append(getattr(t.cls, name).offset)
    return list(layout)[: len(wanted)] == wanted and out.raw[: len(bits)] == bits


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Type]]:
    """Give the C functions, and the types that ctypes and the compiler lay out alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.14: _pack_ without _layout_
        types = Maker(int(os.environ.get("FFI_STATIC_TEST_SEED", "1"))).fill(TYPES)
    folder = tmp_path_factory.mktemp("by_value")
    (folder / "types.c").write_text(program(types), encoding="ascii")
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    flags = ["-O1", "-w", "-fPIC", "-shared"]
    run([*compiler, *flags, str(folder / "types.c"), "-o", str(folder / "types.so")])
    library = ctypes.CDLL(str(folder / "types.so"))
    other = {t.name for t in types if not compiled_alike(library, t)}
    for t in types:
        if t.holds & other:
            other.add(t.name)
    alike = [t for t in types if t.name not in other]
    assert len(alike) > 0.7 * TYPES
    return library, alike


def served(t: Type) -> bool:
    """Tell whether `t` can be passed; if not, that it is for a reason."""
    try:
        from_ctypes.describe(t.cls)
    except NotImplementedError as error:
        assert re.search(REASONS, str(error))  # noqa: PT017
        return False
    return True


def call(library: Any, t: Type, values: Any, make: Any) -> list[Any]:
    """Give what a callback that `make` makes is called with by C."""
    seen: list[Any] = []
    made = make(functype_of(t.cls), lambda *given: seen.extend(given))
    getattr(library, f"take_{t.name}")(made, values)
    assert [type(seen[i]) for i in PLACES] == [t.cls] * len(PLACES)
    return [t.clean(bytes(each)) if i in PLACES else each for i, each in enumerate(seen)]


def test_arguments_are_what_the_compiler_passed(compiled: tuple[Any, list[Type]]) -> None:
    library, types = compiled
    rng = random.Random(2)
    like_ctypes = refused = 0
    for t in types:
        if not served(t):
            refused += 1
            continue
        values = (t.cls * 8)(*(t.random(rng) for _ in range(8)))
        wanted: list[Any] = [1, 1, 1, 2.0, 1, 1, 1, 3.0, 1, 1, 1, 4]
        for place, value in zip(PLACES, values):
            wanted[place] = t.clean(bytes(value))
        ours = call(library, t, values, ffi_static.callback)
        assert ours == wanted, t.declaration
        if _lib.knows_classes:  # elsewhere ctypes may take a value for an address, and crash
            like_ctypes += call(library, t, values, lambda kind, f: kind(f)) == ours
    assert refused < (0.25 if from_ctypes._FLATTENS else 0.1) * len(types)
    if _lib.knows_classes:
        assert like_ctypes > 0.6 * len(types)  # the rest it passes as another struct


def test_results_are_what_the_compiler_expects(compiled: tuple[Any, list[Type]]) -> None:
    library, types = compiled
    rng = random.Random(3)
    for t in types:
        if not served(t):
            continue
        values = (t.cls * 2)()
        result = t.random(rng)
        give = ffi_static.callback(ctypes.CFUNCTYPE(t.cls, ctypes.c_long), lambda _: result)  # noqa: B023
        getattr(library, f"give_{t.name}")(give, values)
        assert t.clean(bytes(values[0])) == t.clean(bytes(result)), t.declaration
        values[0] = t.random(rng)
        wide = ctypes.CFUNCTYPE(t.cls, *[ctypes.c_long] * 7, t.cls)
        give = ffi_static.callback(wide, lambda *given: given[-1])
        getattr(library, f"give_wide_{t.name}")(give, values)
        assert t.clean(bytes(values[1])) == t.clean(bytes(values[0])), t.declaration


def describe(*fields: Any, base: Any = ctypes.Structure, **space: Any) -> Any:
    return from_ctypes.describe(type("Made", (base,), {**space, "_fields_": fields}))[0]


INT, LONG, DOUBLE, LONGDOUBLE = "int", "long", "double", "long double"
PLAIN = {
    INT: ctypes.c_int, LONG: ctypes.c_long, DOUBLE: ctypes.c_double, LONGDOUBLE: ctypes.c_longdouble
}  # fmt: skip
MEMORY = ("B", "Q", "B")  # the Q is unaligned


needs_classes = pytest.mark.skipif(
    not _lib.knows_classes, reason="x86-64 alone passes aggregates by the classes of their members"
)


@needs_classes
@pytest.mark.parametrize(
    ("kinds", "members"),
    [
        ((DOUBLE, LONG), ("Q",)),
        ((DOUBLE,), ("d",)),
        ((LONGDOUBLE,), ("g",)),
        ((LONGDOUBLE, (LONG, LONG)), ("Q", "Q")),  # INTEGER wins in both halves
        ((LONGDOUBLE, LONG), MEMORY),  # X87UP without X87
        ((LONGDOUBLE, DOUBLE), MEMORY),
        (((DOUBLE, LONG), LONGDOUBLE), MEMORY),
        (((LONG, DOUBLE), (INT, INT, DOUBLE)), ("Q", "d")),
    ],
    ids=str,
)
def test_union_has_the_classes_of_all_its_members(kinds: Any, members: Any) -> None:
    fields: list[Any] = []
    for i, kind in enumerate(kinds):
        if isinstance(kind, str):
            fields.append((f"f{i}", PLAIN[kind]))
            continue
        inner = [(f"m{k}", PLAIN[each]) for k, each in enumerate(kind)]
        fields.append((f"f{i}", type("Inner", (ctypes.Structure,), {"_fields_": inner})))
    made = describe(*fields, base=ctypes.Union)[2]
    assert (made[0][2] if isinstance(made[0], tuple) else made) == members


@needs_classes
def test_inner_union_in_memory_takes_the_whole_there() -> None:
    class Inner(ctypes.Union):
        _fields_ = (("d", ctypes.c_double), ("l", ctypes.c_longdouble))

    longs = ctypes.c_long * 2
    assert describe(("l", longs), ("i", Inner), base=ctypes.Union)[2][0][2] == MEMORY
    flat = (("d", ctypes.c_double), ("l", ctypes.c_longdouble))
    assert describe(("i", longs), *flat, base=ctypes.Union)[2] == ("Q", "Q")


class Half(ctypes.Structure):
    _fields_ = (("a", ctypes.c_short), ("b", ctypes.c_short))


class Bits(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int, 3), ("b", ctypes.c_int, 29))


@needs_classes
def test_struct_off_its_alignment_in_a_packed_one() -> None:
    packed: dict[str, Any] = {"_pack_": 2, "_layout_": "ms"}
    whole = describe(("c", ctypes.c_short), ("p", Half), **packed)
    assert whole == (6, 2, ("H", "H", "H"))
    memory = describe(("c", ctypes.c_short), ("i", ctypes.c_int), **packed)
    assert memory[2][0][2] == ("B", "I")  # the I is unaligned
    with pytest.raises(NotImplementedError, match="gcc and clang disagree"):
        describe(("c", ctypes.c_short), ("p", Bits), **packed)


def test_fields_that_ctypes_does_not_find_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="two fields of one name"):
        describe(("x", ctypes.c_double), ("x", ctypes.c_long))

    class Changed(ctypes.Structure):
        _fields_ = (("x", ctypes.c_double),)

    setattr(Changed, "x", 5)  # noqa: B010
    with pytest.raises(NotImplementedError, match=r"Changed\.x was replaced"):
        from_ctypes.describe(Changed)


def test_result_of_another_type_is_an_error(unraisable: list[Any]) -> None:
    kind = ctypes.CFUNCTYPE(Half)
    callback = ffi_static.callback(kind, lambda: Bits(), error=Half(3, 4))
    result = callback.as_ctypes()()
    assert (result.a, result.b) == (3, 4)
    assert unraisable[0][2:] == (TypeError, "expected Half instance, got Bits")


def test_result_that_points_at_something_is_kept_alive() -> None:
    class Text(ctypes.Structure):
        _fields_ = (("number", ctypes.c_int), ("text", ctypes.c_char_p))

    class Outer(ctypes.Structure):
        _fields_ = (("inner", Text),)

    def called(make: Any) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ffi_static.callback(ctypes.CFUNCTYPE(Text), make).as_ctypes()()
        return [str(w.message) for w in caught]

    leak = ["memory leak in callback function."]
    assert called(lambda: Text(1, b"text")) == leak
    assert called(lambda: Outer(Text(1, b"text")).inner) == leak
    assert called(lambda: Text(1)) == called(lambda: Outer(Text(1)).inner) == []
    assert called(lambda: Text.from_buffer(bytearray(16))) == []


def test_aggregates_by_their_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library classifies them. Without a float, size and alignment are enough."""
    monkeypatch.setattr(_lib, "knows_classes", 0)
    halves = ("a", Half * 2), ("b", ctypes.c_float)
    half = (4, 2, ("h", "h"))
    assert describe(*halves) == (12, 4, (half, half, "f"))
    assert describe(*halves, base=ctypes.Union) == (8, 4, ((8, 2, (half, half)), "f"))
    assert describe(halves[1], base=ctypes.Union) == (4, 4, ("f", "f"))
    assert describe(("a", ctypes.c_float * 1)) == (4, 4, ("f", (0, 1, ())))
    assert describe(("a", ctypes.c_int), ("b", ctypes.c_short, 3)) == (8, 4, ("I", "I"))
    assert describe(("a", Half * 50)) == (200, 2, ("H",))
    packed = describe(("a", ctypes.c_byte), ("b", ctypes.c_double), _pack_=2, _layout_="ms")
    assert packed == (10, 2, ("b", "d"))
    aligned = {"_pack_": 1, "_layout_": "ms", "_align_": 8}
    if ALIGNS:
        with pytest.raises(NotImplementedError, match="is packed and aligned"):
            describe(("a", ctypes.c_byte), ("b", ctypes.c_float), **aligned)
    fields = ("a", ctypes.c_int, 3), ("b", ctypes.c_float)
    monkeypatch.setattr(from_ctypes, "_FLATTENS", False)
    assert describe(*fields) == (8, 4, ("I", "I"))
    monkeypatch.setattr(from_ctypes, "_FLATTENS", True)
    with pytest.raises(NotImplementedError, match="a bit-field and a floating-point member"):
        describe(*fields)
