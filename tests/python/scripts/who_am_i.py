# SPDX-License-Identifier: MIT
"""who_am_i - prints all that a program can find out about how it was started"""

import os
import sys
from pathlib import Path

import __main__

names = ("__name__", "__file__", "__package__", "__doc__", "__cached__")
print({name: getattr(__main__, name, "none") for name in names})
print(type(__main__.__loader__).__name__, __main__.__spec__ and __main__.__spec__.name)
print(sorted(vars(__main__)))
print(sys.argv, sys.path, getattr(sys, "orig_argv", None), sys.flags, sys.warnoptions)
print(sys.executable, sys.prefix, sys.platform, Path.cwd(), sys._xoptions, __debug__)
print({k: v for k, v in os.environ.items() if k != "FFI_STATIC_INSTALL"})
print(Path("/proc/self/cmdline").read_bytes(), Path("/proc/self/comm").read_text())
print(len(list(Path("/proc/self/fd").iterdir())))
