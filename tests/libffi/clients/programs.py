# SPDX-License-Identifier: MIT
"""programs - the clients: how each is started, what it needs, and how it is installed.

One entry a client. A client is a script in its own language; README.md says what it has to do.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import run

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Client:
    """A user of libffi. `program` starts it, `probe` succeeds where it is installed."""

    name: str
    script: str
    program: tuple[str, ...]
    packages: tuple[str, ...]
    probe: tuple[str, ...]
    version: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    ours: bool = True  # False: known to break with any static trampoline, and why
    why: str = ""

    @property
    def argv(self) -> list[str]:
        return [*self.program, str(HERE / self.script)]

    def there(self) -> bool:
        if shutil.which(self.probe[0]) is None:
            return False
        return run(self.probe, status=None).returncode == 0

    def version_text(self) -> str:
        done = run(self.version, status=None)
        lines = (done.stdout or done.stderr).strip().splitlines()
        return lines[0].strip() if lines else "unknown"


PYTHON = "/usr/bin/python3"  # the system's, which is linked with the system's libffi
GI = "import gi; gi.require_version('Gio', '2.0'); from gi.repository import Gio"

CLIENTS = (
    Client(
        "Python ctypes",
        "ctypes_client.py",
        (PYTHON, "-I"),
        ("python3",),
        (PYTHON, "-c", "import ctypes"),
        (PYTHON, "-c", "import platform; print(platform.python_version())"),
    ),
    Client(
        "Ruby Fiddle",
        "fiddle_client.rb",
        ("ruby",),
        ("ruby",),
        ("ruby", "-rfiddle", "-e", "0"),
        ("ruby", "-e", "puts RUBY_VERSION"),
    ),
    Client(
        "PyGObject",
        "gobject_client.py",
        (PYTHON, "-I"),
        ("python3-gi", "gir1.2-glib-2.0"),
        (PYTHON, "-c", GI),
        (PYTHON, "-c", "import gi; print(gi.__version__)"),
    ),
    Client(
        "Guile",
        "guile_client.scm",
        ("guile", "--no-auto-compile", "-s"),
        ("guile-3.0",),
        ("guile", "-c", "(use-modules (system foreign))"),
        ("guile", "-c", "(display (version))"),
        {"GUILE_JIT_THRESHOLD": "-1"},
    ),
    Client(
        "PHP FFI",
        "php_client.php",
        ("php", "-d", "ffi.enable=1", "-d", "pcre.jit=0"),
        ("php-cli",),
        ("php", "-r", "exit(class_exists('FFI') ? 0 : 1);"),
        ("php", "-r", "echo PHP_VERSION;"),
    ),
    Client(
        "ECL",
        "ecl_client.lisp",
        ("ecl", "--norc", "--shell"),
        ("ecl",),
        ("ecl", "--version"),
        ("ecl", "--version"),
        ours=False,
        why="ECL gives C the pointer to a closure's data as if it were its code",
    ),
)


def install(missing: list[Client]) -> str:
    """Install what `missing` need where that is possible; say what was done, or what is needed."""
    names = [package for client in missing for package in client.packages]
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *names]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"not installed here; as root: {' '.join(command)}"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    said = ""
    for step in (["apt-get", "update", "-q"], command):
        done = run(step, status=None, env=env, timeout=None)
        said = (done.stderr or done.stdout).strip()
        if done.returncode != 0 and step is command:
            return f"{' '.join(command)} failed: {said.splitlines()[-1] if said else 'no word'}"
    return f"installed, because they were missing here: {' '.join(names)}"
