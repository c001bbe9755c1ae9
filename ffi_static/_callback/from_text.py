# SPDX-License-Identifier: MIT
"""from_text - the signature of a C declaration, such as "int(int, double)"

cffi parses the declaration. A declaration that cffi would misread, or read for hours, is refused
before.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from functools import lru_cache
from typing import Any

import cffi

from ffi_static import _lib
from ffi_static._callback.from_cffi import PARSER, from_cffi
from ffi_static._errors import SignatureError


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
#: No C type has as many arithmetic words ("unsigned long long int") or derivations in a row.
#: cffi's parser takes quadratic time over both.
_WORDS_AT_MOST, _DEPTH_AT_MOST = 8, 256
# Type words of C that cffi's parser does not know. It takes them for the name of an argument.
_UNKNOWN = {"__int128", "_Float16", "_Float32", "_Float64", "_Float128", "__float128", "_Imaginary"}


def _refuse_endless(declaration: str, words: list[str]) -> None:
    """Refuse what no C type needs, before a parser spends hours on it."""
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
        f"{short}: a declaration may have {_WORDS_AT_MOST} arithmetic words in a row, and "
        f"{_DEPTH_AT_MOST} brackets in a row or parentheses inside each other"
    )


def _refuse_lost_words(declaration: str) -> None:
    """Refuse types whose last word cffi's parser takes for a name, and so loses silently.

    The parser reads "double(double complex)" as a function of one double called complex, because
    `complex` is a macro and no preprocessor runs. "long double _Complex" loses its `_Complex`.
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
                f"{declaration!r}: 'complex' is a macro of <complex.h>, which is not read here; "
                f"write '{name} _Complex', and give no argument the name 'complex'"
            )
        if word == "_Complex" and (
            before not in (["float"], ["double"]) or words[i - 1] != before[-1]
        ):
            raise SignatureError(
                f"{declaration!r}: the only complex types are 'float _Complex' and "
                "'double _Complex', in this order of words; pass a pointer to any other"
            )
        if word in _UNKNOWN and before:
            raise SignatureError(f"{declaration!r}: '{word}' is not supported; pass a pointer")
        before = []


@lru_cache(maxsize=1024)
def _prepared(declaration: str) -> tuple[str, ...]:
    _refuse_lost_words(declaration)
    return tuple(_spellings(declaration))


_TYPE = re.compile(
    r"(?:^|[(,]|\b(?:const|volatile|restrict)\b)\s*"  # where a type may begin
    r"(?:(?:const|volatile|restrict)\s+)*((?:(?:struct|union|enum)\s+)?[A-Za-z_]\w*)"
)


def _unknown_types(declaration: str, parsers: tuple[Any, ...]) -> list[str]:
    """Return the words of a declaration that stand in a type's place and that no parser knows."""
    unknown = []
    for name in dict.fromkeys(" ".join(m.split()) for m in _TYPE.findall(declaration)):
        if name in _QUALIFIERS | {"restrict"}:
            continue
        # The later parsers take any struct for one that will be declared.
        for parser in parsers[:1] if " " in name else parsers:
            with contextlib.suppress(Exception):  # cffi's parsers raise many kinds
                parser.typeof(name)
                break
        else:
            unknown.append(name)
    return unknown


def _typeof(declaration: str, ffi: Any) -> Any:
    ways = _prepared(declaration)
    # Only the error's text is kept. The error itself would form a cycle with this frame, and keep
    # the callers' frames, with their callbacks, alive until the next collection.
    reason = ""
    not_a_function = None
    # _lib.ffi knows POSIX's integer types as well (csrc/py/extension.py)
    parsers = (PARSER, _lib.ffi, cffi.FFI()) if ffi is None else (ffi,)
    for parser in parsers:
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
    unknown = _unknown_types(declaration, parsers)
    if unknown:
        reason = f"{' and '.join(map(repr, unknown))}: no such type is known"
    elif not_a_function is not None:
        raise SignatureError(
            f"{declaration!r} is not a function type; write for example 'int(int, double)'"
        )
    reason = reason.splitlines()[0]
    hint = "" if ffi is not None else "; give types of your own with ffi= (an FFI with a cdef)"
    raise SignatureError(f"cannot parse the C declaration {declaration!r}: {reason}{hint}")


# Signatures by declaration: of common types, and for each FFI. What an FFI parsed once keeps its
# meaning there.
_common: dict[str, _lib.Signature] = {}
_of_ffi: weakref.WeakKeyDictionary[Any, dict[str, _lib.Signature]] = weakref.WeakKeyDictionary()


def from_text(declaration: str, ffi: Any = None) -> _lib.Signature:
    """Return the signature of a declaration, which may name types of `ffi`, a cffi FFI."""
    try:
        known = _common if ffi is None else _of_ffi.setdefault(ffi, {})
    except TypeError:  # an FFI of a compiled module cannot be referenced weakly
        known = {}
    found = known.get(declaration)
    if found is None:
        if len(known) >= 1024:
            known.clear()
        found = known[declaration] = from_cffi(_typeof(declaration, ffi))
    return found
