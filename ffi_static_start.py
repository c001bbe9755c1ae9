# SPDX-License-Identifier: MIT
"""ffi_static_start - install() while Python starts, if FFI_STATIC_INSTALL asks for it

Python reads ``ffi_static.pth`` at every start, and from 3.15 on ``ffi_static.start`` instead
(PEP 829; the import lines of ``.pth`` files end between 3.18 and 3.20). Both are beside this file
and name start(). It looks at the environment first, so a Python that is not to be served imports
nothing of the package. A program frozen by PyInstaller reads neither; there a hook calls start()
(``ffi_static/_pyinstaller``).

cffi may be in a folder that Python adds to its path after this file's: Debian's own, where pip
installed this package. Then start() waits until Python has added all folders.
"""

from __future__ import annotations

import builtins
import os
import sys


class _AfterAllFolders:
    """Calls start() when `site` imports sitecustomize, which is after it has added all folders."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "sitecustomize":
            sys.meta_path.remove(_AfterAllFolders)
            start()


def _folders_are_missing() -> bool:
    """Tell whether `site` has not added all folders yet, and will import sitecustomize then."""
    at_work = "site" in sys.modules and not sys.flags.no_site and not hasattr(builtins, "quit")
    return at_work and "sitecustomize" not in sys.modules


def start() -> None:
    """Install the drop-in if the environment asks for it.

    A package that cannot be imported is one line on stderr. With ``require`` Python ends then.
    """
    value = os.environ.get("FFI_STATIC_INSTALL", "0")
    if value in ("", "0") or "ffi_static._startup" in sys.modules:
        return
    try:
        import _cffi_backend  # noqa: F401
    except ModuleNotFoundError:
        if _folders_are_missing():
            if _AfterAllFolders not in sys.meta_path:  # `site` may read the .pth file twice
                sys.meta_path.insert(0, _AfterAllFolders)
            return
    try:
        import ffi_static._startup  # noqa: F401  it calls install()
    except ImportError as why:
        sys.modules["ffi_static._startup"] = None  # type: ignore[assignment]  # ask once
        said = "ffi_static: FFI_STATIC_INSTALL is set, but the package cannot be imported:"
        if sys.stderr is not None:
            print(said, " ".join(str(why).split()), file=sys.stderr)
        if "require" in value.lower():
            os._exit(125)
