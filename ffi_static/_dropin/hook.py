# SPDX-License-Identifier: MIT
"""hook - sees extension modules when they are imported, and has them served"""

from __future__ import annotations

import _imp
import _thread
import sys

from ffi_static import _lib
from ffi_static._dropin import serving

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


#: The thread and the module's name of each search that runs. Other finders ask all finders too: a
#: second copy of this package has one, and so have tools that watch imports. Two of them would ask
#: each other for ever.
_searching: set[tuple[int, str]] = set()


class _Finder:
    """Finds each wanted module whenever it is imported, not only at the first time."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as the other finders do, and have it served once it is loaded."""
        search = (_thread.get_ident(), name)
        if name not in serving.wanted or search in _searching:
            return None
        _searching.add(search)
        try:
            spec = _ask_the_others(name, path, target)
        finally:
            _searching.discard(search)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


def _ask_the_others(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = None if finder is _Finder else getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, target) if find else None
        if spec is not None:
            return spec
    return None


class _Loader:
    """Loads a module with the module's own loader, and has it served.

    The loaded module names its own loader, and not this one.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        serving.serve_import(module.__name__, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


#: What this file put into _imp.exec_dynamic, and what was there before.
_ours: list[tuple[Callable[..., Any], Any]] = []


def set_hook() -> None:
    """See every import from now on: all extension modules pass _imp.exec_dynamic."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    if not _ours or _imp.exec_dynamic is not _ours[0][0]:
        original = _imp.exec_dynamic
        _ours[:] = [(_lib.dropin_exec_dynamic(original, serving.look), original)]
        _imp.exec_dynamic = _ours[0][0]


def unset_hook() -> None:
    """Stop seeing imports."""
    if _Finder in sys.meta_path:
        sys.meta_path.remove(_Finder)
    if _ours and _imp.exec_dynamic is _ours[0][0]:
        _imp.exec_dynamic = _ours[0][1]
