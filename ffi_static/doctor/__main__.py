# SPDX-License-Identifier: MIT
"""__main__ - ``python -m ffi_static.doctor``"""

from __future__ import annotations

from ffi_static._output import run_command
from ffi_static.doctor import main

if __name__ == "__main__":
    run_command(main)
