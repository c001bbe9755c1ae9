# SPDX-License-Identifier: MIT
"""test_symbols - what the extension module asks of Python: what each release of a version has

A wheel is for every release of a version of CPython. Names that the version's headers offer stay
for all of them. Those of Include/internal need not, and other names that CPython's library exports
need not either.
"""

from __future__ import annotations

import re
import shutil
import sysconfig
from pathlib import Path

import pytest

from ffi_static import _lib
from tests.support.process import output

NAME = re.compile(r"\b_?Py\w+")


def asked_for(module: str) -> set[str]:
    """Give the names of Python that an extension module imports."""
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed (binutils)")
    rows = output(["nm", "-D", "--undefined-only", module]).splitlines()
    return {name for name in (row.split()[-1].split("@")[0] for row in rows) if NAME.match(name)}


def offered(folder: Path) -> set[str]:
    """Give the names of Python that the headers of a folder have, internal ones apart."""
    headers = [path for path in folder.rglob("*.h") if "internal" not in path.parts]
    return {name for path in headers for name in NAME.findall(path.read_text("utf-8", "replace"))}


@pytest.fixture(scope="module")
def headers() -> Path:
    folder = Path(sysconfig.get_path("include"))
    if not (folder / "Python.h").exists():
        pytest.skip(f"this Python has no headers in {folder}")
    return folder


def test_module_asks_for_names_that_its_headers_offer(headers: Path) -> None:
    asked = asked_for(str(_lib.__file__))
    assert "PyObject_Vectorcall" in asked or "_PyObject_MakeTpCall" in asked
    assert asked - offered(headers) == set()


def test_internal_names_are_seen(headers: Path, tmp_path: Path) -> None:
    """What is planted: a name of Include/internal, which the public headers do not have."""
    (tmp_path / "internal").mkdir()
    (tmp_path / "internal/pycore_x.h").write_text("void _Py_Inside(void);\n")
    (tmp_path / "x.h").write_text("void Py_Outside(void);\n")
    assert offered(tmp_path) == {"Py_Outside"}
    assert "_PyRuntime_Initialize" not in offered(headers)
