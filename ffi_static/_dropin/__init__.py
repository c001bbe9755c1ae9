# SPDX-License-Identifier: MIT
"""_dropin - install(): unmodified ctypes and cffi on closures of this package

Why it exists: a program should not have to be rewritten to run where no memory may be writable and
executable. docs/use/dropin.md tells what is replaced, what is not, and how to start clean.

The extension keeps the records (csrc/dropin/record.h), one set of them in a process. This package
decides which modules are served (serving.py), sees their imports (hook.py), and rebinds and tries
one module (probe.py).

No file here imports a module of the standard library that Python does not load by itself: install()
may run before any program, and a program's modules may have the names of the standard library's.
That is why TYPE_CHECKING is not imported from typing.
"""

from __future__ import annotations

import sys

from ffi_static import _lib
from ffi_static._dropin import hook, probe, serving
from ffi_static._dropin.serving import Served


def install(
    *,
    ctypes: bool = True,
    cffi: bool = True,
    keep_thread_state: bool = False,
    at_exit: str | None = None,
    turbo: bool = True,
) -> tuple[Served, ...]:
    """Make the callbacks of ctypes and cffi closures of this package, in the whole process.

    This holds for callbacks that are made from now on. A module that is not imported yet is served
    when it is imported. install() may be called again, and from any thread. It returns what
    installed() returns.

    ``keep_thread_state``: a thread that C made keeps its Python thread state between ctypes
    callbacks until the thread exits, so ``threading.local`` persists. uninstall() ends this.

    ``at_exit``: what C gets for a call that needs a result after Python has ended. With "stop" the
    calling thread stops; with "zero" the call gives zeros. This holds for all callbacks of the
    process, until uninstall(). The default is what FFI_STATIC_AT_EXIT says.

    ``turbo``: where this package knows how ctypes and cffi convert the values of a callback, it
    runs the callback's calls itself, faster and with the same results. turbo=False leaves callbacks
    that are made from now on to the modules' own code, until uninstall().

    Raises InstallError when a module's build is unknown; nothing is changed then. Raises ValueError
    for another word in `at_exit`.
    """
    if at_exit not in (None, "stop", "zero"):
        raise ValueError(f"at_exit is 'stop' or 'zero', not {at_exit!r}")
    chosen = [serving.MODULES[n] for n, on in (("ctypes", ctypes), ("cffi", cffi)) if on]
    for name in chosen:
        if name in sys.modules:
            __import__(name)  # waits while another thread is in the middle of importing it
    with serving.lock:
        before = set(serving.wanted)
        try:
            serving.all_or_nothing(_install, chosen)
        except BaseException:
            serving.wanted.intersection_update(before)
            if not serving.wanted:
                serving.refused.clear()
                hook.unset_hook()
            raise
        if keep_thread_state:
            _lib.dropin_keep(True)
        if not turbo:
            _lib.dropin_turbo(False)
        if at_exit is not None:
            _lib.at_exit_zero(at_exit == "zero")
        return installed()


def _install(chosen: list[str]) -> None:
    for name in chosen:
        module = sys.modules.get(name)
        if module is not None:
            serving.serve(name, module)
    serving.wanted.update(chosen)
    hook.set_hook()
    serving.serve_copies()
    serving.check_users()


def uninstall() -> None:
    """Undo install(). Callbacks made from now on are stock, and live callbacks stay valid.

    cffi recycles the memory of a callback that it frees. So a new cffi callback may still take the
    place of one of this package's closures, and is then one itself.
    """
    with serving.lock:
        serving.wanted.clear()
        serving.refused.clear()
        hook.unset_hook()
        _lib.dropin_keep(False)
        _lib.dropin_turbo(True)
        _lib.at_exit_zero(None)
        for each in serving.bound():
            probe.restore(each["index"])


def installed() -> tuple[Served, ...]:
    """Give a record for each module that install() was asked for, and for each loaded copy of one.

    Records of state "unserved" name the other objects of this process that make closures with
    libffi.
    """
    with serving.lock:
        same = ("module", "state", "file", "version", "made", "freed", "turbo", "leftover")
        found = [
            Served(
                how=each["about"],
                no_turbo=each["no_turbo"] or "",
                **{name: each[name] for name in same},
            )
            for each in _lib.dropin_records()
            if each["state"] in ("served", "restored")
        ]
        found += serving.refused.values()
        known = {each.module for each in found if each.state != "restored"}
        found += [Served(name, "waiting") for name in sorted(serving.wanted - known)]
        found += [each for each, _ in serving.users()]
        return tuple(found)
