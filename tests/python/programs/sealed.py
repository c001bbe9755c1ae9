# SPDX-License-Identifier: MIT
"""sealed - Python callbacks in a process that seals all closures (FFI_STATIC_HARDEN=1)"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import ffi_static
from ffi_static import _lib
from ffi_static._callback import callback
from tests.support.programs import case


def live_and_sealed() -> tuple[int, int]:
    """Give how many closures there are, and how many of these are sealed."""
    stats = _lib.ffi.new("struct ffi_static_stats *")
    assert _lib.lib.ffi_static_get_stats(stats, _lib.ffi.sizeof(stats[0])) == 0
    return stats.live, stats.sealed


def three(n: int) -> list[Any]:
    """Make one of each: ours, ctypes', cffi's."""
    import cffi

    ffi = cffi.FFI()
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    return [
        callback("int(int)")(lambda x: x + n),
        kind(lambda x: x + n),
        ffi.callback("int(int)", lambda x: x + n),
    ]


def call(made: list[Any], n: int) -> None:
    """Call them as C does."""
    ours, theirs, cdata = made
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    assert kind(ours.address)(2) == theirs(2) == cdata(2) == 2 + n


@case()
def each_callback_is_sealed() -> None:
    """Make, call, drop and make again; nothing else is made than what is sealed."""
    ffi_static.install()
    kept = [three(n) for n in range(200)]
    for n, made in enumerate(kept):
        call(made, n)
    live, sealed = live_and_sealed()
    assert live == sealed >= 600
    del kept[::2]
    kept += [three(n) for n in range(1, 200, 2)]
    for n, made in enumerate(kept[:100]):
        call(made, 2 * n + 1)
    assert live_and_sealed()[1] == live_and_sealed()[0]
    pid = os.fork()
    if pid == 0:
        call(kept[0], 1)
        call(three(5), 5)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    ffi_static.uninstall()
    call(kept[1], 3)


def only_ours() -> None:
    """Make one of ours."""
    callback("int(int)")(lambda x: x)


def installs() -> None:
    """Have ctypes served."""
    ffi_static.install()


def writes_to(which: int) -> None:
    """Store a word to the closure of one of the three kinds: the end of the process."""
    ffi_static.install()
    made = three(1)
    address = ctypes.cast(made[1], ctypes.c_void_p).value
    code = [made[0].address, address, int(_lib.ffi.cast("uintptr_t", made[2]))][which]
    closure = _lib.lib.ffi_static_from_address(_lib.ffi.cast("void *", code))
    assert closure
    call(made, 1)
    print("before", flush=True)
    ctypes.memset(int(_lib.ffi.cast("uintptr_t", closure)), 0x41, 8)
    print("after", flush=True)


def a_freed_cffi_callback_is_named() -> None:
    """Call cffi's callback by its address when it is gone: the process ends with a line."""
    import cffi

    ffi_static.install()
    ffi = cffi.FFI()
    made: Any = ffi.callback("int(int)", lambda x: x)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    function = kind(int(ffi.cast("uintptr_t", made)))
    assert function(7) == 7
    del made
    function(7)
