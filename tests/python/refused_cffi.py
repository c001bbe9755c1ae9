# SPDX-License-Identifier: MIT
"""refused_cffi - cffi for a Python that cffi refuses to be built for, 3.13t, where it works

    python tests/python/refused_cffi.py PYTHON

Downloads cffi's source by this interpreter's pip, takes the test for 3.13t out of its setup.py,
and installs it into PYTHON's environment. Does nothing when that has a cffi already.
Fails (1): cffi says in another way that it refuses.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/py/cffi"
#: What setup.py refuses, and what takes its place.
TEST, NEVER = "if FREE_THREADED_BUILD and sys.version_info < (3, 14):", "if False:"


def pip(python: str, *words: str) -> None:
    """Run a command of pip to its end."""
    command = [python, "-m", "pip", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True)


def main(python: str) -> None:
    """Install it."""
    asked = subprocess.run([python, "-c", "import cffi"], capture_output=True, check=False)
    if asked.returncode == 0:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    source = ("--no-deps", "--no-binary", "cffi", "-d", str(FOLDER), "cffi>=2")
    pip(sys.executable, "download", "-q", *source)
    (archive,) = FOLDER.glob("*.tar.gz")
    shutil.unpack_archive(archive, FOLDER)
    (tree,) = (path for path in FOLDER.iterdir() if path.is_dir())
    setup = tree / "setup.py"
    text = setup.read_text("utf-8")
    if text.count(TEST) != 1:
        sys.exit(f"{setup}: cffi says in another way that it refuses 3.13t")
    setup.write_text(text.replace(TEST, NEVER), "utf-8")
    pip(python, "install", "-q", "setuptools>=77", "wheel")
    pip(python, "install", "-q", "--no-build-isolation", str(tree))


if __name__ == "__main__":
    main(*sys.argv[1:])
