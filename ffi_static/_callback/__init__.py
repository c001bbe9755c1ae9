# SPDX-License-Identifier: MIT
"""_callback - ``callback()``, and the object that it makes

A signature is a C declaration, a cffi function type or a ctypes function type, a file each:
from_text, from_cffi, from_ctypes. Each becomes, once, a Signature: of each type a description
(shape) and the letter of its converter. What a callback cannot take is refused with a sentence.

The function that makes callbacks is C's (csrc/py/make.c). It knows the signatures that it has seen,
and asks signature_of() for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Union, overload

from ffi_static import _lib
from ffi_static._callback.from_cffi import CType, from_cffi
from ffi_static._callback.from_text import from_text
from ffi_static._callback.shape import ATTRIBUTE
from ffi_static._errors import ClosedError, SignatureError

if TYPE_CHECKING:
    import _ctypes
    from collections.abc import Iterable

    import _cffi_backend

OnError = Callable[[Any, Any, Any], Any]
#: A C declaration, a cffi function type, a ctypes function type, or what became of one.
Given = Union[str, "_cffi_backend.CType", "type[_ctypes.CFuncPtr]", _lib.Signature]


class _Zero:
    """The default of ``error=``: all bits zero, whatever the result type is."""

    def __repr__(self) -> str:
        return "<zero>"


ZERO: Any = _Zero()


class Callback(_lib.CallbackBase):
    """A C function pointer that runs a Python function; made by :func:`ffi_static.callback`.

    Keep the callback alive for as long as C may call it. A call from C after the last reference is
    gone, or after :meth:`close`, ends the process with one line that names the address.
    Two callbacks are equal only if they are the same object.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        raise TypeError("ffi_static.Callback cannot be subclassed")

    @property
    def address(self) -> int:
        """The address to give to C. ClosedError after ``close()``."""
        address = self.raw_address
        if not address:
            raise ClosedError("this callback is closed, so it has no address")
        return address

    def __int__(self) -> int:
        return self.address

    def __index__(self) -> int:
        return self.address

    @property
    def cdata(self) -> Any:
        """A cffi function pointer (``void *`` for a ctypes signature).

        This cdata object keeps the callback alive. Copies that cffi makes of it (in a struct, an
        array or a cast) do not.
        """
        ctype = "void *" if self.functype is not None else self.signature.ctype
        pointer = _lib.ffi.cast(ctype, self.address)
        return _lib.ffi.gc(pointer, self._keep)

    def _keep(self, _pointer: object) -> None:
        """Do nothing. As the destructor of a cdata, this bound method owns the callback."""

    def as_ctypes(self, functype: Any = None) -> Any:
        """Return an instance of a ctypes function type at this address.

        `functype` is by default the type that the callback was made with. A callback made from a C
        declaration has none, so give one. The instance keeps the callback alive.
        """
        functype = functype or self.functype
        if functype is None:
            raise TypeError(
                f"this callback was declared as '{self.signature.text}', not with a ctypes type; "
                "give the type: cb.as_ctypes(ctypes.CFUNCTYPE(...))"
            )
        pointer = functype(self.address)
        pointer._ffi_static_callback = self
        return pointer

    @property
    def _as_parameter_(self) -> Any:
        """What ctypes passes when the callback is an argument of a C function."""
        if self.functype is not None:
            return self.as_ctypes()
        import ctypes

        return ctypes.c_void_p(self.address)

    def __enter__(self) -> Callback:
        if self.closed:
            raise ClosedError("this callback is closed")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a callback cannot be pickled: it is an address in this process")

    def __repr__(self) -> str:
        where = "closed" if self.closed else f"at {self.raw_address:#x}"
        return f"<ffi_static.Callback '{self.signature.text}' calling {self.function!r}, {where}>"


def signature_of(given: object, ffi: Any = None) -> _lib.Signature:
    """Return the signature that the user gave.

    Raises SignatureError. Raises NotImplementedError for variadic functions, and for types that
    cannot be passed by value.
    """
    if isinstance(given, _lib.Signature):
        return given
    if isinstance(given, str):
        return from_text(given, ffi)
    if isinstance(given, CType):
        return from_cffi(given)
    if isinstance(given, type) and hasattr(given, "_flags_"):
        from ffi_static._callback.from_ctypes import from_ctypes  # imports ctypes

        return from_ctypes(given)
    raise SignatureError(
        "a signature is a C declaration such as 'int(int, double)', a cffi function type or a "
        f"ctypes function type; got {given!r}"
    )


def _numbers(by_value: Any) -> tuple[int, ...]:
    """Give by_value= as a tuple of int. Raises SignatureError for anything else."""
    numbers = tuple(by_value) if hasattr(by_value, "__iter__") else (None,)
    if not all(isinstance(each, int) for each in numbers):
        raise SignatureError(
            "by_value= is True or the numbers of arguments, the first being 0, such as (0, 1); "
            f"got {by_value!r}"
        )
    return numbers


_make = _lib.maker(Callback, signature_of, ZERO, CType, ATTRIBUTE)


@overload
def callback(
    signature: Given,
    func: Callable[..., Any],
    *,
    error: Any = ZERO,
    onerror: OnError | None = None,
    ffi: Any = None,
    by_value: bool | Iterable[int] = False,
) -> Callback: ...


@overload
def callback(
    signature: Given,
    func: None = None,
    *,
    error: Any = ZERO,
    onerror: OnError | None = None,
    ffi: Any = None,
    by_value: bool | Iterable[int] = False,
) -> Callable[[Callable[..., Any]], Callback]: ...


def callback(
    signature: Given,
    func: Callable[..., Any] | None = None,
    *,
    error: Any = ZERO,
    onerror: OnError | None = None,
    ffi: Any = None,
    by_value: bool | Iterable[int] = False,
) -> Any:
    """Make a C function pointer that runs `func`. Without `func`, return a decorator.

    signature
        A C declaration (``"int(int, double)"``, ``"int (*)(const char *name)"``), a cffi function
        type, or a ctypes function type. Declarations may name common types and typedefs. Values
        convert as in cffi for the first two kinds, as in ctypes for the third.
    error
        What the C caller gets when the function raises, or when its result does not convert. The
        default is all bits zero. The value is converted now, so a wrong one raises here.
    onerror
        Called as ``onerror(exception, value, traceback)`` instead of ``sys.unraisablehook``. The C
        caller gets its result, unless that is None.
    ffi
        A cffi FFI with a ``cdef`` of the types that the declaration names.
    by_value
        The numbers of the pointer arguments, the first being 0, of which `func` gets what they
        point at: ``a[0]`` instead of ``a``. True: all arguments that point at a number. Not for
        ctypes types.

    Raises SignatureError (a TypeError and ValueError), NotImplementedError (variadic functions,
    types that cannot be passed by value), TypeError (`func` is not callable), whatever the
    conversion of `error` raises, and NoProviderError (a MemoryError) when no provider works.
    """
    if by_value:
        made = signature_of(signature, ffi)
        if made.ctype is None:
            raise SignatureError("by_value= is for C declarations and cffi types, not for ctypes'")
        signature = from_cffi(made.ctype, True if by_value is True else _numbers(by_value))
    if func is not None:
        return _make(signature, func, error, onerror, ffi)
    signature_of(signature, ffi)  # a wrong signature raises where the decorator is written
    return lambda function: _make(signature, function, error, onerror, ffi)
