# SPDX-License-Identifier: MIT
"""strict - set the strict policy, then become the program: ``python strict.py program argument...``

Strict is PR_SET_MDWE, memfd_create() refused, and shared executable mappings refused. Both outlive
exec, so that the program and all its children live under them from their first instruction.
"""

from __future__ import annotations

import os
import sys

from ffi_static._strict import deny_write_execute, refuse_memfd

if __name__ == "__main__":
    try:
        refuse_memfd()
        deny_write_execute()
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.exit(f"strict.py: {error}")
