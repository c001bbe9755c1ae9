# SPDX-License-Identifier: MIT
"""served - what install() did to one extension module"""

from __future__ import annotations


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
    """

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
        """Fill in a record. Closures that were made and not freed are live."""
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
        return dict(vars(self))

    def __eq__(self, other: object) -> bool:
        """Compare all fields."""
        return isinstance(other, Served) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # counters

    def __repr__(self) -> str:
        """Show all fields that are neither empty nor 0."""
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value)
        return f"Served({fields})"
