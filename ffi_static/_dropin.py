# SPDX-License-Identifier: MIT
"""_dropin - install(): unmodified ctypes and cffi on closures of this package

Why it exists: programs that run where memory may not be writable and executable should not have to
be rewritten. docs/dropin.md tells what is replaced, what is not, and how to start clean.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._errors import InstallError


@dataclass(frozen=True)
class Served:
    """What install() did to one extension module; counters are of the moment it was asked.

    ``state`` is "served"; "waiting" (asked for, not imported yet); "refused" (imported after
    install(), of a build that is not known: ``reason`` says why, its callbacks are stock); or
    "restored" (by uninstall(), closures made meanwhile stay valid).
    """

    #: "_ctypes" or "_cffi_backend".
    module: str
    state: str
    #: The shared object, "" while waiting.
    file: str = ""
    #: ctypes' or cffi's version.
    version: str = ""
    #: One sentence: which imports were rebound.
    how: str = ""
    #: Why it was refused.
    reason: str = ""
    #: Closures of ours made for this module, those of them that live, those that were freed.
    #: cffi keeps freed closures for itself: there, freed ones are ready to be made again.
    made: int = 0
    live: int = 0
    freed: int = 0
    #: Closures that the module made before install(), in memory of its own, and that may be live.
    leftover: int = 0


def install(
    *, ctypes: bool = True, cffi: bool = True, keep_thread_state: bool = False
) -> tuple[Served, ...]:
    """Make ctypes' and cffi's callbacks closures of this package, from now on, process-wide.

    A module that is not imported yet is served when it is. With ``keep_thread_state`` a thread
    that C made keeps its Python thread state between ctypes callbacks, until it exits (so
    ``threading.local`` persists there). May be called again, and from any thread.

    Raises InstallError, having changed nothing, when a module is of a build that is not known.
    """
    raise InstallError("not built yet")


def uninstall() -> None:
    """Undo install(). Closures that are live stay valid, and are freed as ever."""


def installed() -> tuple[Served, ...]:
    """Tell what is served: one record per module asked for and per shared object found."""
    return ()
