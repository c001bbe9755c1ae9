# SPDX-License-Identifier: MIT
"""machine - names the machine of a measurement, without which nobody can judge a ratio.

Everything here is asked of the system and may be unknown. No function fails.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def _first_line(*command: str) -> str:
    """Give the first line that a command prints, or an empty string."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else ""


def _field(path: str, pattern: str) -> str:
    """Give what the first group of a pattern matches in a file, or an empty string."""
    try:
        found = re.search(pattern, Path(path).read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1).strip().strip('"') if found else ""


def processor() -> str:
    """Name the processor, how many CPUs we may use, and whether it is a virtual machine."""
    model = _field("/proc/cpuinfo", r"^model name\s*: (.*)$") or platform.machine()
    kind = ", virtual machine" if _field("/proc/cpuinfo", r"(\bhypervisor\b)") else ""
    usable = len(os.sched_getaffinity(0))
    return f"{model}, {usable} CPU{'s' if usable != 1 else ''}{kind}"


def distribution() -> str:
    """Name the distribution."""
    return _field("/etc/os-release", r"^PRETTY_NAME=(.*)$") or UNKNOWN


def _owner_of(path: str) -> str:
    """Ask dpkg or rpm which package a file belongs to, with its version."""
    spellings = [path, path.removeprefix("/usr") if hasattr(path, "removeprefix") else path]
    for spelling in spellings:
        package = _first_line("dpkg-query", "-S", spelling).split(": ")[0]
        if package:
            shown = _first_line("dpkg-query", "-W", "-f", "${Package} ${Version}\\n", package)
            if shown:
                return shown
    found = _first_line("rpm", "-qf", path)
    return "" if "not owned" in found else found


def libffi(path: str | None, version: str | None) -> str:
    """Name a libffi: its package and version, what it says of itself, or what pkg-config knows."""
    if path and _owner_of(path):
        return _owner_of(path)
    if version:
        return f"libffi {version}"
    known = _first_line("pkg-config", "--modversion", "libffi")
    return f"libffi {known} (from pkg-config)" if known else UNKNOWN


def _cffi() -> str:
    try:
        return importlib.metadata.version("cffi")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def describe(compiler: str = "") -> dict[str, str]:
    """Name processor, kernel, distribution, compiler, C library, Python, cffi and load."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "processor": processor(),
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": distribution(),
        "compiler": compiler or _first_line("cc", "--version") or UNKNOWN,
        "C library": " ".join(platform.libc_ver()).strip() or UNKNOWN,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "cffi": _cffi(),
        "load average": f"{load} (1, 5, 15 minutes, when the report was made)",
    }
