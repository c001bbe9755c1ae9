# SPDX-License-Identifier: MIT
"""probe - rebind one extension module, and show with a callback that this works

Why it exists: nobody documents what a build of ctypes or cffi looks like inside. So each assumption
is checked while the module makes a real callback, which C calls and which is then freed. When an
assumption does not hold, everything is put back.

Only the extension modules are used, because `ctypes` and `cffi` may be in the middle of their own
import.

A signal handler may raise at any line of this file. Its exception says nothing about the module: it
goes on to the caller, who puts everything back.
"""

from __future__ import annotations

import sys

from ffi_static import _lib
from ffi_static._errors import InstallError

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from typing import Any

#: What C passes to the probe's callback, and what the callback returns.
ARGUMENTS = (-12345, 0.625, 0x123456789ABC % 2 ** (8 * _lib.ffi.sizeof("void *")))
ANSWER = -7654321

#: What a module of each kind has. The first is a builtin function.
PARTS = {
    "ctypes": ("dlopen", "CFuncPtr", "_SimpleCData"),
    "cffi": ("callback", "new_function_type", "new_primitive_type"),
}


def _ctypes_maker(module: Any) -> tuple[Any, Any]:
    """Give two functions: one makes an int(short, double, void *), one tells its address."""
    base = module._SimpleCData  # noqa: SLF001 - ctypes itself is made of it

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
    """Give the arguments of `_cffi_backend.callback` that stand before the function."""
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
    """Make a callback, call it from C, free it. Raises RuntimeError when any of that is wrong."""
    got: list[tuple[Any, ...]] = []
    made = make(_lib.dropin_answer(got, ANSWER))
    _lib.dropin_check(record)
    at = address(made)
    if not _lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", at)):
        raise RuntimeError("its callback has another address than the one that it was given")
    result = _lib.dropin_call(at, *ARGUMENTS)
    seen = [(a, b, c if isinstance(c, int) else address(c)) for a, b, c in got]
    if result != ANSWER or seen != [ARGUMENTS]:
        raise RuntimeError("a call of its callback from C gave a wrong answer")
    again = _lib.dropin_call(at, *ARGUMENTS)  # by this package's dispatch, if it can
    if again != ANSWER or got != got[:1] * 2:
        _lib.dropin_no_turbo(record)
    del made


def _writable_code() -> bool:
    """Tell whether this process may have memory that is writable and executable."""
    try:
        # doctor/maps.py finds more, and imports more
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            return any("wx" in line.split(None, 2)[1] for line in maps)
    except OSError as error:  # no /proc
        if not is_answer(error):
            raise
        return True


def is_answer(error: BaseException) -> bool:
    """Tell whether a function that this file called raised this, and not a signal handler.

    The modules' functions are builtin and have no frame. A handler has one.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_globals is globals()
    return ours and isinstance(error, Exception)


def names_in(module: Any) -> dict[str, Any]:
    """Give a module's names. A module that loads itself at its first use stays as it is."""
    if not issubclass(type(module), type(sys)):  # isinstance() would ask the object
        return {}
    names: dict[str, Any] = type(sys).__getattribute__(module, "__dict__")
    return names


def kind_of(module: Any) -> str | None:
    """Tell a module's kind by what it has: "ctypes", "cffi" or None."""
    has = names_in(module)
    for kind, parts in PARTS.items():
        if isinstance(has.get(parts[0]), type(len)) and all(part in has for part in parts):
            return kind
    return None


def builtin_of(module: Any, kind: str) -> Any:
    """Give a function of the module's own, whose address tells the module's shared object."""
    return getattr(module, PARTS[kind][0], None)


def _refusal() -> str:
    """Say why FFI_STATIC_HARDEN has no closure made; libffi's functions have no words for it."""
    ffi, lib = _lib.ffi, _lib.lib
    if lib.ffi_static_sealing(ffi.new("const char **")) >= 0:
        return ""
    reason = ffi.string(lib.ffi_static_error()).decode(errors="replace")
    return f": {reason}" if reason.startswith("FFI_STATIC_HARDEN") else ""


def serve(name: str, module: Any, kind: str | None = None) -> tuple[int, bool]:
    """Rebind `module`, and show that it works. Return its record, and whether that is new.

    Raises InstallError after it put everything back. When a signal handler raises here, nothing is
    put back: restore() what was not served before.
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
            function = _lib.dropin_answer([], 0)  # a drain knows its callbacks by this function
            arguments = (*_cffi_arguments(module), function)
            _lib.dropin_maker(record, module.callback, arguments)
        _probe(record, *(_ctypes_maker if kind == "ctypes" else _cffi_maker)(module))
        _lib.dropin_confirm(record, _writable_code())
    except Exception as error:
        if not is_answer(error):
            raise
        plain = isinstance(error, RuntimeError) or record is None
        said = str(error) if plain else f"a trial gave {error!r}{_refusal()}"
        error.__traceback__ = None  # its frames hold the probe's callback
    else:
        return record, True
    if record is not None:
        restore(record, failed=True)  # after the except block: Python 3.10 holds the frames in it
    raise InstallError(f"{name} ({where}): {said}")


def restore(record: int, *, failed: bool = False) -> None:
    """Give the module its own imports back, except those that live closures still need.

    cffi does not reuse the memory of this package's closures then. After a failed probe every
    import is given back.
    """
    _lib.dropin_restore(record, failed)
