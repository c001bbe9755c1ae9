# SPDX-License-Identifier: MIT
"""_dropin_probe - rebind one extension module, and show with a callback that it works

Why it exists: what a build of ctypes or cffi looks like inside is not written down anywhere. So
each assumption is looked at while the module makes a real callback, which is called from C and
freed; when one does not hold, everything is put back.

Only the extension modules themselves are used: `ctypes` and `cffi` may be in the middle of their
own import.

A signal handler may raise at any of these lines. What it raises is not an answer of the module's:
it goes on to the caller, who puts everything back.
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

#: What a module has that makes callbacks, by kind: its builtin function first.
PARTS = {
    "ctypes": ("dlopen", "CFuncPtr", "_SimpleCData"),
    "cffi": ("callback", "new_function_type", "new_primitive_type"),
}


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
    made = make(_lib.dropin_answer(got, ANSWER))
    _lib.dropin_check(record)
    at = address(made)
    if not _lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", at)):
        raise RuntimeError("the address of its callback is not the one that it was given")
    result = _lib.dropin_call(at, *ARGUMENTS)
    seen = [(a, b, c if isinstance(c, int) else address(c)) for a, b, c in got]
    if result != ANSWER or seen != [ARGUMENTS]:
        raise RuntimeError("a call of its callback from C gave a wrong answer")
    del made


def _writable_code() -> bool:
    """Tell whether there may be memory that is writable and executable."""
    try:
        # _maps.py knows more, and needs more modules
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            return any("wx" in line.split(None, 2)[1] for line in maps)
    except OSError as error:  # no /proc
        if not is_answer(error):
            raise
        return True


def is_answer(error: BaseException) -> bool:
    """Tell whether this was raised by what this file called, and not by a signal handler.

    The modules' functions are builtin and have no frames; a handler has one.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_globals is globals()
    return ours and isinstance(error, Exception)


def names_in(module: Any) -> dict[str, Any]:
    """Give a module's names, without loading a module that is loaded when it is asked for any."""
    if not issubclass(type(module), type(sys)):  # isinstance() believes what an object says
        return {}
    names: dict[str, Any] = type(sys).__getattribute__(module, "__dict__")
    return names


def kind_of(module: Any) -> str | None:
    """Tell of what kind a module is, by what it has: "ctypes", "cffi" or None."""
    has = names_in(module)
    for kind, parts in PARTS.items():
        if isinstance(has.get(parts[0]), type(len)) and all(part in has for part in parts):
            return kind
    return None


def builtin_of(module: Any, kind: str) -> Any:
    """Give the function that tells which shared object a module is."""
    return getattr(module, PARTS[kind][0], None)


def serve(name: str, module: Any, kind: str | None = None) -> tuple[int, bool]:
    """Rebind `module`, and show that it works: its record, and whether that is new.

    Raises InstallError, with everything as it was, and what a signal handler raises, with
    everything as it is; then restore() what was not served before.
    """
    kind = kind or ("ctypes" if name == "_ctypes" else "cffi")
    version = str(getattr(module, "__version__", ""))
    where = getattr(module, "__file__", None) or "built into the interpreter"
    record = None
    try:
        record, imports, served = _lib.dropin_bind(name, version, builtin_of(module, kind))
        if served:
            return record, False
        if imports == "cffi":
            function = _lib.dropin_answer([], 0)  # a drain knows its own callbacks by it
            arguments = (*_cffi_arguments(module), function)
            _lib.dropin_maker(record, module.callback, arguments)
        _probe(record, *(_ctypes_maker if kind == "ctypes" else _cffi_maker)(module))
        _lib.dropin_confirm(record, _writable_code())
    except Exception as error:
        if not is_answer(error):
            raise
        plain = isinstance(error, RuntimeError) or record is None
        said = str(error) if plain else f"a trial gave {error!r}"
        error.__traceback__ = None  # its frames hold the probe's callback
    else:
        return record, True
    if record is not None:
        restore(record, failed=True)  # here, because 3.10 holds them while it handles the exception
    raise InstallError(f"{name} ({where}): {said}")


def restore(record: int, *, failed: bool = False) -> None:
    """Give the module back its imports, but for those that live closures of ours need.

    What cffi has of our memory is kept from it. When a probe has failed, nothing stays.
    """
    _lib.dropin_restore(record, failed)
