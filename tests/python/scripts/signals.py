# SPDX-License-Identifier: MIT
"""signals - prints which signals are ignored, handled and blocked"""

import signal
from pathlib import Path

for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGPIPE", "SIGXFSZ"):
    print(name, signal.getsignal(getattr(signal, name)))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))

#: The C library's own. musl leaves one of them ignored when it has told all threads of something.
OWN = sum(1 << signal - 1 for signal in (32, 33, 34))
for line in Path("/proc/self/status").read_text().splitlines():
    name, _, value = line.partition(":")
    if name in {"SigBlk", "SigIgn", "SigCgt"}:
        print(name, hex(int(value, 16) & ~OWN))
