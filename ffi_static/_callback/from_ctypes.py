# SPDX-License-Identifier: MIT
"""from_ctypes - the signature of a ctypes function type (CFUNCTYPE, PYFUNCTYPE)

ctypes does not give its libffi types away, so this file describes types anew from ``_type_``,
``_fields_`` and ``_length_``. It is imported only when a ctypes type is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

from ffi_static import _lib
from ffi_static._callback.by_value import INTEGER, SSE, X87, Leaf, Tree, in_memory, leaves
from ffi_static._callback.by_value import describe as by_value
from ffi_static._callback.shape import ATTRIBUTE, CTYPES, Description, shape_of
from ffi_static._errors import SignatureError


class _One(ctypes.Structure):
    _fields_ = (("field", ctypes.c_int),)


_CFuncPtr: Any = ctypes.CFUNCTYPE(None).__mro__[1]
_SimpleCData: Any = ctypes.c_int.__mro__[1]
_Pointer: Any = ctypes.POINTER(ctypes.c_int).__mro__[1]
_Field: Any = type(_One.field)
_USE_ERRNO = 0x8


def _holds(kept: Any) -> bool:
    """Tell whether there is an object in `kept`, where ctypes keeps objects alive."""
    if isinstance(kept, dict):  # "ffffffff" is the object whose memory from_buffer() uses
        return any(_holds(each) for key, each in kept.items() if key != "ffffffff")
    return kept is not None


def _points(value: Any) -> bool:
    """Tell whether `value`, a struct or union, points at objects that ctypes keeps alive."""
    while value._b_base_ is not None:
        value = value._b_base_
    return _holds(value._objects)  # noqa: SLF001  what C code reads as well


# In the order of csrc/py/convert_ctypes.c. The function type itself is added as the last.
_HELPERS = (_SimpleCData.__base__, ctypes.c_int, ctypes.set_errno, "value", "_objects", _points)

_INTEGER_CODES = "bBhHiIlLqQ"
_LETTERS = dict(zip("c?ufdgPzZOFDG", "cBwfdgppppFDG"))  # F, D, G: complex, from Python 3.14 on
_KINDS = {"f": SSE, "d": SSE, "g": X87, "F": SSE, "D": SSE, "G": X87}
#: Passes some structs by a register for each member.
_FLATTENS = os.uname().machine in ("riscv64", "loongarch64")
_BY_SIZE = {1: "b", 2: "h", 4: "i", 8: "q"}


def _describe_simple(cls: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of a simple type (`c_int`, ...)."""
    code = cls._type_
    if code in _INTEGER_CODES:
        letter = _BY_SIZE[ctypes.sizeof(cls)]
        return (letter if code.islower() else letter.upper()), "n"
    if code not in _LETTERS:
        raise SignatureError(f"{cls.__name__}: unknown ctypes type code {code!r}")
    if code in "fd":
        return code, "n"
    return _LETTERS[code], code if code in "?PzO" else "x"


def _describe_scalar(cls: Any) -> tuple[Description, str]:
    """Do the same for an argument or result, whose bytes ctypes cannot swap."""
    if _is_swapped(cls):
        raise SignatureError(f"{cls.__name__} is not of this machine's byte order")
    return _describe_simple(cls)


def _is_array(cls: Any) -> bool:
    return issubclass(cls, ctypes.Array)


def _is_aggregate(cls: Any) -> bool:
    return issubclass(cls, (ctypes.Structure, ctypes.Union))


def _is_swapped(cls: Any) -> bool:
    """Tell whether a simple type has the other byte order than this machine."""
    return getattr(cls, f"__ctype_{sys.byteorder[0]}e__", cls) is not cls


def _fields(cls: Any) -> Iterator[tuple[Any, Any, list[int]]]:
    """Give ctypes' descriptor, the type and the bits (none or one number) of each field."""
    base: Any
    for base in reversed(cls.__mro__):
        fields = base.__dict__.get("_fields_", ())
        if len({field[0] for field in fields}) != len(fields):
            raise NotImplementedError(
                f"{cls.__name__} has two fields of one name, and ctypes tells only where the "
                "second lies; pass a pointer to it"
            )
        for name, field, *bits in fields:
            descriptor = base.__dict__.get(name)
            if not isinstance(descriptor, _Field):
                raise NotImplementedError(
                    f"{cls.__name__}.{name} was replaced, and only ctypes' own attribute tells "
                    "where the field lies; pass a pointer to it"
                )
            yield descriptor, field, bits


