# SPDX-License-Identifier: MIT
"""_pyinstaller - what PyInstaller asks the package for: the folder with its hooks

A frozen program has no site-packages, so Python reads no startup file. The hook adds the modules
that PyInstaller cannot see, and ``rthooks`` has what the frozen program runs before its own code:
the same start() that the startup files name. So FFI_STATIC_INSTALL works there as elsewhere.
"""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Give the folder of the hooks. The entry point ``pyinstaller40`` names this function."""
    return [os.path.dirname(__file__)]  # noqa: PTH120
