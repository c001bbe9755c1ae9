# SPDX-License-Identifier: MIT
"""trials - make one callback as ctypes, cffi and this package do, and look at its memory

Why it exists: whether a callback works under a policy depends on the libffi that a Python was built
with. The sure way to know is to make one, to call it, and to read what kind of mapping its address
lies in. A child does that, because it may die, and because stock callbacks leave memory behind that
is writable and executable.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

from ffi_static._strict import deny_write_execute
from ffi_static.doctor.child import run_in_child
from ffi_static.doctor.maps import Mapping, audit_maps, mapping_at, read_maps

#: How many callbacks of this package the audit makes: more than the resident table has.
CLOSURES = 2000


def describe_memory(address: int, mappings: list[Mapping] | None = None) -> dict[str, Any]:
    """Tell what kind of memory a callback's address lies in: {"kind", "safe", "about"}.

    `kind` is "writable-executable", "writable-alias", "static" (from a file), "private"
    (executable, not from a file) or "unmapped". `mappings` are by default this process's.
    """

    def told(kind: str, about: str) -> dict[str, Any]:
        return {"kind": kind, "safe": kind in ("static", "private"), "about": about}

    mappings = read_maps() if mappings is None else mappings
    code = mapping_at(address, mappings)
    if code is None or not code.executable:
        return told("unmapped", "the address is not executable")
    origin = code.path or "anonymous"
    if code.writable:
        return told(
            "writable-executable", f"writable and executable memory ({code.perms} {origin})"
        )
    if any(m.writable and m.shared and m.aliases(code) for m in mappings):
        return told(
            "writable-alias", f"a shared file mapped twice, writable and executable ({origin})"
        )
    if code.inode:
        return told("static", f"static code of {Path(origin).name} ({code.perms})")
    return told("private", f"read-only code ({code.perms} {origin})")


def _linked(path: str, symbol: bytes) -> dict[str, Any]:
    """Tell how the module in the file `path` is linked with libffi, and which libffi is loaded."""
    data = Path(path).read_bytes()
    # A module that contains libffi may define the symbol as well. It does not need the library.
    needed = [name.decode() for name in re.findall(rb"\0(libffi[-.\w]*\.so[.\d]*)(?=\0)", data)]
    if not (symbol in data and needed):
        return {"linked": "statically", "libffi": None}
    # Other packages may have brought copies of their own: libffi-4f1c2a9e.so.8 beside libffi.so.8.
    names = {Path(m.path).name for m in read_maps() if m.executable and "libffi" in m.path}
    libffi = min((name for name in names if name.startswith(tuple(needed))), default=None)
    return {"linked": "dynamically", "libffi": libffi}


def which_ctypes() -> dict[str, Any]:
    """Tell which libffi this Python's ctypes uses: {"linked", "libffi"}. A child asks."""

    def ask() -> dict[str, Any]:
        import _ctypes

        path = getattr(_ctypes, "__file__", None)  # none when built into the interpreter
        return _linked(path or sys.executable, b"ffi_prep_closure_loc")

    return run_in_child(ask)


def which_cffi() -> dict[str, Any]:
    """Tell which cffi is installed: {"version", "built", "linked", "libffi"}. A child asks."""

    def ask() -> dict[str, Any]:
        from importlib.metadata import distribution

        import _cffi_backend

        tags = (distribution("cffi").read_text("WHEEL") or "").splitlines()
        platforms = [tag.rsplit("-", 1)[-1] for tag in tags if tag.startswith("Tag:")]
        wheel = any(p.startswith(("manylinux", "musllinux")) for p in platforms)
        built = "wheel" if wheel else "from source"
        version = {"version": _cffi_backend.__version__, "built": built}
        return {**version, **_linked(_cffi_backend.__file__, b"ffi_prep_closure")}

    return run_in_child(ask)


def _answer(value: int) -> int:
    return value + 1


def _checked(answer: int, address: int, mappings: list[Mapping] | None = None) -> dict[str, Any]:
    if answer != 42:
        return {"works": False, "answer": f"a call with 41 gave {answer} instead of 42"}
    return {"works": True, "answer": "works", "memory": describe_memory(address, mappings)}


