# SPDX-License-Identifier: MIT
"""conftest - what all tests share: the checkout, the built library, whether there is PR_SET_MDWE

Fixtures rather than a module to import, because the tests are no package (importlib mode): a folder
of tests needs no knowledge of its neighbours.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.ctests import build

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the checkout's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def library() -> Path:
    """Give build/lib with libffi_static.a and .so.0, made when it is not up to date."""
    build("lib")
    return ROOT / os.environ.get("BUILD", "build") / "lib"


@pytest.fixture(scope="session")
def mdwe_works() -> bool:
    """Tell whether this kernel has PR_SET_MDWE (Linux 6.3)."""
    from ffi_static.doctor.policies import mdwe

    return bool(mdwe()["state"] != "unsupported")


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
