# SPDX-License-Identifier: MIT
"""_dropin_probe - rebind one extension module, and show with a callback that it works

Why it exists: what a build of ctypes or cffi looks like inside is not written down anywhere. So
each assumption is looked at while the module makes a real callback, which is called from C and
freed; when one does not hold, everything is put back.

Only the extension modules themselves are used: `ctypes` and `cffi` may be in the middle of their
own import.
"""

from __future__ import annotations

import sys

from . import _lib
from ._errors import InstallError

TYPE_CHECKING = False  # see _dropin.py
if TYPE_CHECKING:
    from typing import Any

#: What C passes to the probe, and what comes back.
ARGUMENTS = (-12345, 0.625, 0x123456789ABC)
ANSWER = -7654321

#: cffi modules by record: restore() needs their functions.
_modules: dict[int, Any] = {}


def _ctypes_maker(module: Any) -> tuple[Any, Any]:
    """Give (make, address of): int(short, double, void *) in ctypes' own terms."""
    base = module._SimpleCData  # noqa: SLF001 - what ctypes itself is made of

    def simple(code: str) -> Any:
        return type(base)("probe", (base,), {"_type_": code})

    prototype = type(module.CFuncPtr)(
        "probe",
        (module.CFuncPtr,),
        {
            "_flags_": module.FUNCFLAG_CDECL,
            "_restype_": simple("i"),
            "_argtypes_": (simple("h"), simple("d"), simple("P")),
        },
    )
    return prototype, lambda made: int.from_bytes(bytes(memoryview(made)), sys.byteorder)


def _cffi_arguments(module: Any) -> tuple[Any, ...]:
    """Give the arguments of `_cffi_backend.callback` but the function: (its ctype,)."""
    primitive = module.new_primitive_type
    pointer = module.new_pointer_type(module.new_void_type())
    arguments = (primitive("short"), primitive("double"), pointer)
    return (module.new_function_type(arguments, primitive("int"), False),)


def _cffi_maker(module: Any) -> tuple[Any, Any]:
    arguments = _cffi_arguments(module)
    number = module.new_primitive_type("unsigned long")

    def make(function: Any) -> Any:
        return module.callback(*arguments, function)

    def address(made: Any) -> int:
        return int(module.cast(number, made))

    return make, address


def _probe(record: int, make: Any, address: Any) -> None:
    """Make a callback, call it from C, free it. Raises RuntimeError when something is wrong."""
    got: list[tuple[Any, ...]] = []

    def answer(a: Any, b: Any, c: Any) -> int:
        got.append((a, b, c if isinstance(c, int) else address(c)))
        return ANSWER

    made = make(answer)
    _lib.dropin_check(record)
    at = address(made)
    if not _lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", at)):
        raise RuntimeError("the address of its callback is not the one that it was given")
    if _lib.dropin_call(at, *ARGUMENTS) != ANSWER or got != [ARGUMENTS]:
        raise RuntimeError("a call of its callback from C gave a wrong answer")
    del made


def _writable_code() -> bool:
    """Tell whether there may be memory that is writable and executable."""
    try:
        # _maps.py knows more, and needs more modules
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            return any("wx" in line.split(None, 2)[1] for line in maps)
    except OSError:  # no /proc
        return True


def serve(name: str, module: Any) -> tuple[int, bool]:
    """Rebind `module`, and show that it works: its record, and whether that is new.

    Raises InstallError, with everything as it was.
    """
    builtin = getattr(module, "dlopen" if name == "_ctypes" else "callback", None)
    version = str(getattr(module, "__version__", ""))
    where = getattr(module, "__file__", None) or "built into the interpreter"
    try:
        record, kind, served = _lib.dropin_bind(name, version, builtin)
    except (RuntimeError, TypeError) as error:
        raise InstallError(f"{name} ({where}): {error}") from None
    if served:
        return record, False
    _modules[record] = module
    try:
        if kind == "cffi":
            arguments = (*_cffi_arguments(module), abs)
            _lib.dropin_drain(record, module.callback, arguments, _writable_code()).clear()
            _lib.dropin_hold(record, None)
        _probe(record, *(_ctypes_maker if name == "_ctypes" else _cffi_maker)(module))
        _lib.dropin_confirm(record)
    except BaseException as error:
        said = str(error) if isinstance(error, RuntimeError) else f"a trial gave {error!r}"
        error.__traceback__ = None  # its frames hold the probe's callback
        stop = None if isinstance(error, Exception) else error
    else:
        return record, True
    restore(record, failed=True)  # here, because 3.10 holds them while it handles the exception
    if stop is not None:
        raise stop
    raise InstallError(f"{name} ({where}): {said}")


def restore(record: int, *, failed: bool = False) -> None:
    """Give the module back its imports, but for those that live closures of ours need.

    What cffi has of our memory is kept from it. When a probe has failed, nothing stays.
    """
    found = next(each for each in _lib.dropin_records() if each["index"] == record)
    module = _modules.pop(record, None) or sys.modules.get(found["module"])
    cffi = found["kind"] == "cffi"
    if cffi and module is not None:
        arguments = (*_cffi_arguments(module), abs)
        _lib.dropin_hold(record, _lib.dropin_collect(record, module.callback, arguments))
    _lib.dropin_unbind(record, failed and cffi)
