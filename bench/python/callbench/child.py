# SPDX-License-Identifier: MIT
"""child - the race of the rivals that need cffi built from source, in a process of their own.

Two builds of ``_cffi_backend`` do not belong in one process, so the benchmark starts this one with
the other build first on PYTHONPATH. The hand-written callback runs here too and takes its turns
with the rest: ratios to it can be set beside those of the parent.

Run as ``python -m callbench.child BUILD_DIR WORKLOAD SECONDS``; prints the laps as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from . import build, laps, rivals
from .workloads import WORKLOADS, Caller


class ChildError(RuntimeError):
    """The child process could not run its race; the text is what it said."""


def race(build_dir: Path, workload: str, seconds: float) -> list[laps.Lap]:
    """Run the race in a child that loads cffi built from source. ChildError if it fails."""
    path = [str(build.parts(build_dir).cffi_source), str(build.HERE.parent)]
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, *filter(None, [inherited])])}
    command = [sys.executable, "-m", "callbench.child", str(build_dir), workload, str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChildError(f"child ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return [laps.Lap(**lap) for lap in json.loads(done.stdout)]


def main() -> int:
    """Be the child."""
    build_dir, workload, seconds = Path(sys.argv[1]), WORKLOADS[sys.argv[2]], float(sys.argv[3])
    parts = build.parts(build_dir)
    results = laps.race(Caller(parts), workload, rivals.from_source(parts), seconds)
    json.dump([lap.as_dict() for lap in results], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
