# SPDX-License-Identifier: MIT
"""test_typing - the annotations, seen by a user of the package"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

import ffi_static
from ffi_static import _lib
from tests.support.process import EVERYTHING, run

API = Path(__file__).resolve().parent / "typing" / "api.py"


def test_mypy_accepts_the_api_and_refuses_its_misuse(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed (requirements/dev.txt)")
    package = str(Path(ffi_static.__file__).parent.parent)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--config-file="]
    run(
        [*mypy, f"--cache-dir={tmp_path}", API],
        env={"MYPYPATH": package, "PATH": ""},
        without=EVERYTHING,
    )


def test_package_is_marked_as_typed() -> None:
    assert (Path(ffi_static.__file__).parent / "py.typed").exists()


def test_stub_names_what_the_module_has() -> None:
    stub = (Path(ffi_static.__file__).parent / "_lib.pyi").read_text()
    native = [
        name
        for name, value in vars(_lib).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isbuiltin(value))
    ]
    assert set(re.findall(r"^(?:def|class) (\w+)", stub, re.MULTILINE)) == set(native)
    for kind in (_lib.Signature, _lib.CallbackBase):
        for name in vars(kind):
            if not name.startswith("_"):
                assert f"def {name}(" in stub, (kind, name)


def test_everything_public_is_documented() -> None:
    for name in ffi_static.__all__:
        assert inspect.getdoc(getattr(ffi_static, name)), name
