# SPDX-License-Identifier: MIT
"""dropin_tools - what the scripts of test_dropin*.py share: they run in interpreters of their own

Makers of callbacks as programs make them, by module: each gives (the callback, its address).
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Callable

import cffi

import ffi_static
from ffi_static import _lib
from ffi_static.doctor.trials import describe_memory

ffi = cffi.FFI()
INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def with_ctypes(function: Callable[[int], int]) -> tuple[Any, int]:
    made = INT(function)  # not ctypes.cast(), which makes a cycle of its argument
    return made, int.from_bytes(bytes(memoryview(made)), sys.byteorder)


def with_cffi(function: Callable[[int], int]) -> tuple[Any, int]:
    made: Any = ffi.callback("int(int)", function)
    return made, int(ffi.cast("intptr_t", made))


MAKERS = {"_ctypes": with_ctypes, "_cffi_backend": with_cffi}


def kind(address: int) -> str:
    """Name the memory that an address lies in, as the doctor does."""
    return str(describe_memory(address)["kind"])


def ours(address: int) -> bool:
    """Tell whether a live closure of this package is at an address."""
    return bool(_lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", address)))


def record(module: str, state: str = "served") -> ffi_static.Served:
    """Give the one record of a module in that state."""
    served = ffi_static.installed()
    (found,) = [each for each in served if (each.module, each.state) == (module, state)]
    return found


def some(make: Any, base: int, count: int = 5) -> list[tuple[Any, int]]:
    """Make callbacks that add base, base + 1, ... to their argument."""
    return [make(lambda x, k=k: x + base + k) for k in range(count)]


def right(caller: Any, made: list[tuple[Any, int]], base: int) -> bool:
    """Tell whether those callbacks answer right."""
    return [caller.call(a, 1) for _, a in made] == [1 + base + k for k in range(len(made))]