def _bits(descriptor: Any, field: Any, start: int) -> Leaf:
    """Return the bytes that hold a bit-field. ctypes packs its place into `size`."""
    low, count = descriptor.size & 0xFFFF, descriptor.size >> 16
    first, last = low // 8, (low + count - 1) // 8
    if _is_swapped(field) == (sys.byteorder == "little"):
        first, last = (ctypes.sizeof(field) - 1 - each for each in (last, first))
    return Leaf(start + first, start + last + 1, INTEGER)


def _append(cls: Any, start: int, tree: Tree) -> bool:
    """Append the members of `cls`, at offset `start`. Tell whether each of them lies aligned."""
    aligned = start % ctypes.alignment(cls) == 0
    if _is_array(cls):
        width = ctypes.sizeof(cls._type_)
        for at in range(cls._length_):
            aligned &= _append(cls._type_, start + at * width, tree)
    elif _is_aggregate(cls):
        inner: Tree = []
        tree.append(inner)
        for descriptor, field, bits in _fields(cls):
            at = start + descriptor.offset
            if bits:
                inner.append(_bits(descriptor, field, at))
            else:
                aligned &= _append(field, at, inner)
    else:
        letter = _describe_simple(cls)[0] if issubclass(cls, _SimpleCData) else "p"
        parts = 2 if letter in "FDG" else 1  # of a complex number
        size = ctypes.sizeof(cls) // parts
        kind = _KINDS.get(letter, INTEGER)
        for at in range(start, start + parts * size, size):
            tree.append(Leaf(at, at + size, kind, size))
    return aligned


def _scalars(cls: Any, bits: Any = ()) -> Iterator[tuple[Any, Any]]:
    """Give the type and the bits of each scalar in `cls`, of an array's elements those of one."""
    if _is_array(cls):
        yield from _scalars(cls._type_) if cls._length_ else ()
    elif _is_aggregate(cls):
        for _, field, its_bits in _fields(cls):
            yield from _scalars(field, its_bits)
    else:
        yield cls, bits


def _natural(cls: Any) -> int:
    """Give the alignment that an ABI passes `cls` by: its members', which packing reduces."""
    return min(ctypes.alignment(cls), max(ctypes.alignment(field) for _, field, _ in _fields(cls)))


def _up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def _laid_out(fields: list[Any], most: int) -> tuple[list[int], int]:
    """Give where these fields lie, aligned to `most` at most, and the end of the last."""
    end, lie = 0, []
    for _, field, _ in fields:
        lie.append(_up(end, min(ctypes.alignment(field), most)))
        end = lie[-1] + ctypes.sizeof(field)
    return lie, end


def _describe_member(cls: Any) -> tuple[Description, ...]:
    """Describe each element of an array, or the one other thing that a member is."""
    if _is_array(cls):
        # s390x does not pass struct {float[1]} as a float
        elements: tuple[Description, ...] = _describe_member(cls._type_) * cls._length_
        return (*elements, (0, 1, ())) if cls._length_ == 1 else elements
    if _is_aggregate(cls):
        return (_describe_tree(cls),)
    return (_describe_simple(cls)[0] if issubclass(cls, _SimpleCData) else "p",)


def _describe_tree(cls: Any) -> Description:
    """Describe an aggregate by its members, in the way that ffi_static.h tells."""
    size, alignment = ctypes.sizeof(cls), ctypes.alignment(cls)
    fields = list(_fields(cls))
    members = [_describe_member(field) for _, field, _ in fields]
    if issubclass(cls, ctypes.Union):
        parts = [
            one[0] if len(one) == 1 else (ctypes.sizeof(field), ctypes.alignment(field), one)
            for (_, field, _), one in zip(fields, members)
        ]
        unit = _natural(cls)
        end = _up(max(ctypes.sizeof(field) for _, field, _ in fields), unit)
        inner = (end, unit, tuple(parts if len(parts) > 1 else parts * 2))
        return inner if inner[:2] == (size, alignment) else (size, alignment, (inner,))
    lie, end = _laid_out(fields, size)
    if end > size:
        lie, end = _laid_out(fields, alignment)
    if lie != [descriptor.offset for descriptor, *_ in fields]:
        raise NotImplementedError(
            f"{cls.__name__} is packed and aligned, and has floating-point members; pass a pointer "
            "to it"
        )
    return (size, alignment, tuple(each for member in members for each in member))


