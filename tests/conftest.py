# SPDX-License-Identifier: MIT
"""conftest - what all tests share: the checkout, the built library, a child under a policy.

Fixtures rather than a module to import, because the tests are no package (importlib mode): a folder
of tests needs no knowledge of its neighbours.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Under MDWE before the program starts: prctl is inherited through exec.
_DENIED = """
import sys
from ffi_static._strict import deny_write_execute
deny_write_execute()
exec(compile(sys.stdin.read(), "<stdin>", "exec"))
"""


class RunPython(Protocol):
    def __call__(
        self, code: str, *arguments: str, mdwe: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the checkout's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def library() -> Path:
    """Give build/lib with libffi_static.a and .so.0, made when it is not up to date."""
    made = subprocess.run(
        ["make", "-s", "-C", str(ROOT), "lib"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return ROOT / os.environ.get("BUILD", "build") / "lib"


@pytest.fixture(scope="session")
def mdwe_works() -> bool:
    """Tell whether this kernel has PR_SET_MDWE (Linux 6.3)."""
    from ffi_static.doctor.policies import mdwe

    return bool(mdwe()["state"] != "unsupported")


@pytest.fixture
def run_python(mdwe_works: bool) -> RunPython:
    """Run code in a fresh interpreter, its output captured; `mdwe` switches the policy on."""

    def run(
        code: str, *arguments: str, mdwe: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]:
        if mdwe and not mdwe_works:
            pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
        source = ["-c", _DENIED] if mdwe else ["-"]
        return subprocess.run(
            [sys.executable, *source, *arguments],
            input=code,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **env},
        )

    return run


@pytest.fixture(scope="session")
def tool() -> Any:
    """Give the path of a program, or skip the test with the reason."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed (`sh .ci/packages` names the package)")
        return path

    return find


def pytest_report_header() -> list[str]:
    return [
        f"machine: {platform.machine()}, {platform.system()} {platform.release()}, "
        f"{' '.join(platform.libc_ver())}, {os.cpu_count()} CPUs",
        f"FFI_STATIC_PROVIDER: {os.environ.get('FFI_STATIC_PROVIDER', 'not set')}",
    ]
