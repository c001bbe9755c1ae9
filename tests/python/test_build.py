# SPDX-License-Identifier: MIT
"""test_build - what setup.py and `import ffi_static` say when something is missing

Where they said nothing, pip installed a package without its extension and called it a success.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def setup(before: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run setup.py of a copy that has no C, after `before`."""
    shutil.copy(ROOT / "setup.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "ffi_static").mkdir()
    for file in ("__init__.py", "_build_lib.py"):
        shutil.copy(ROOT / "ffi_static" / file, tmp_path / "ffi_static")
    run = "import runpy; sys.argv = ['setup.py', '--name']; runpy.run_path('setup.py')"
    return python(tmp_path, "-c", f"import sys\n{before}\n{run}")


def test_setup_goes_on_where_nothing_is_missing(tmp_path: Path) -> None:
    done = setup("", tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["ffi_static"]), done.stderr


def test_setup_without_cffi_stops_and_names_it(tmp_path: Path) -> None:
    done = setup("sys.modules['cffi'] = None", tmp_path)
    assert done.returncode == 1
    assert "cffi>=1.15.1 (tried to import it, got:" in done.stderr
    assert "pip install 'cffi>=1.15.1'" in done.stderr


def test_setup_without_cffis_backend_stops_and_names_cffi(tmp_path: Path) -> None:
    done = setup("sys.modules['_cffi_backend'] = None", tmp_path)
    assert done.returncode == 1
    assert "cffi>=1.15.1 (tried to import it, got:" in done.stderr


def test_setup_with_old_packages_stops_and_names_them(tmp_path: Path) -> None:
    old = "import cffi, setuptools; cffi.__version__ = '1.14'; setuptools.__version__ = '60.9.3'"
    done = setup(old, tmp_path)
    assert done.returncode == 1
    assert "setuptools>=61.0 (found setuptools 60.9.3)" in done.stderr
    assert "cffi>=1.15.1 (found cffi 1.14)" in done.stderr
    assert "pip install 'setuptools>=61.0' 'cffi>=1.15.1'" in done.stderr


def test_import_without_the_extension_says_so(tmp_path: Path) -> None:
    (tmp_path / "ffi_static").mkdir()
    for file in (ROOT / "ffi_static").glob("*.py"):
        shutil.copy(file, tmp_path / "ffi_static")
    # -S: an editable install's finder would find the extension of the checkout
    done = python(tmp_path, "-S", "-c", "import ffi_static")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ffi_static's extension module _lib is not built")
    assert str(tmp_path / "ffi_static") in last
    assert "pip install" in last
