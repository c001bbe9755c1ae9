# SPDX-License-Identifier: MIT
"""emit - the C of one batch: for each signature its types, two callers and a descriptor.

`plain` calls with the true prototype: the compiler alone decides where each argument goes. `dirty`
calls with wider types that occupy the same registers and slots, so bits that belong to no argument
hold garbage. It also puts further words on the stack behind the arguments: the canary. Both calls
are correct under the x86-64 psABI (3.2.3), AAPCS64 (6.8), and the psABIs of RISC-V and LoongArch:
bits beyond an argument's type are undefined, and the caller pops the stack. Where an ABI lets the
caller extend integers, closures do not rely on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from . import model as m
from .isa import Isa
from .signature import Signature

#: The integers that integers are widened to, and their bytes.
WHOLE = {"uint64_t": 8, "uint32_t": 4}


def _leaves(isa: Isa, kind: m.Type) -> str:
    leaves = [isa.leaf(x) for x in kind.leaves]
    return ", ".join(f"{{{x.offset}, {x.size}, '{x.kind}'}}" for x in leaves)


def descriptor(isa: Isa, kind: m.Type, ffi: str) -> str:
    """The C of the runtime's description of a type, which `rt.h` declares."""
    n = len(kind.leaves)
    signed = int(isinstance(kind, m.Scalar) and kind.signed)
    whole = WHOLE.get(kind.wide, 0) if isinstance(kind, m.Scalar) else 0
    return (
        f"static const fz_leaf L_{kind.tag}[] = {{{_leaves(isa, kind)}}};\n"
        f"__attribute__((unused)) static const fz_type {kind.tag} = {{{ffi}, {kind.size},"
        f" {kind.align}, {n}, {whole}, {signed}, {int(isa.in_memory(kind))},"
        f" {isa.x87_depth(kind)}, L_{kind.tag}}};\n"
    )


def c_name(kind: m.Type) -> str:
    """The type's name in the generated C."""
    return kind.name if isinstance(kind, m.Scalar) else f"{kind.keyword} {kind.name}"


def _elements(isa: Isa, kind: m.Struct) -> str:
    """Its libffi elements: an array is its elements, in a union a struct of them.

    The only member of a union is listed twice (ffi_static.h).
    """
    lines, elements = [], []
    for i, (inner, count) in enumerate(kind.members):
        if not kind.union or not count:
            elements += [_ffi(inner)] * (count or 1)
            continue
        array = f"{kind.name}_m{i}"
        listed = ", ".join([_ffi(inner)] * count)
        lines += [
            f"static ffi_type *E_{array}[] = {{{listed}, NULL}};",
            f"static ffi_type T_{array} = {{{count * inner.size}, {inner.align},"
            f" FFI_TYPE_STRUCT, E_{array}}};",
        ]
        elements.append(f"&T_{array}")
    if kind.union and len(elements) == 1:  # or it would be a struct
        elements *= 2
    elements += ["&fz_nothing"] if isa.looks_floating(kind) else []
    lines.append(f"static ffi_type *E_{kind.name}[] = {{{', '.join(elements)}, NULL}};")
    return "\n".join(lines)


def struct(isa: Isa, kind: m.Struct, passed: bool, by_hand: bool) -> str:
    """A struct: its C, the proof of its layout, its libffi type, and a wider twin if it is passed.

    `by_hand`: the libffi type gives size and alignment, and does not leave them to libffi.
    """
    name = c_name(kind)
    lines = [f"#pragma pack(push, {kind.pack})"] if kind.pack > 1 else []
    lines.append(f"{name} {{")
    lines += [
        f"    {c_name(t)} m{i}{f'[{n}]' if n else ''};" for i, (t, n) in enumerate(kind.members)
    ]
    laid_out = f"{kind.size}, {kind.align}" if by_hand else "0, 0"
    lines.append(f"}}{kind.attribute};")
    lines += ["#pragma pack(pop)"] if kind.pack > 1 else []
    lines.append(
        f"_Static_assert(sizeof({name}) == {kind.size}"
        f' && _Alignof({name}) == {kind.align}, "layout");'
    )
    lines += [
        f'_Static_assert(offsetof({name}, m{i}) == {at}, "layout");'
        for i, at in enumerate(kind.offsets)
    ]
    if passed and isa.padded(kind):
        parts = [f"{name} s;", isa.padded(kind)]
        lines.append(f"struct W_{kind.name} {{ {' '.join(parts[:: -1 if isa.big else 1])} }};")
    lines += [
        _elements(isa, kind),
        f"static ffi_type T_{kind.name} = {{{laid_out}, FFI_TYPE_STRUCT, E_{kind.name}}};",
    ]
    text = "\n".join(lines) + "\n"
    return text + descriptor(isa, kind, f"&T_{kind.name}") if passed else text


def _ffi(kind: m.Type) -> str:
    return f"&{kind.ffi}" if isinstance(kind, m.Scalar) else f"&T_{kind.name}"


def _wide(isa: Isa, kind: m.Type) -> str:
    if isinstance(kind, m.Scalar):
        return isa.wide(kind)
    return f"struct W_{kind.name}" if isa.padded(kind) else c_name(kind)