def _describe_elsewhere(cls: Any) -> Description:
    """Describe an aggregate for an ABI that the C library knows, and by_value.py does not."""
    size, unit = ctypes.sizeof(cls), _natural(cls)
    scalars = list(_scalars(cls))
    if any(issubclass(c, _SimpleCData) and _describe_simple(c)[0] in _KINDS for c, _ in scalars):
        if not any(bits for _, bits in scalars):
            return _describe_tree(cls)
        if _FLATTENS:
            raise NotImplementedError(
                f"{cls.__name__} has a bit-field and a floating-point member; pass a pointer to it"
            )
    # It goes in no register but integers', so size and alignment are all that counts.
    if unit > 8:
        return (size, ctypes.alignment(cls), ((size, unit, ("Q",)),))
    letters = (_BY_SIZE[unit].upper(),) * (size // unit if size <= 16 else 1)
    return (size, ctypes.alignment(cls), letters)


def _describe_aggregate(cls: Any) -> Description:
    size, alignment = ctypes.sizeof(cls), ctypes.alignment(cls)
    if size == 0:
        raise SignatureError(f"{cls.__name__} has size 0 and cannot be passed by value")
    if not _lib.knows_classes:
        return _describe_elsewhere(cls)
    if size > 16:
        return in_memory(size, alignment)
    tree: Tree = []
    aligned = _append(cls, 0, tree)
    if any(leaf.start < 0 or leaf.end > size for leaf in leaves(tree)):
        raise NotImplementedError(
            f"{cls.__name__} is laid out by ctypes as no C compiler would: a bit-field lies "
            "outside of it; pass a pointer to it"
        )
    if not aligned and all(leaf.start % leaf.alignment == 0 for leaf in leaves(tree)):
        raise NotImplementedError(
            f"{cls.__name__} holds a struct at an offset that does not suit its alignment: gcc and "
            "clang disagree on how to pass it; pass a pointer to it"
        )
    return by_value(cls.__name__, size, alignment, tree)


def describe(cls: Any) -> tuple[Description, str]:
    """Return the description and the converter letter of an argument of ctypes type `cls`."""
    if issubclass(cls, _SimpleCData):
        description, code = _describe_scalar(cls)
        # An argument of c_int arrives as an int, of a subclass of c_int as an instance of it.
        return description, code if cls.__base__ is _SimpleCData else "o"
    if issubclass(cls, (_Pointer, _CFuncPtr)):
        return "p", "o"
    if _is_aggregate(cls):
        return _describe_aggregate(cls), "o"
    if _is_array(cls):
        raise SignatureError(f"{cls.__name__} is an array; use POINTER({cls._type_.__name__})")
    raise SignatureError(f"{cls!r} is not a ctypes type")


def _describe_result(cls: Any) -> tuple[Description, str, Any]:
    if cls is None:
        return "v", "v", None
    if isinstance(cls, type) and _is_aggregate(cls):
        return _describe_aggregate(cls), "o", cls
    if not (isinstance(cls, type) and issubclass(cls, _SimpleCData)):
        raise SignatureError("invalid result type for callback function")
    description, code = _describe_scalar(cls)
    # the base class whose `value` is ctypes' own
    canonical: Any = next(c for c in cls.__mro__ if c.__base__ is _SimpleCData)
    if canonical._type_ != getattr(cls, "_type_", None):
        raise SignatureError(f"{cls.__name__} changes the type code of its base class")
    return description, code, canonical


def from_ctypes(functype: Any) -> _lib.Signature:
    """Return the signature of a ctypes function type. The type keeps it."""
    if not issubclass(functype, _CFuncPtr):
        raise SignatureError(f"{functype!r} is not a ctypes function type")
    known = functype.__dict__.get(ATTRIBUTE)
    if isinstance(known, _lib.Signature) and known.helpers[-1] is functype:
        return known
    made = _make(functype)
    with contextlib.suppress(AttributeError, TypeError):  # a metaclass may not allow it
        setattr(functype, ATTRIBUTE, made)
    return made


def _make(functype: Any) -> _lib.Signature:
    arguments = getattr(functype, "_argtypes_", None)
    if arguments is None:
        raise SignatureError(f"{functype!r} has no _argtypes_; use CFUNCTYPE or PYFUNCTYPE")
    restype = getattr(functype, "_restype_", None)
    result, result_code, result_type = _describe_result(restype)
    described = [describe(cls) for cls in arguments]
    shape = shape_of(result, tuple(d for d, _ in described))
    given = ((code, cls) for (_, code), cls in zip(described, arguments))
    items = ((result_code, result_type), *given)
    names = ", ".join(cls.__name__ for cls in arguments)
    text = f"{restype.__name__ if restype else None}({names})"
    use_errno = bool(functype._flags_ & _USE_ERRNO)
    helpers = (*_HELPERS, functype)
    return _lib.Signature(text, CTYPES, use_errno, shape, items, None, helpers)
