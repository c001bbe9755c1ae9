# SPDX-License-Identifier: MIT
"""_dropin - install(): unmodified ctypes and cffi on closures of this package

Why it exists: programs that run where memory may not be writable and executable should not have to
be rewritten. docs/use/dropin.md tells what is replaced, what is not, and how to start clean.

The records are the extension's (csrc/dropin/record.h), and there is one set of them in a process.
Here is which modules are asked for, the hook that meets them when they are imported, and words.
"""

from __future__ import annotations

import _imp
import _thread
import os
import sys

from . import _dropin_probe, _lib
from ._errors import InstallError, InstallWarning

# Nothing else at this level: install() may run before a program of whatever kind, which must not
# find modules of the standard library in the place of its own.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class Served:
    """What install() did to one extension module; counters are of the moment it was asked.

    module, file, version: "_ctypes", "_cffi_backend" or the name of a copy of either, the shared
    object ("" while waiting), and ctypes' or cffi's version.

    state: "served"; "waiting" (asked for, not imported yet); "refused" (a copy, or imported after
    install(), of a build that is not known: `reason` says why, its callbacks are stock); "restored"
    (by uninstall(), closures made meanwhile stay valid); or "unserved" (neither ctypes nor cffi,
    but it makes closures with libffi: `reason` says with which functions).

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
_refused: dict[tuple[str, str], Served] = {}  # by name and file

#: Set by who must not go on without: an import of a module that cannot be served then raises.
required = False
#: Called, if set, with a sentence about each C library that makes closures itself, once.
tell: Callable[[str], None] | None = None
_told: set[str] = set()


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


def _all_or_nothing(do: Callable[..., None], *args: Any) -> None:
    """Call do(*args), and undo what it served when anything is raised: by a signal handler, too."""
    before = {each["index"] for each in _bound()}
    try:
        do(*args)
    except BaseException as error:
        error.__traceback__ = None  # the frames of a probe hold its callback
        stopped = error
    else:
        return
    for each in _bound():  # here, because 3.10 holds the frames while it handles the exception
        if each["index"] not in before:
            _dropin_probe.restore(each["index"], failed=each["state"] != "served")
    raise stopped


def _bound() -> list[dict[str, Any]]:
    """Records that are not restored; also one whose probe was interrupted."""
    return [each for each in _lib.dropin_records() if each["state"] != "restored"]


def _serve(name: str, module: Any, kind: str | None = None) -> None:
    """Serve one module. Raises InstallError."""
    _dropin_probe.serve(name, module, kind)
    _refused.pop((name, _file_of(module)), None)


def _file_of(module: Any) -> str:
    return str(getattr(module, "__file__", "") or "")


def _refuse(name: str, module: Any, error: InstallError) -> None:
    """Note that a module is not served. Its import is not made to fail, unless it must be."""
    file = _file_of(module)
    version = str(getattr(module, "__version__", ""))
    _refused[name, file] = Served(name, "refused", file=file, version=version, reason=str(error))
    if required:
        raise error
    _warn(f"ffi_static.install() cannot serve {name}, its callbacks are stock: {error}")


def _serve_import(name: str, module: Any, kind: str | None = None) -> None:
    """Serve a module that has just been imported."""
    with _lock:
        if name not in _wanted and kind is None:
            return
        try:
            _all_or_nothing(_serve, name, module, kind)
        except InstallError as error:
            _refuse(name, module, error)


# ---- copies of the two modules under other names, and other users of libffi


def _look(module: Any) -> None:
    """Look at an extension module that was just initialized: it may be a copy, or a user."""
    name = str(getattr(module, "__name__", ""))
    kind = _dropin_probe.kind_of(module)
    if name not in MODULES.values():  # for those there is _Finder
        if kind is not None and MODULES[kind] in _wanted:
            _serve_import(name, module, kind)
        _check_users(_file_of(module))


def _serve_copies() -> None:
    """Serve the copies that are imported already, under whatever name."""
    for name, module in list(sys.modules.items()):
        kind = _dropin_probe.kind_of(module)
        if kind is None or MODULES[kind] not in _wanted or name in MODULES.values():
            continue
        number = _lib.dropin_object(_dropin_probe.builtin_of(module, kind))
        if number not in {each["object"] for each in _bound()}:
            _serve_import(name, module, kind)


def _users() -> Iterator[tuple[Served, bool]]:
    """Give the objects of this process that make closures and are not ours to serve.

    Each as a record, and whether it is an extension module.
    """
    users = _lib.dropin_users() if _wanted else []
    known = {each["object"] for each in _lib.dropin_records()}
    users = [each for each in users if each[0] not in known]
    if not users:
        return
    skipped: set[int | str] = {each.file for each in list(_refused.values())}
    names = {}
    for name, module in list(sys.modules.items()):
        kind = _dropin_probe.kind_of(module)
        if kind is not None and MODULES[kind] not in _wanted:  # nobody asked for it
            skipped.add(_lib.dropin_object(_dropin_probe.builtin_of(module, kind)))
        else:
            names[_dropin_probe.names_in(module).get("__file__")] = name
    for number, file, functions, is_extension in users:
        if number not in skipped and file not in skipped:
            yield (
                Served(
                    names.get(file) or file.rpartition("/")[2],
                    "unserved",
                    file=file,
                    reason=f"it makes closures of libffi's itself, with {functions}",
                ),
                is_extension,
            )


def _check_users(importing: str | None = None) -> None:
    """Where it is required that all is served: refuse an extension that is not, tell of others."""
    for each, is_extension in _users() if required else ():
        fresh = each.file not in _told
        _told.add(each.file)
        sentence = f"{each.module} ({each.file}) is not served: {each.reason}"
        if is_extension and (fresh or each.file == importing):
            raise InstallError(sentence)
        if fresh and tell is not None:
            tell(sentence)


class _Hook:
    """Our place in _imp, where all extension modules pass on their way in."""

    ours: Callable[..., Any] | None = None
    original: Any = None

    @classmethod
    def set(cls) -> None:
        if _Finder not in sys.meta_path:
            sys.meta_path.insert(0, _Finder)
        if cls.ours is None or _imp.exec_dynamic is not cls.ours:
            cls.original = _imp.exec_dynamic
            cls.ours = _lib.dropin_exec_dynamic(cls.original, _look)
            _imp.exec_dynamic = cls.ours

    @classmethod
    def unset(cls) -> None:
        if _Finder in sys.meta_path:
            sys.meta_path.remove(_Finder)
        if cls.ours is not None and _imp.exec_dynamic is cls.ours:
            _imp.exec_dynamic = cls.original


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
        before = set(_wanted)
        try:
            _all_or_nothing(_install, chosen)
        except BaseException:
            _wanted.intersection_update(before)
            if not _wanted:
                _refused.clear()
                _Hook.unset()
            raise
        _set_options(keep_thread_state, at_exit)
        return installed()


def _install(chosen: list[str]) -> None:
    for name in chosen:
        module = sys.modules.get(name)
        if module is not None:
            _serve(name, module)
    _wanted.update(chosen)
    _Hook.set()
    _serve_copies()
    _check_users()


def uninstall() -> None:
    """Undo install(): callbacks made from now on are stock. Those that live stay valid.

    cffi goes on using what it recycles of theirs: a callback that takes the place of one of ours is
    one of ours.
    """
    with _lock:
        _wanted.clear()
        _refused.clear()
        _Hook.unset()
        _lib.dropin_keep(False)
        _lib.at_exit_zero(None)
        for each in _bound():
            _dropin_probe.restore(each["index"])


def installed() -> tuple[Served, ...]:
    """Tell what is served: a record for each module asked for, and for each copy of it loaded.

    And what is not: one for each other object of this process that makes closures with libffi.
    """
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
        found += [each for each, _ in _users()]
        return tuple(found)
