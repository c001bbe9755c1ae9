# SPDX-License-Identifier: MIT
"""modes - one run of a command in one of four modes: with the drop-in or not, strict or not.

A run leaves `log`, a line per event (see unit_log.py), and `output`, everything that was printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Modes (a) to (d): with the drop-in or without, under the policy or not.
MODES = {
    "stock": (False, False),
    "stock-strict": (False, True),
    "dropin": (True, False),
    "dropin-strict": (True, True),
}
#: A run in which no test ends for so many seconds counts as hanging. Nothing is measured.
PATIENCE = 1200


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    """Give what became of each test: {id: (outcome, why)}; one that never ended "crashed"."""
    found: dict[str, tuple[str, str]] = {}
    log = folder / "log"
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        event = json.loads(line)
        if "outcome" in event:
            found[event["id"]] = (event["outcome"], event["why"])
        else:
            found.setdefault(event["id"], ("crashed", ""))
    return found


def once(command: list[str], env: dict[str, str], where: Path, folder: Path, mode: str) -> int:
    """Run a command in a mode until it ends or hangs; give its exit status."""
    ours, strict = MODES[mode]
    if strict:
        command = [sys.executable, str(HERE / "strict.py"), *command]
    env = {**clean_environment(folder / "tmp"), **env}
    if ours:
        env["FFI_STATIC_INSTALL"] = "require"
    log = folder / "log"
    with (folder / "output").open("a", encoding="utf-8") as output:
        child = subprocess.Popen(
            command,
            env=env,
            cwd=where,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        size, since = -1, time.monotonic()
        while child.poll() is None:
            time.sleep(0.2)
            now = log.stat().st_size if log.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                output.write(f"\npeers: nothing for {PATIENCE} s, killed\n")
                os.killpg(child.pid, 9)
        return child.wait()


def clean_environment(tmp: Path) -> dict[str, str]:
    """Give the environment without variables that would make one run differ from another."""
    ours = ("FFI_STATIC_", "PYTHON", "PEERS_")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**clean, "TMPDIR": str(tmp)}
