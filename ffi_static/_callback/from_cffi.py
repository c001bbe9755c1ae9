# SPDX-License-Identifier: MIT
"""from_cffi - the signature of a cffi function type"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import _cffi_backend

from ffi_static import _lib
from ffi_static._callback.shape import CFFI, Description, check_layout, shape_of
from ffi_static._errors import SignatureError

PARSER = _cffi_backend.FFI()
CType = type(PARSER.typeof("int"))
_INTEGERS = {(1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}
_FLOATING = {
    "float": "f",
    "double": "d",
    "long double": "g",
    "_cffi_float_complex_t": "F",
    "_cffi_double_complex_t": "D",
    "float _Complex": "F",  # the names before cffi 2.0
    "double _Complex": "D",
}
_CHARACTERS = {"char": "c", "wchar_t": "w", "char16_t": "H", "char32_t": "I"}


def _describe_primitive(ctype: Any, name: str) -> tuple[Description, str]:
    if name in _FLOATING:
        return _FLOATING[name], "n" if name in ("float", "double") else "x"
    if name in _CHARACTERS:
        return _CHARACTERS[name], "x"
    size = PARSER.sizeof(ctype)
    if name == "_Bool":
        return "B", "?"
    signed = int(PARSER.cast(ctype, -1)) < 0
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
        width = PARSER.sizeof(item)
        members += [(field.offset + i * width, description) for i in range(count)]
    return check_layout(f"'{name}'", PARSER.sizeof(ctype), PARSER.alignof(ctype), members)


def describe_cffi(ctype: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of a cffi ctype."""
    kind = ctype.kind
    if kind == "void":
        return "v", "v"
    if kind in ("pointer", "function"):
        return "p", "p"
    if kind in ("primitive", "enum"):
        return _describe_primitive(ctype, ctype.cname)
    if kind == "struct":
        return _describe_struct(ctype), "x"
    raise NotImplementedError(f"'{ctype.cname}' ({kind}) cannot be passed by value; use a pointer")


def _is_variadic(ctype: Any) -> bool:
    """Tell whether a function ctype ends in ``...``.

    cffi's own ``ellipsis`` is also true when cffi cannot call the function, as with complex types.
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


def _is_number(ctype: Any) -> bool:
    return ctype.kind in ("primitive", "enum") and ctype.cname not in _CHARACTERS


def _pointed(text: str, types: Any, by_value: bool | tuple[int, ...]) -> dict[int, Any]:
    """Give {argument: type that it points at} of those that the function gets so."""
    if by_value is True:
        pointers = [i for i, ctype in enumerate(types) if ctype.kind == "pointer"]
        by_value = tuple(i for i in pointers if _is_number(types[i].item))
        if not by_value:
            raise SignatureError(f"{text}: by_value=True, but no argument points at a number")
    for i in by_value or ():
        if not 0 <= i < len(types):
            raise SignatureError(f"{text}: by_value names argument {i}, the first being 0")
        ctype = types[i]
        if ctype.kind != "pointer" or ctype.item.kind not in ("primitive", "enum", "pointer"):
            raise SignatureError(
                f"{text}: by_value names argument {i}, but '{ctype.cname}' points at no number, "
                "character or pointer"
            )
    return {i: types[i].item for i in by_value or ()}


@lru_cache(maxsize=1024)
def from_cffi(ctype: Any, by_value: bool | tuple[int, ...] = ()) -> _lib.Signature:
    """Make the signature of a cffi function ctype.

    `by_value` has the arguments that the function gets as what they point at; True: all pointers.
    """
    if ctype.kind != "function":
        raise SignatureError(f"a signature is a function type; got '{ctype.cname}'")
    text = ctype.cname.replace("(*)", "", 1)
    if _is_variadic(ctype):
        raise NotImplementedError(f"{text}: a callback cannot be variadic ('...')")
    try:
        described = [describe_cffi(t) for t in (ctype.result, *ctype.args)]
    except (SignatureError, NotImplementedError) as error:
        raise type(error)(f"{text}: {error}") from None
    shape = shape_of(described[0][0], tuple(d for d, _ in described[1:]))
    items: list[Any] = [(code, t) for (_, code), t in zip(described, (ctype.result, *ctype.args))]
    for i, pointed in _pointed(text, ctype.args, by_value).items():
        letter, code = describe_cffi(pointed)
        items[1 + i] = ("*", pointed, *((letter,) if code == "n" else ()))
    return _lib.Signature(text, CFFI, False, shape, tuple(items), ctype, None)
