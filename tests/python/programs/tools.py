# SPDX-License-Identifier: MIT
"""tools - what the programs of the drop-in's tests share

Makers of callbacks as programs make them, by module: each gives (the callback, its address).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any, Callable

import cffi

import ffi_static
from ffi_static import _lib
from ffi_static.doctor.trials import describe_memory
from tests.support.process import output
from tests.support.programs import case

ffi = cffi.FFI()
# Parsed here: a declaration's first use takes a lock of cffi's. A child forked meanwhile waits
# for that lock for ever, with every libffi.
FUNCTION, ADDRESS = ffi.typeof("int(*)(int)"), ffi.typeof("uintptr_t")
Made = tuple[Any, int]  # a callback, and its address
INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def address_of(made: Any) -> int:
    """Give the address of ctypes' callback; ctypes.cast() would make a cycle of its argument."""
    return int.from_bytes(bytes(memoryview(made)), sys.byteorder)


def with_ctypes(function: Callable[..., Any]) -> Made:
    made = INT(function)
    return made, address_of(made)


def with_cffi(function: Callable[..., Any]) -> Made:
    made: Any = ffi.callback(FUNCTION, function)
    return made, int(ffi.cast(ADDRESS, made))


MAKERS: dict[str, Callable[[Callable[..., Any]], Made]] = {
    "_ctypes": with_ctypes,
    "_cffi_backend": with_cffi,
}
BOTH = case(*MAKERS)


def kind(address: int) -> str:
    """Name the memory that an address lies in, as the doctor does."""
    return str(describe_memory(address)["kind"])


def ours(address: int) -> bool:
    """Tell whether a live closure of this package is at an address."""
    return bool(_lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", address)))


def mapped(name: str) -> list[list[str]]:
    """Give the addresses and rights of each mapping of a file of that name."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[:2] for line in lines if name in line]


def place_of(*symbols: str) -> Any:
    """Give the entry of cffi's import table for the first of the symbols that it has, writable."""
    file = record("_cffi_backend").file
    rows = output(["readelf", "-rW", file]).splitlines()
    words = [row.replace("@", " ").split() for row in rows]  # mmap@GLIBC_2.2.5
    offsets = {symbol: int(row[0], 16) for row in words for symbol in symbols if symbol in row}
    offset = next(offsets[symbol] for symbol in symbols if symbol in offsets)
    starts = [int(place[0].split("-")[0], 16) for place in mapped(Path(file).name)]
    at = min(starts) + offset
    page = os.sysconf("SC_PAGESIZE")
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(at & -page), ctypes.c_size_t(page), 3) == 0
    return ctypes.c_void_p.from_address(at)


def record(module: str, state: str = "served") -> ffi_static.Served:
    """Give the one record of a module in that state."""
    served = ffi_static.installed()
    (found,) = [each for each in served if (each.module, each.state) == (module, state)]
    return found


def some(make: Callable[[Callable[..., Any]], Made], base: int, count: int = 5) -> list[Made]:
    """Make callbacks that add base, base + 1, ... to their argument."""
    return [make(lambda x, k=k: x + base + k) for k in range(count)]


def right(caller: Any, made: list[Made], base: int) -> bool:
    """Tell whether those callbacks answer right."""
    return [caller.call(a, 1) for _, a in made] == [1 + base + k for k in range(len(made))]
