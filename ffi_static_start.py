# SPDX-License-Identifier: MIT
"""ffi_static_start - install() while Python starts, if FFI_STATIC_INSTALL asks for it

Python reads ``ffi_static.pth`` at every start, and from 3.15 on ``ffi_static.start`` instead
(PEP 829; the import lines of ``.pth`` files end between 3.18 and 3.20). Both are beside this file
and name start(). It looks at the environment first, so a Python that is not to be served imports
nothing of the package. A program frozen by PyInstaller reads neither; there a hook calls start()
(``ffi_static/_pyinstaller``).
"""

from __future__ import annotations

import os
import sys


def start() -> None:
    """Install the drop-in if the environment asks for it.

    A package that cannot be imported is one line on stderr. With ``require`` Python ends then.
    """
    value = os.environ.get("FFI_STATIC_INSTALL", "0")
    if value in ("", "0") or "ffi_static._startup" in sys.modules:
        return
    try:
        import ffi_static._startup  # noqa: F401  it calls install()
    except ImportError as why:
        sys.modules["ffi_static._startup"] = None  # type: ignore[assignment]  # ask once
        said = "ffi_static: FFI_STATIC_INSTALL is set, but the package cannot be imported:"
        if sys.stderr is not None:
            print(said, " ".join(str(why).split()), file=sys.stderr)
        if "require" in value:
            os._exit(125)