def _wide_result(kind: m.Type | None) -> str:
    if kind is None:
        return "void"
    whole = isinstance(kind, m.Scalar) and kind.wide in WHOLE
    return kind.wide if isinstance(kind, m.Scalar) and whole else c_name(kind)


def _before(isa: Isa, kind: m.Type) -> int:
    """How many bytes before the value its wider one begins."""
    wider = isa.big and _wide(isa, kind) != c_name(kind)
    return m.WORD - kind.size if wider else 0


def _caller(
    name: str,
    result: str,
    args: list[str],
    canary: tuple[tuple[str, str], ...] = (),
    before: tuple[int, ...] = (),
    convention: str = "",
) -> str:
    at = [f"(v[{i}] - {n})" if n else f"v[{i}]" for i, n in enumerate(before)]
    at = at or [f"v[{i}]" for i in range(len(args))]
    passed = [f"*({a} *){v}" for a, v in zip(args, at)]
    args = [*args, *(kind for kind, _ in canary)]
    passed += [value for _, value in canary]
    types, values = ", ".join(args) or "void", ", ".join(passed)
    attribute = f"__attribute__(({convention})) " if convention else ""
    store = "" if result == "void" else f"*({result} *)r = "
    return (
        f"static void {name}(fz_value *v, void *r)\n{{\n    (void)v, (void)r;\n"
        f"    {store}(({result}({attribute}*)({types}))fz_entry)({values});\n}}\n"
    )


def _reached(kinds: Iterable[m.Type | None]) -> set[str]:
    """The names of the structs among `kinds`, and of those inside them."""
    names: set[str] = set()
    for kind in kinds:
        if isinstance(kind, m.Struct) and kind.name not in names:
            names |= {kind.name} | _reached(t for t, _ in kind.members)
    return names


def signature(isa: Isa, sig: Signature) -> str:
    """Everything of one signature except its row in the table."""
    passed = [*sig.args, sig.result]
    used = _reached(passed)
    # libffi does not lay out the members of a type whose size is given.
    by_hand = _reached(s for s in sig.structs if s.by_hand or isa.looks_floating(s))
    parts = [struct(isa, s, s in passed, s.name in by_hand) for s in sig.structs if s.name in used]
    i = sig.index
    result = c_name(sig.result) if sig.result else "void"
    plain = [c_name(a) for a in sig.args]
    parts.append(_caller(f"plain{i}", result, plain, convention=isa.convention))
    wide = [_wide(isa, a) for a in sig.args]
    before = tuple(_before(isa, a) for a in sig.args)
    wider = _wide_result(sig.result)
    parts.append(_caller(f"dirty{i}", wider, wide, isa.canary, before, isa.convention))
    args = ", ".join(f"&{a.tag}" for a in sig.args) or "NULL"
    parts.append(f"static const fz_type *const A{i}[] = {{{args}}};\n")
    return "".join(parts)


def row(isa: Isa, sig: Signature) -> str:
    """The signature's row in the batch's table."""
    result = f"&{sig.result.tag}" if sig.result else "NULL"
    return (
        f'    {{{sig.index}, "{sig.label}", "{sig.prototype}", {result}, {len(sig.args)},'
        f" A{sig.index}, plain{sig.index}, dirty{sig.index}, {isa.pops(sig)}}},\n"
    )


def _scalar(isa: Isa, kind: m.Scalar) -> m.Scalar:
    kind = isa.scalar(kind)
    return replace(kind, align=min(kind.align, isa.ldouble_align))


def _struct(isa: Isa, kind: m.Struct) -> m.Struct:
    return replace(kind, members=tuple((_laid_out(isa, t), n) for t, n in kind.members))


def _laid_out(isa: Isa, kind: m.Type) -> m.Type:
    """The type with the sizes and alignments of `isa`."""
    return _struct(isa, kind) if isinstance(kind, m.Struct) else _scalar(isa, kind)


def _fitted(isa: Isa, sig: Signature) -> Signature:
    if all(_scalar(isa, s) == s for s in m.SCALARS):
        return sig
    return replace(
        sig,
        result=_laid_out(isa, sig.result) if sig.result else None,
        args=[_laid_out(isa, a) for a in sig.args],
        structs=[_struct(isa, s) for s in sig.structs],
    )


def batch(isa: Isa, sigs: Iterable[Signature]) -> str:
    """One translation unit."""
    sigs = [_fitted(isa, s) for s in sigs]
    out = ['/* Generated by tests/fuzz; see emit.py. */\n#include "rt.h"\n']
    scalars = (_scalar(isa, s) for s in (*m.SCALARS, *m.COMPLEX_INTEGERS))
    out += [descriptor(isa, s, f"&{s.ffi}") for s in scalars]
    out += [signature(isa, s) for s in sigs]
    out.append("const fz_sig fz_sigs[] = {\n")
    out += [row(isa, s) for s in sigs]
    out.append("};\nconst unsigned fz_nsigs = sizeof fz_sigs / sizeof *fz_sigs;\n")
    out.append(f"const ffi_abi fz_abi = {isa.abi};\n")
    out.append(f"const int fz_has_canary = {int(bool(isa.canary))};\n")
    return "".join(out)
