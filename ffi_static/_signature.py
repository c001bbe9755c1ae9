# SPDX-License-Identifier: MIT
"""_signature - from what a user writes to a ``_lib.Signature``

A signature is a C declaration, a cffi function ctype or a ctypes function type. Each becomes,
once, a description for libffi (the letters of csrc/py/shape.c) and a converter letter per type;
both are cached here. What a callback cannot take is refused here, with a sentence.
"""

from __future__ import annotations

import re
import threading
import weakref
from functools import lru_cache
from typing import Any

import _cffi_backend
import cffi

from ffi_static import _lib
from ffi_static._errors import SignatureError

CFFI, CTYPES = 0, 1  # csrc/py/convert.h

#: Where a ctypes function type keeps its signature (csrc/py/make.c reads it as well).
ATTRIBUTE = "_ffi_static_signature_"

# A description of a C type: a letter, or (size, alignment, members).
Description = Any

_shapes: dict[Any, object] = {}
_shapes_lock = threading.Lock()
_parser = _cffi_backend.FFI()
CType = type(_parser.typeof("int"))
_INTEGERS = {(1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}
_FLOATING = {
    "float": "f",
    "double": "d",
    "long double": "g",
    "_cffi_float_complex_t": "F",
    "_cffi_double_complex_t": "D",
    "float _Complex": "F",  # their names before cffi 2.0
    "double _Complex": "D",
}
_CHARACTERS = {"char": "b", "wchar_t": "i", "char16_t": "H", "char32_t": "I"}


def shape_of(result: Description, arguments: tuple[Description, ...]) -> object:
    """Return the libffi shape for these descriptions, one for the life of the process."""
    key = (result, arguments)
    with _shapes_lock:
        shape = _shapes.get(key)
        if shape is None:
            shape = _shapes[key] = _lib.shape(result, arguments)
        return shape


def check_layout(
    name: str, size: int, alignment: int, members: list[tuple[int, Description]]
) -> Description:
    """Return the description of a struct, whose members are (offset, description).

    libffi passes a struct by its natural layout. One of another layout (packed, or with a
    changed alignment) goes right only when it is too large for registers.
    """
    flat = tuple(description for _, description in members)
    if not flat or size == 0:
        raise SignatureError(f"{name} has size 0 and cannot be passed by value")
    natural = _lib.layout(flat)
    if natural != (size, alignment, tuple(offset for offset, _ in members)) and size <= 16:
        raise NotImplementedError(
            f"{name} has another layout than the C compiler gives such a struct (packed?); "
            "pass a pointer to it"
        )
    return (size, alignment, flat)


# ---- cffi ---------------------------------------------------------------------------------


def _describe_primitive(ctype: Any, name: str) -> tuple[Description, str]:
    if name in _FLOATING:
        return _FLOATING[name], "n" if name in ("float", "double") else "x"
    if name in _CHARACTERS:
        return _CHARACTERS[name], "x"
    size = _parser.sizeof(ctype)
    if name == "_Bool":
        return "B", "?"
    signed = int(_parser.cast(ctype, -1)) < 0
    letter = _INTEGERS.get((size, True))
    if letter is None:
        raise NotImplementedError(f"type '{name}' of {size} bytes is not supported")
    return letter if signed else letter.upper(), "n"


def _describe_struct(ctype: Any) -> Description:
    name = ctype.cname
    fields = ctype.fields
    if fields is None:
        raise SignatureError(f"'{name}' is an incomplete type; pass a pointer to it")
    members = []
    for field_name, field in fields:
        if field.bitsize >= 0:
            raise NotImplementedError(f"'{name}' has a bit-field; pass a pointer to it")
        item, count = field.type, 1
        while item.kind == "array":
            if not item.length:
                raise NotImplementedError(f"'{name}.{field_name}' is an array without a length")
            count *= item.length
            item = item.item
        description, _ = describe_cffi(item)
        width = _parser.sizeof(item)
        members += [(field.offset + i * width, description) for i in range(count)]
    return check_layout(f"'{name}'", _parser.sizeof(ctype), _parser.alignof(ctype), members)


def describe_cffi(ctype: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of a cffi ctype."""
    kind = ctype.kind
    if kind == "void":
        return "v", "v"
    if kind in ("pointer", "function"):
        return "p", "x"
    if kind in ("primitive", "enum"):
        return _describe_primitive(ctype, ctype.cname)
    if kind == "struct":
        return _describe_struct(ctype), "x"
    raise NotImplementedError(f"'{ctype.cname}' ({kind}) cannot be passed by value; use a pointer")


def _is_variadic(ctype: Any) -> bool:
    """Tell whether a function ctype ends in ``...``.

    cffi's own ``ellipsis`` is also true for a type that it cannot call, such as complex.
    """
    if not ctype.ellipsis:
        return False
    name = ctype.cname
    start = name.index("(*)(") + len("(*)")
    depth = 0
    for end in range(start, len(name)):
        depth += {"(": 1, ")": -1}.get(name[end], 0)
        if depth == 0:
            return bool(name[:end].endswith("..."))
    return False


@lru_cache(maxsize=1024)
def from_cffi(ctype: Any) -> _lib.Signature:
    """Make the signature of a cffi function ctype."""
    if ctype.kind != "function":
        raise SignatureError(f"expected a function type, got '{ctype.cname}'")
    text = ctype.cname.replace("(*)", "", 1)
    if _is_variadic(ctype):
        raise NotImplementedError(f"{text}: a callback cannot be variadic ('...')")
    try:
        described = [describe_cffi(t) for t in (ctype.result, *ctype.args)]
    except (SignatureError, NotImplementedError) as error:
        raise type(error)(f"{text}: {error}") from None
    shape = shape_of(described[0][0], tuple(d for d, _ in described[1:]))
    types = (ctype.result, *ctype.args)
    items = tuple((code, t) for (_, code), t in zip(described, types))
    return _lib.Signature(text, CFFI, False, shape, items, ctype, None)


# ---- declarations ---------------------------------------------------------------------------


def _last_group(text: str) -> int:
    """Return where the last top-level ``(...)`` of `text` starts, or -1."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        if text[i] == ")":
            depth += 1
        elif text[i] == "(":
            depth -= 1
            if depth == 0:
                return i
    return -1


def _spellings(declaration: str) -> list[str]:
    """Return ways to write `declaration` as a pointer to function, the likeliest first."""
    text = declaration.strip().rstrip(";").rstrip()
    start = _last_group(text)
    if start < 0:
        return [text]
    result, arguments = text[:start].rstrip(), text[start:]
    ways = [text, f"{result}(*){arguments}"]
    named = re.fullmatch(r"(.*[\s*])([A-Za-z_]\w*)", result, re.DOTALL)
    if named:  # a prototype: "int compare(const void *a, const void *b)"
        ways.append(f"{named[1].rstrip()}(*){arguments}")
    return ways


_ARITHMETIC = {"float", "double", "long", "int", "short", "char", "signed", "unsigned"}
_QUALIFIERS = {"const", "volatile"}
#: More in a row than any C type has, arithmetic words ("unsigned long long int") or derivations;
#: cffi's parser takes quadratic time over them.
_WORDS_AT_MOST, _DEPTH_AT_MOST = 8, 256
# Type words of C that cffi's parser does not know, and takes for the name of an argument.
_UNKNOWN = {"__int128", "_Float16", "_Float32", "_Float64", "_Float128", "__float128", "_Imaginary"}


def _refuse_endless(declaration: str, words: list[str]) -> None:
    """Refuse what no C type needs, before a parser spends its time on it."""
    in_a_row = brackets = depth = deepest = 0
    for word in words:
        in_a_row = in_a_row + 1 if word in _ARITHMETIC else in_a_row * (word in _QUALIFIERS)
        brackets = brackets + 1 if word == "[" else brackets * (word not in ("(", ")", ","))
        depth += {"(": 1, ")": -1}.get(word, 0)
        deepest = max(deepest, depth)
        if in_a_row > _WORDS_AT_MOST or max(brackets, deepest) > _DEPTH_AT_MOST:
            break
    else:
        return
    short = f"{declaration[:60]!r}{'...' if len(declaration) > 60 else ''}"
    raise SignatureError(
        f"{short}: no C type has more than {_WORDS_AT_MOST} arithmetic words in a row, and here no "
        f"more than {_DEPTH_AT_MOST} brackets in a row or parentheses inside each other"
    )


def _refuse_lost_words(declaration: str) -> None:
    """Refuse types whose last word cffi's parser takes for a name: it would be lost silently.

    So "double(double complex)" is a function of one double called complex: `complex` is a macro,
    and nothing here runs the preprocessor. "long double _Complex" loses its `_Complex`.
    """
    words = re.findall(r"\w+|[^\w\s]", declaration)
    _refuse_endless(declaration, words)
    before: list[str] = []  # the arithmetic words that lead up to `word`
    for i, word in enumerate(words):
        if word in _ARITHMETIC:
            before.append(word)
        if word in _ARITHMETIC or word in _QUALIFIERS:
            continue
        after = [w for w in words[i + 1 : i + 3] if w in ("float", "double")]
        if word == "complex" and set(before + after) & {"float", "double"}:
            name = "float" if "float" in before + after else "double"
            raise SignatureError(
                f"{declaration!r}: 'complex' is a macro of <complex.h>, which is not known here; "
                f"write '{name} _Complex' (and give no argument the name 'complex')"
            )
        if word == "_Complex" and (
            before not in (["float"], ["double"]) or words[i - 1] != before[-1]
        ):
            raise SignatureError(
                f"{declaration!r}: complex types are 'float _Complex' and 'double _Complex', "
                "written in this order; of others pass a pointer"
            )
        if word in _UNKNOWN and before:
            raise SignatureError(f"{declaration!r}: '{word}' is not supported; pass a pointer")
        before = []


@lru_cache(maxsize=1024)
def _prepared(declaration: str) -> tuple[str, ...]:
    _refuse_lost_words(declaration)
    return tuple(_spellings(declaration))


def _typeof(declaration: str, ffi: Any) -> Any:
    ways = _prepared(declaration)
    # The text only: an exception kept in a local would form a cycle with this frame, and keep
    # the callers' frames, with the callback in them, alive until the next collection.
    reason = ""
    not_a_function = None
    for parser in (_parser, cffi.FFI()) if ffi is None else (ffi,):
        for way in ways:
            try:
                ctype = parser.typeof(way)
            except Exception as error:  # cffi's parsers raise many kinds
                if not reason or "is a function type" in reason:
                    reason = str(error).strip() or type(error).__name__
                continue
            if ctype.kind == "function":
                return ctype
            not_a_function = ctype
    if not_a_function is not None:
        raise SignatureError(
            f"{declaration!r} is not a function type; write for example 'int(int, double)'"
        )
    reason = reason.splitlines()[0]
    hint = "" if ffi is not None else "; types of your own come with ffi= (an FFI with a cdef)"
    raise SignatureError(f"cannot parse the C declaration {declaration!r}: {reason}{hint}")


@lru_cache(maxsize=1024)
def _from_common_declaration(declaration: str) -> _lib.Signature:
    return from_cffi(_typeof(declaration, None))


# Per FFI; a declaration that parsed once keeps its meaning, in cffi as well.
_of_ffi: weakref.WeakKeyDictionary[Any, dict[str, _lib.Signature]] = weakref.WeakKeyDictionary()


def _from_declaration(declaration: str, ffi: Any) -> _lib.Signature:
    try:
        known = _of_ffi.get(ffi)
        if known is None:
            known = _of_ffi[ffi] = {}
    except TypeError:  # an FFI of a compiled module cannot be referenced weakly
        known = {}
    found = known.get(declaration)
    if found is None:
        if len(known) >= 1024:
            known.clear()
        found = known[declaration] = from_cffi(_typeof(declaration, ffi))
    return found


def signature_of(given: object, ffi: Any = None) -> _lib.Signature:
    """Return the ``_lib.Signature`` of what the user gave.

    Raises SignatureError, or NotImplementedError for variadic functions and types that cannot
    be passed by value.
    """
    if isinstance(given, _lib.Signature):
        return given
    if isinstance(given, str):
        if ffi is None:
            return _from_common_declaration(given)
        return _from_declaration(given, ffi)
    if isinstance(given, CType):
        return from_cffi(given)
    if isinstance(given, type) and hasattr(given, "_flags_"):
        from ffi_static._from_ctypes import from_ctypes

        return from_ctypes(given)
    raise SignatureError(
        "a signature is a C declaration such as 'int(int, double)', a cffi function type or a "
        f"ctypes function type; got {given!r}"
    )
