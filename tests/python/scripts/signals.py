# SPDX-License-Identifier: MIT
"""signals - prints which signals are ignored, handled and blocked"""

import signal
from pathlib import Path

for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGPIPE", "SIGXFSZ"):
    print(name, signal.getsignal(getattr(signal, name)))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
status = Path("/proc/self/status").read_text().splitlines()
print([line for line in status if line.startswith("Sig")][2:])