def try_ctypes() -> dict[str, Any]:
    """Make and call a ctypes callback. To be called in a child."""
    import ctypes

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(_answer)
    address = ctypes.cast(callback, ctypes.c_void_p).value or 0
    return _checked(callback(41), address)


def try_cffi() -> dict[str, Any]:
    """Make and call a cffi `ffi.callback`. To be called in a child."""
    from cffi import FFI

    ffi = FFI()
    callback: Any = ffi.callback("int(int)", _answer)
    return _checked(callback(41), int(ffi.cast("uintptr_t", callback)))


def try_installed(name: str) -> dict[str, Any]:
    """Make and call a callback of `name`, "ctypes" or "cffi", after install(), in a child.

    The answer also has "how", "turbo" (does this package's dispatch run it?) and "no_turbo" (why
    not).
    Raises InstallError when install() cannot serve the module.
    """
    import ffi_static

    if name == "ctypes":
        import ctypes  # noqa: F401  loaded first, so that install() raises its refusal
    ffi_static.install(ctypes=name == "ctypes", cffi=name == "cffi")
    result = (try_ctypes if name == "ctypes" else try_cffi)()
    served = [each for each in ffi_static.installed() if each.state == "served"]
    return {
        **result,
        "how": "; ".join(each.how for each in served),
        "turbo": any(each.turbo for each in served),
        "no_turbo": "; ".join(each.no_turbo for each in served if each.no_turbo),
    }


def who_makes_closures(modules: Sequence[str] = ()) -> dict[str, Any]:
    """Tell what install() serves in a child that imports `modules`, and what it does not serve.

    {"list": [{"module", "file", "state", "reason"}], "errors": {module: why its import fails}}
    """

    def ask() -> dict[str, Any]:
        import ffi_static

        warnings.simplefilter("ignore", ffi_static.InstallWarning)
        for other in ("ctypes", "cffi"):
            with contextlib.suppress(ffi_static.InstallError):  # try_installed() tells the error
                ffi_static.install(ctypes=other != "ctypes", cffi=other != "cffi")
        for name in ("_ctypes", "_cffi_backend"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        errors = {}
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                errors[name] = f"{type(error).__name__}: {error}"
        served = (each.as_dict() for each in ffi_static.installed() if each.state != "waiting")
        keep = ("module", "file", "state", "reason")
        return {"list": [{name: each[name] for name in keep} for each in served], "errors": errors}

    return run_in_child(ask)


def try_ours(count: int = CLOSURES) -> dict[str, Any]:
    """Make, call and audit `count` callbacks of this package. To be called in a child.

    The answer also has "providers" (how many callbacks each provider served) and "findings": what
    the audit of the maps found after, and not before.
    """
    from ffi_static import _lib, callback

    before = audit_maps()
    prototype = _lib.ffi.typeof("int(*)(int)")
    made = [callback("int(int)")(_answer) for _ in range(count)]
    mappings = read_maps()
    for each in made:
        result = _checked(_lib.ffi.cast(prototype, each.address)(41), each.address, mappings)
        if not result["works"] or not result["memory"]["safe"]:
            break
    codes = [_lib.ffi.cast("void *", each.address) for each in made]
    served = Counter(
        _lib.ffi.string(_lib.lib.ffi_static_provider_of(code)).decode() for code in codes
    )
    findings = [str(f) for f in audit_maps() if f not in before]
    for each in made:
        each.close()
    return {
        **result,
        "providers": dict(served),
        "closures": count,
        "before": [str(f) for f in before],
        "findings": findings,
    }


def attempt(make: Callable[[], dict[str, Any]], *, mdwe: bool = False) -> dict[str, Any]:
    """Run one of the `try_` functions in a child, under MDWE if `mdwe`.

    Returns its answer, or {"works": False, "answer": why} when it failed, or {"works": None, ...}
    when this kernel cannot switch the policy on.
    """

    def ask() -> dict[str, Any]:
        if mdwe:
            try:
                deny_write_execute()
            except OSError as error:
                return {"works": None, "answer": f"cannot switch MDWE on: {error.strerror}"}
        return make()

    result = run_in_child(ask)
    return {"works": False, "answer": result["error"]} if "error" in result else result
