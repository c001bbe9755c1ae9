# SPDX-License-Identifier: MIT
"""serving - which modules are wanted, which of them are served, and which are refused

A module is the extension module of ctypes or cffi, a copy of one under another name, or another
user of libffi's closures. The other users cannot be served, only named.
"""

from __future__ import annotations

import _thread
import os
import sys

from ffi_static import _lib
from ffi_static._dropin import probe
from ffi_static._errors import InstallError, InstallWarning

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar, Literal

    State = Literal["served", "waiting", "refused", "restored", "unserved"]


class Served:
    """What install() did to one extension module. Counters are those of the call that gave it.

    module, file, version: "_ctypes", "_cffi_backend" or the name of a copy of one of them; the
    shared object ("" while waiting); the version of ctypes or cffi.

    state: "served"; "waiting" (asked for, not imported yet); "refused" (of an unknown build, and a
    copy or imported after install(): `reason` says why, its callbacks are stock); "restored" (by
    uninstall(): closures that were made before stay valid); or "unserved" (neither ctypes nor cffi,
    but it makes closures with libffi: `reason` names the functions).

    how: one sentence that names the imports that were rebound.

    made, live, freed: this package's closures for the module. leftover: closures that cffi made in
    its own memory before install(), and that may still be live (always 0 for ctypes).

    turbo, no_turbo: how many of those made this package's dispatch runs, counted at the first call
    of each; and why it runs none that are made now ("" if it may).
    """

    def __init__(
        self,
        module: str,
        state: State,
        *,
        file: str = "",
        version: str = "",
        how: str = "",
        reason: str = "",
        made: int = 0,
        freed: int = 0,
        leftover: int = 0,
        turbo: int = 0,
        no_turbo: str = "",
    ) -> None:
        """Fill in a record. Closures that were made and not freed are live."""
        self.module = module
        self.state: State = state
        self.file = file
        self.version = version
        self.how = how
        self.reason = reason
        self.made = made
        self.live: int = made - freed
        self.freed = freed
        self.leftover = leftover
        self.turbo = turbo
        self.no_turbo = no_turbo

    def as_dict(self) -> dict[str, str | int]:
        """Give the record as JSON can hold it."""
        return dict(vars(self))

    def __eq__(self, other: object) -> bool:
        """Compare all fields."""
        return isinstance(other, Served) and vars(self) == vars(other)

    __hash__: ClassVar[None]  # type: ignore[assignment]
    __hash__ = None  # counters

    def __repr__(self) -> str:
        """Show all fields that are neither empty nor 0."""
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value)
        return f"Served({fields})"


#: {the argument of install(): the module that makes the callbacks}
MODULES = {"ctypes": "_ctypes", "cffi": "_cffi_backend"}

lock = _thread.RLock()
os.register_at_fork(after_in_child=getattr(lock, "_at_fork_reinit"))  # noqa: B009 - as threading
wanted: set[str] = set()
refused: dict[tuple[str, str], Served] = {}  # by name and file

#: Set by a process that must not go on unserved. The import of a module that cannot be served then
#: raises.
required = False
#: If set, called once for each C library that makes closures itself, with a sentence about it.
tell: Callable[[str], None] | None = None
_told: set[str] = set()


def bound() -> list[dict[str, Any]]:
    """Give the records that are not restored. One whose probe was interrupted is among them."""
    return [each for each in _lib.dropin_records() if each["state"] != "restored"]


def all_or_nothing(do: Callable[..., None], *args: Any) -> None:
    """Call do(*args). Undo what it served when it raises, or when a signal handler raises in it."""
    before = {each["index"] for each in bound()}
    try:
        do(*args)
    except BaseException as error:
        error.__traceback__ = None  # the frames of a probe hold its callback
        stopped = error
    else:
        return
    # Not in the except block: Python 3.10 holds the frames until the block ends.
    for each in bound():
        if each["index"] not in before:
            probe.restore(each["index"], failed=each["state"] != "served")
    raise stopped


def _file_of(module: Any) -> str:
    return str(getattr(module, "__file__", "") or "")


def serve(name: str, module: Any, kind: str | None = None) -> None:
    """Serve one module. Raises InstallError."""
    probe.serve(name, module, kind)
    refused.pop((name, _file_of(module)), None)


def _refuse(name: str, module: Any, error: InstallError) -> None:
    """Note that a module is not served. Its import fails only if serving it is required."""
    file = _file_of(module)
    version = str(getattr(module, "__version__", ""))
    refused[name, file] = Served(name, "refused", file=file, version=version, reason=str(error))
    if required:
        raise error
    import warnings

    said = f"ffi_static.install() cannot serve {name}, its callbacks are stock: {error}"
    warnings.warn(InstallWarning(said), stacklevel=2)


def serve_import(name: str, module: Any, kind: str | None = None) -> None:
    """Serve a module that has just been imported."""
    with lock:
        if name not in wanted and kind is None:
            return
        try:
            all_or_nothing(serve, name, module, kind)
        except InstallError as error:
            _refuse(name, module, error)


# ---- copies of the two modules under other names, and other users of libffi


def look(module: Any) -> None:
    """Serve an extension module that was just initialized if it is a copy. Check for new users."""
    name = str(getattr(module, "__name__", ""))
    kind = probe.kind_of(module)
    if name not in MODULES.values():  # hook.py's finder has those served
        if kind is not None and MODULES[kind] in wanted:
            serve_import(name, module, kind)
        check_users(_file_of(module))


def serve_copies() -> None:
    """Serve the copies that are imported already, under any name."""
    for name, module in list(sys.modules.items()):
        kind = probe.kind_of(module)
        if kind is None or MODULES[kind] not in wanted or name in MODULES.values():
            continue
        number = _lib.dropin_object(probe.builtin_of(module, kind))
        if number not in {each["object"] for each in bound()}:
            serve_import(name, module, kind)


def users() -> Iterator[tuple[Served, bool]]:
    """Give the objects of this process that make closures and that install() cannot serve.

    Each is given as a record, and whether it is an extension module.
    """
    objects = _lib.dropin_users() if wanted else []
    known = {each["object"] for each in _lib.dropin_records()}
    objects = [each for each in objects if each[0] not in known]
    if not objects:
        return
    skipped: set[int | str] = {each.file for each in list(refused.values())}
    names = {}
    for name, module in list(sys.modules.items()):
        kind = probe.kind_of(module)
        if kind is not None and MODULES[kind] not in wanted:
            skipped.add(_lib.dropin_object(probe.builtin_of(module, kind)))
        else:
            names[probe.names_in(module).get("__file__")] = name
    for number, file, functions, is_extension in objects:
        if number not in skipped and file not in skipped:
            name = names.get(file) or file.rpartition("/")[2]
            reason = f"it makes closures with libffi itself, through {functions}"
            yield Served(name, "unserved", file=file, reason=reason), is_extension


def check_users(importing: str | None = None) -> None:
    """If serving is required, refuse extension modules that are not served, and tell of libraries.

    An extension module is refused once, and at each import from its file `importing`.
    """
    for each, is_extension in users() if required else ():
        fresh = each.file not in _told
        _told.add(each.file)
        sentence = f"{each.module} ({each.file}) is not served: {each.reason}"
        if is_extension and (fresh or each.file == importing):
            raise InstallError(sentence)
        if fresh and tell is not None:
            tell(sentence)
