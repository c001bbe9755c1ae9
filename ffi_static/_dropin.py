# SPDX-License-Identifier: MIT
"""_dropin - install(): unmodified ctypes and cffi on closures of this package

Why it exists: programs that run where memory may not be writable and executable should not have to
be rewritten. docs/dropin.md tells what is replaced, what is not, and how to start clean.

The records are the extension's (csrc/py/dropin.h), and there is one set of them in a process; what
is here is which modules are asked for, the hook that meets them when they are imported, and words.
"""

from __future__ import annotations

import _thread
import os
import sys

from . import _dropin_probe, _lib
from ._errors import InstallError, InstallWarning

# Nothing else at this level: install() may run before a program of whatever kind, which must not
# find modules of the standard library in the place of its own.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class Served:
    """What install() did to one extension module; counters are of the moment it was asked.

    module, file, version: "_ctypes" or "_cffi_backend", the shared object ("" while waiting), and
    ctypes' or cffi's version.

    state: "served"; "waiting" (asked for, not imported yet); "refused" (imported after install(),
    of a build that is not known: `reason` says why, its callbacks are stock); or "restored" (by
    uninstall(), closures made meanwhile stay valid).

    how: one sentence, which imports were rebound.

    made, live, freed: closures of ours for this module. leftover: closures that the module made
    before install(), in memory of its own, and that may be live (known of cffi only).
    """

    __slots__ = (
        "file",
        "freed",
        "how",
        "leftover",
        "live",
        "made",
        "module",
        "reason",
        "state",
        "version",
    )

    def __init__(
        self,
        module: str,
        state: str,
        *,
        file: str = "",
        version: str = "",
        how: str = "",
        reason: str = "",
        made: int = 0,
        freed: int = 0,
        leftover: int = 0,
    ) -> None:
        """Fill in a record; live ones are those made and not freed."""
        self.module = module
        self.state = state
        self.file = file
        self.version = version
        self.how = how
        self.reason = reason
        self.made = made
        self.live = made - freed
        self.freed = freed
        self.leftover = leftover

    def as_dict(self) -> dict[str, str | int]:
        """Give the record as JSON can hold it."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __eq__(self, other: object) -> bool:
        """Compare all fields."""
        return isinstance(other, Served) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # counters

    def __repr__(self) -> str:
        """Show all fields that say something."""
        fields = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items() if value)
        return f"Served({fields})"


#: {the argument of install(): the module that makes the callbacks}
MODULES = {"ctypes": "_ctypes", "cffi": "_cffi_backend"}

_lock = _thread.RLock()
os.register_at_fork(after_in_child=getattr(_lock, "_at_fork_reinit"))  # noqa: B009 - as threading
_wanted: set[str] = set()
_refused: dict[str, Served] = {}

#: Set by who must not go on without: an import of a module that cannot be served then raises.
required = False


class _Finder:
    """Meets the modules that are asked for when they are imported, be it a second time."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as all others would, but have it served once it is loaded."""
        if name not in _wanted:
            return None
        for finder in sys.meta_path:
            find = None if finder is _Finder else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """A module's own loader, and then ours; gone from the module when it is loaded."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        _serve_import(module.__name__, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _serve(name: str, module: Any) -> int | None:
    """Serve one module; its record, or None if it was served before. Raises InstallError."""
    record, fresh = _dropin_probe.serve(name, module)
    _refused.pop(name, None)
    return record if fresh else None


def _serve_import(name: str, module: Any) -> None:
    """Serve a module that has just been imported. Its import is not made to fail."""
    with _lock:
        if name not in _wanted:
            return
        try:
            _serve(name, module)
        except InstallError as error:
            file = str(getattr(module, "__file__", "") or "")
            version = str(getattr(module, "__version__", ""))
            _refused[name] = Served(name, "refused", file=file, version=version, reason=str(error))
            if required:
                raise
            _warn(f"ffi_static.install() cannot serve {name}, its callbacks are stock: {error}")


def _warn(message: str) -> None:
    import warnings

    warnings.warn(InstallWarning(message), stacklevel=2)


def _check_at_exit(at_exit: str | None) -> None:
    if at_exit not in (None, "stop", "zero"):
        raise ValueError(f"at_exit is 'stop' or 'zero', not {at_exit!r}")


def _set_options(keep_thread_state: bool, at_exit: str | None) -> None:
    if keep_thread_state:
        _lib.dropin_keep(True)
    if at_exit is not None:
        _lib.at_exit_zero(at_exit == "zero")


def install(
    *,
    ctypes: bool = True,
    cffi: bool = True,
    keep_thread_state: bool = False,
    at_exit: str | None = None,
) -> tuple[Served, ...]:
    """Make ctypes' and cffi's callbacks closures of this package, from now on, process-wide.

    A module that is not imported yet is served when it is. With ``keep_thread_state`` a thread
    that C made keeps its Python thread state between ctypes callbacks, until it exits (so
    ``threading.local`` persists there); that stays so until uninstall(). May be called again, and
    from any thread. Gives what installed() gives.

    ``at_exit`` says what C gets for a call that needs a result when Python has ended: with "stop"
    nothing, its thread stops; with "zero" zeros. It holds for all callbacks of the process, until
    uninstall(); without it FFI_STATIC_AT_EXIT decides.

    Raises InstallError, having changed nothing, when a module is of a build that is not known, and
    ValueError for another word in `at_exit`.
    """
    _check_at_exit(at_exit)
    chosen = [MODULES[n] for n, on in (("ctypes", ctypes), ("cffi", cffi)) if on]
    for name in chosen:
        if name in sys.modules:
            __import__(name)  # waits for a thread that is in the middle of it
    with _lock:
        made: list[int] = []
        try:
            for name in chosen:
                module = sys.modules.get(name)
                record = None if module is None else _serve(name, module)
                if record is not None:
                    made.append(record)
        except BaseException:
            for record in made:
                _dropin_probe.restore(record)
            raise
        _wanted.update(chosen)
        if _wanted and _Finder not in sys.meta_path:
            sys.meta_path.insert(0, _Finder)
        _set_options(keep_thread_state, at_exit)
        return installed()


def uninstall() -> None:
    """Undo install(): callbacks made from now on are stock. Those that live stay valid.

    cffi goes on using what it recycles of theirs: a callback that takes the place of one of ours is
    one of ours.
    """
    with _lock:
        _wanted.clear()
        _refused.clear()
        if _Finder in sys.meta_path:
            sys.meta_path.remove(_Finder)
        _lib.dropin_keep(False)
        _lib.at_exit_zero(None)
        for each in _lib.dropin_records():
            if each["state"] != "restored":  # also one whose probe was interrupted
                _dropin_probe.restore(each["index"])


def installed() -> tuple[Served, ...]:
    """Tell what is served: a record for each module asked for, and for each copy of it loaded."""
    with _lock:
        found = [
            Served(
                each["module"],
                each["state"],
                file=each["file"],
                version=each["version"],
                how=each["about"],
                made=each["made"],
                freed=each["freed"],
                leftover=each["leftover"],
            )
            for each in _lib.dropin_records()
            if each["state"] in ("served", "restored")
        ]
        found += _refused.values()
        known = {each.module for each in found if each.state != "restored"}
        found += [Served(name, "waiting") for name in sorted(_wanted - known)]
        return tuple(found)
