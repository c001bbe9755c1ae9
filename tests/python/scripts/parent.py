# SPDX-License-Identifier: MIT
"""parent - ``parent.py CHILD``: runs another script, and ends as that does"""

import subprocess
import sys

sys.exit(subprocess.run([sys.executable, sys.argv[1]], check=False).returncode)
