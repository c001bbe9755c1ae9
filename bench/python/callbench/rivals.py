# SPDX-License-Identifier: MIT
"""rivals - every way to get a C function pointer that runs a Python function.

A rival is a name and a function that turns a Shape into a Callback: an address for the C caller,
and whatever must stay alive while C may call it. Rivals of one process share the interpreter and
the loaded cffi; cffi built from source therefore competes in a process of its own, against the
same hand-written reference.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from . import build

if TYPE_CHECKING:
    from .shapes import Shape

REFERENCE = "hand-written C-API"
OURS = "ffi_static"
CALLER = "plain C"  # not a rival: what the caller itself costs, per call


@dataclass(frozen=True)
class Callback:
    """A function pointer for C, and what keeps it valid."""

    address: int
    keep: Any


@dataclass(frozen=True)
class Rival:
    """A name for the report, and how to make a callback of a given shape."""

    name: str
    make: Callable[[Shape], Callback]


def _by_hand(parts: build.Parts) -> Callable[[Shape], Callback]:
    if str(parts.folder) not in sys.path:
        sys.path.insert(0, str(parts.folder))
    hand = importlib.import_module(build.HAND_MODULE)
    return lambda shape: Callback(hand.bind(shape.name, shape.by_hand), shape.by_hand)


def make_ctypes(shape: Shape) -> Callback:
    """Make a callback with the standard library."""
    callback = shape.ctypes_type(shape.function)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    if address is None:
        raise RuntimeError("ctypes gave a callback without an address")
    return Callback(address, callback)


def _cffi_callback(shape: Shape) -> Callback:
    import cffi  # not above: PYTHONPATH decides which cffi this is

    ffi = cffi.FFI()
    callback: Any = ffi.callback(shape.signature, shape.function)
    return Callback(int(ffi.cast("uintptr_t", callback)), (ffi, callback))


def _cffi_extern(shape: Shape) -> Callback:
    module = importlib.import_module(build.EXTERN_MODULE)
    name = f"extern_{shape.name}"
    module.ffi.def_extern(name=name)(shape.function)
    pointer = getattr(module.lib, name)
    return Callback(int(module.ffi.cast("uintptr_t", pointer)), module)


def _ours(shape: Shape) -> Callback:
    import ffi_static

    if shape.by_value:
        callback = ffi_static.callback(shape.signature, shape.by_hand, by_value=True)
    else:
        callback = ffi_static.callback(shape.signature, shape.function)
    return Callback(callback.address, callback)


def _ours_ctypes(shape: Shape) -> Callback:
    import ffi_static

    callback = ffi_static.callback(shape.ctypes_type, shape.function)
    return Callback(callback.address, callback)


def names_with_installed_cffi() -> list[str]:
    """Name the rivals of the process that uses the installed cffi, the reference first."""
    kind = build.cffi_kind()
    return [
        REFERENCE,
        "ctypes CFUNCTYPE",
        f"cffi ffi.callback ({kind})",
        f'cffi extern "Python" ({kind})',
        OURS,
        f"{OURS} (ctypes types)",
    ]


def names_with_source_cffi() -> list[str]:
    """Name the rivals of the process with cffi built from source, but for the reference."""
    return [
        "cffi ffi.callback (source)",
        'cffi extern "Python" (source)',
        f"{OURS} (cffi from source)",
    ]


def installed(parts: build.Parts) -> list[Rival]:
    """Give the rivals behind names_with_installed_cffi()."""
    makers = [_by_hand(parts), make_ctypes, _cffi_callback, _cffi_extern, _ours, _ours_ctypes]
    return [Rival(name, make) for name, make in zip(names_with_installed_cffi(), makers)]


def from_source(parts: build.Parts) -> list[Rival]:
    """Give the reference and the rivals behind names_with_source_cffi().

    Raises RuntimeError when this process has not loaded the cffi that was built from source.
    """
    backend = Path(importlib.import_module("_cffi_backend").__file__ or "").resolve()
    if backend.parent != parts.cffi_source:
        raise RuntimeError(f"cffi is {backend}, not the build in {parts.cffi_source}")
    makers = [_cffi_callback, _cffi_extern, _ours]
    others = [Rival(name, make) for name, make in zip(names_with_source_cffi(), makers)]
    return [Rival(REFERENCE, _by_hand(parts)), *others]
