# SPDX-License-Identifier: MIT
"""callback - what callbacks of ffi_static.callback do to, or need of, a whole process"""

from __future__ import annotations

import gc
import os
import resource
import time
from typing import Any

import ffi_static
from ffi_static import _lib
from tests.python.programs.caller import caller, keep
from tests.support.programs import case

# ---- providers


def unknown_provider() -> None:
    try:
        ffi_static.callback("int(int)", abs)
    except ffi_static.NoProviderError as error:
        print(error)


@case()
def refusal_of_all_providers_gives_each_reason() -> None:
    held = [ffi_static.callback("int(int)", abs) for _ in range(256)]
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
    try:
        for _ in range(64):
            held.append(ffi_static.callback("int(int)", abs))  # noqa: PERF401 - fails in between
    except MemoryError as error:
        assert isinstance(error, ffi_static.NoProviderError), error
        reasons = dict(error.reasons)
        assert "256" in reasons.pop("resident"), error
        assert list(reasons) == ["trampfd", "text", "file", "memfd"], error
        assert all("Cannot allocate memory" in r for r in reasons.values()), error
    else:
        raise AssertionError("no failure")
    assert caller.call(held[255].address, -3) == 3
    held.pop().close()
    assert caller.call(ffi_static.callback("int(int)", abs), -3) == 3


# ---- closing


def call_of_a_closed_callback(how: str) -> None:
    callback = ffi_static.callback("int(int)", abs)
    address = callback.address
    print(hex(address), flush=True)
    if how == "close":
        callback.close()
    else:
        del callback
        if how == "collect":
            gc.collect()
    caller.call(address, 1)


@case()
def gc_at_every_allocation() -> None:
    gc.set_threshold(1)

    def f(x: int, text: object) -> Any:
        return [x, {"k": text}][0] + 1  # type: ignore[operator]

    for i in range(300):
        cb = ffi_static.callback("int(int, char *)", f)
        assert cb.cdata(i, _lib.ffi.NULL) == i + 1


# ---- the end of Python


def exit_with_foreign_threads_calling() -> None:
    cb = ffi_static.callback("int(int)", lambda x: x)
    keep(cb)
    for _ in range(4):
        assert caller.spin(cb.address) == 0
    time.sleep(0.05)
    print("leaving", flush=True)


def call_after_finalization(kept_by_the_package: bool) -> None:
    cb = ffi_static.callback("int(int)", lambda x: x, error=55)
    keep(cb)
    if kept_by_the_package:
        vars(ffi_static)["kept"] = cb
    caller.call_at_exit(cb.address)
    assert caller.call(cb.address, 3) == 3


def call_from_the_finalizing_thread() -> None:
    class Late:
        cb: ffi_static.Callback
        address: int
        me: Any

        def __del__(self, call: Any = caller.call, write: Any = os.write) -> None:
            write(1, b"%d\n" % call(self.address, 20))

    late = Late()
    late.cb = ffi_static.callback("int(int)", lambda x: x + 1)
    late.address = late.cb.address
    late.me = late  # a cycle: collected while the interpreter is finalized
    keep(late)
