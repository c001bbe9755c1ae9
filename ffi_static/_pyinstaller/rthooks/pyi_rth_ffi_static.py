# SPDX-License-Identifier: MIT
"""pyi_rth_ffi_static - run in a frozen program before its own code: as ffi_static.pth elsewhere"""

from __future__ import annotations

import ffi_static_start

ffi_static_start.start()
