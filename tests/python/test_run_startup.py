# SPDX-License-Identifier: MIT
"""test_run_startup - FFI_STATIC_INSTALL in the environment, and what the report says."""

from __future__ import annotations

import os
import pkgutil
import shutil
import sys
import venv
from pathlib import Path
from typing import Any

import _cffi_backend
import pytest

import ffi_static
import ffi_static_start
from tests.python.programs import fresh
from tests.support.process import run
from tests.support.programs import words

ROOT = Path(__file__).resolve().parents[2]
SERVED = words(fresh.served)


def start(*command: str, **env: str) -> Any:
    return run([sys.executable, *command], status=None, env=env, without=("FFI_STATIC_",))


@pytest.mark.parametrize("value", [None, "", "0"])
def test_unset_nothing_is_installed_and_nothing_of_us_imported(value: str | None) -> None:
    env = {} if value is None else {"FFI_STATIC_INSTALL": value}
    said = start(*words(fresh.modules_of_ours), **env)
    assert (said.stdout, said.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("value", "served"),
    [
        ("1", ["_cffi_backend", "_ctypes"]),
        ("require", ["_cffi_backend", "_ctypes"]),
        ("keep_thread_state", ["_cffi_backend", "_ctypes"]),
        ("ctypes", ["_ctypes"]),
        ("cffi", ["_cffi_backend"]),
        ("require,cffi,ctypes,keep_thread_state", ["_cffi_backend", "_ctypes"]),
        ("1,ctypes", ["_cffi_backend", "_ctypes"]),
        ("no_turbo", ["_cffi_backend", "_ctypes"]),
        ("yes", ["_cffi_backend", "_ctypes"]),
        ("true", ["_cffi_backend", "_ctypes"]),
        ("True,require", ["_cffi_backend", "_ctypes"]),
        ("ON", ["_cffi_backend", "_ctypes"]),
        ("no", []),
        ("False", []),
        ("off", []),
        ("Ctypes", ["_ctypes"]),
        ("REQUIRE,Cffi", ["_cffi_backend"]),
    ],
)
def test_words_choose_what_is_served(value: str, served: list[str]) -> None:
    said = start(*SERVED, FFI_STATIC_INSTALL=value)
    assert (said.stdout, said.stderr) == (f"{served}\n", "")


@pytest.mark.parametrize("value", ["y", "2", "ctypes cffi", "1,", "\n"])
def test_wrong_word_is_one_line_that_names_the_legal_ones_and_python_goes_on(value: str) -> None:
    said = start(*SERVED, FFI_STATIC_INSTALL=value)
    assert (said.stdout, said.returncode) == ("[]\n", 0)
    assert said.stderr.count("\n") == 1
    legal = "1, ctypes, cffi, keep_thread_state, no_turbo, require"
    assert f"{legal}; callbacks are stock" in said.stderr


@pytest.mark.parametrize("value", ["require,ctype", "REQUIRE,ctype"])
def test_wrong_word_beside_require_ends_python(value: str) -> None:
    said = start(*SERVED, FFI_STATIC_INSTALL=value)
    assert (said.stdout, said.returncode) == ("", 125)
    assert said.stderr.count("\n") == 1
    assert "giving up, as required" in said.stderr


def test_startup_file_names_what_there_is() -> None:
    """The import line of .pth, and from Python 3.15 on the entry point of .start, PEP 829."""
    line = (ROOT / "ffi_static.pth").read_text("ascii")
    assert line.startswith("import ")
    assert line.count("\n") == 1
    (entry,) = (
        line
        for line in (ROOT / "ffi_static.start").read_text("ascii").splitlines()
        if not line.startswith("#")
    )
    assert pkgutil.resolve_name(entry) is ffi_static_start.start
    assert "ffi_static_start" in line


@pytest.mark.skipif("sys.version_info < (3, 15)", reason="Python reads .start files from 3.15 on")
def test_start_file_alone_serves(tmp_path: Path) -> None:
    shutil.copy(ROOT / "ffi_static.start", tmp_path / "other.start")
    code = f"import site, sys; site.addsitedir({str(tmp_path)!r}); print(sorted(sys.modules))"
    said = start("-S", "-c", code, FFI_STATIC_INSTALL="1", PYTHONPATH=os.pathsep.join(sys.path))
    assert "'ffi_static._startup'" in said.stdout, said.stderr


def test_isolated_mode_is_served_too() -> None:
    assert start("-I", *SERVED, FFI_STATIC_INSTALL="ctypes").stdout == "['_ctypes']\n"


@pytest.mark.parametrize(("value", "status"), [("1", 0), ("require", 125)])
def test_package_that_cannot_be_imported_is_one_line(
    tmp_path: Path, value: str, status: int
) -> None:
    (tmp_path / "ffi_static").mkdir()
    (tmp_path / "ffi_static/__init__.py").write_text("raise ImportError('broken\\nin two lines')\n")
    said = start("-c", "print('ran')", FFI_STATIC_INSTALL=value, PYTHONPATH=str(tmp_path))
    assert said.returncode == status
    assert said.stdout == ("ran\n" if status == 0 else "")
    assert said.stderr.count("\n") == 1
    assert "cannot be imported: broken in two lines" in said.stderr


#: Python reads the .pth files of an environment that sees the system's packages twice, and then
#: adds the system's. So does this one add its folder at the second time. Python 3.15 adds all
#: folders, and then runs what the files name.
AT_THE_SECOND_TIME = "import sys; getattr(sys, 'seen', 0) and sys.path.append({!r})"


@pytest.mark.parametrize("flags", [(), ("-I",)], ids=" ".join)
@pytest.mark.parametrize(("there", "twice"), [(True, False), (False, False), (True, True)])
def test_cffi_may_be_in_a_folder_that_python_adds_later(
    tmp_path: Path, flags: tuple[str, ...], there: bool, twice: bool
) -> None:
    """As Debian's own cffi is, where pip installed this package."""
    venv.create(tmp_path, symlinks=True, system_site_packages=twice)
    (packages,) = tmp_path.glob("lib/python*/site-packages")
    for name in ("ffi_static.pth", "ffi_static.start"):
        shutil.copy(ROOT / name, packages)
    shutil.copy(ffi_static_start.__file__, packages)
    (packages / "ffi_static").symlink_to(Path(ffi_static.__file__).parent)
    if there:
        folder = Path(_cffi_backend.__file__).parent
        later = twice and sys.version_info < (3, 15)
        line = AT_THE_SECOND_TIME.format(str(folder)) if later else folder
        (packages / "later.pth").write_text(f"{line}\n", encoding="utf-8")
        (packages / "latest.pth").write_text("import sys; sys.seen = 1\n", encoding="utf-8")
    command = [str(tmp_path / "bin/python"), *flags, *SERVED]
    said = run(command, status=0 if there else 125, env={"FFI_STATIC_INSTALL": "require"})
    assert said.stdout == ("['_cffi_backend', '_ctypes']\n" if there else "")
    assert ("No module named '_cffi_backend'" in said.stderr) == (not there)
    assert said.stderr.count("\n") == (not there)


@pytest.mark.parametrize(("value", "status"), [("1", 0), ("require", 125)])
def test_build_that_is_not_known_is_one_line(value: str, status: int) -> None:
    said = start(*words(fresh.start_with_an_unknown_ctypes, value))
    assert said.returncode == status, said.stderr
    assert said.stdout == ("ran\n" if status == 0 else "")
    assert said.stderr.count("\n") == 1
    assert said.stderr.startswith("ffi_static: ")


def test_later_module_of_an_unknown_build_is_warned_of_and_works(tmp_path: Path) -> None:
    (tmp_path / "_ctypes.py").write_text("x = 1\n", encoding="utf-8")
    env = {"FFI_STATIC_INSTALL": "1", "PYTHONPATH": str(tmp_path)}
    said = start("-c", "import _ctypes; print(_ctypes.x)", **env)
    assert (said.stdout, said.returncode) == ("1\n", 0)
    assert "cannot serve _ctypes, its callbacks are stock" in said.stderr


def test_later_module_of_an_unknown_build_fails_its_import_where_required(tmp_path: Path) -> None:
    (tmp_path / "_ctypes.py").write_text("x = 1\n", encoding="utf-8")
    env = {"FFI_STATIC_INSTALL": "require", "PYTHONPATH": str(tmp_path)}
    said = start("-c", "import _ctypes; print(_ctypes.x)", **env)
    assert (said.stdout, said.returncode) == ("", 1)
    assert "InstallError" in said.stderr.splitlines()[-1]


# ---- the report

# Text, because each test ends it in its own way.
TWO = """
import ctypes, os, subprocess, sys
kept = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)
kept()
gone = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 2)
del gone
"""
COUNTS = "2 callbacks made, 1 live, 1 freed"


def report(code: str, tmp_path: Path, *options: str, **env: str) -> Any:
    path = tmp_path / "program.py"
    path.write_text(code, encoding="utf-8")
    return start("-m", "ffi_static", "run", *options, str(path), **env)


@pytest.mark.parametrize(
    ("ending", "status"), [("", 0), ("sys.exit(3)", 3), ("1 / 0", 1), ("raise SystemExit('x')", 1)]
)
def test_report_comes_however_python_ends(tmp_path: Path, ending: str, status: int) -> None:
    said = report(TWO + ending, tmp_path, "--report")
    assert said.returncode == status
    ours = [line for line in said.stderr.splitlines() if line.startswith("ffi_static: ")]
    assert [line for line in ours if "_ctypes" in line and COUNTS in line]
    assert [line for line in ours if "_cffi_backend" in line and "0 callbacks made" in line]
    assert len(ours) == 2
    assert said.stderr.splitlines()[-2:] == ours, "after everything that the program says"


@pytest.mark.parametrize(
    ("options", "told"), [((), ", 1 turbo"), (("--no-turbo",), "; none turbo: turbo=False")]
)
def test_report_tells_how_many_our_dispatch_ran(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    again = "import ffi_static\nffi_static.install()\nkept()\n"
    said = report(TWO + again, tmp_path, "--report", *options)
    assert COUNTS + told in said.stderr, "what the user switched off, install() does not switch on"


def test_report_is_the_programs_and_not_its_childrens(tmp_path: Path) -> None:
    code = TWO + (
        "if os.fork() == 0:\n    sys.exit()\n"
        "os.wait()\n"
        "subprocess.run([sys.executable, '-c', 'import ctypes'], check=True)\n"
        "assert 'FFI_STATIC_REPORT' not in os.environ\n"
    )
    said = report(code, tmp_path, "--report")
    assert said.stderr.count(COUNTS) == 1
    assert len(said.stderr.splitlines()) == 2


def test_report_without_a_stderr_changes_nothing(tmp_path: Path) -> None:
    said = report(TWO + "os.close(2)\nprint('end')\nsys.exit(4)", tmp_path, "--report")
    assert (said.stdout, said.returncode) == ("end\n", 4)


def test_report_in_the_environment_is_every_processs(tmp_path: Path) -> None:
    code = TWO + "print(os.getpid())\nsys.stdout.flush()\npid = os.fork()\nif pid:\n    os.wait()\n"
    said = start("-c", code, FFI_STATIC_INSTALL="1", FFI_STATIC_REPORT="1")
    lines = [line for line in said.stderr.splitlines() if COUNTS in line]
    assert len(lines) == 2
    assert f"ffi_static: [{said.stdout.strip()}] " in lines[1]
    assert lines[0].split()[1] != lines[1].split()[1]


def test_report_with_a_wrong_value_is_one_line() -> None:
    said = start("-c", "print('ran')", FFI_STATIC_INSTALL="1", FFI_STATIC_REPORT="y")
    assert said.stdout == "ran\n"
    assert said.stderr == "ffi_static: FFI_STATIC_REPORT=y: give 0 or 1; there will be no report\n"


@pytest.mark.parametrize(("value", "told"), [("yes", True), ("On", True), ("No", False)])
def test_report_is_switched_by_the_words_of_install(value: str, told: bool) -> None:
    said = start("-c", TWO, FFI_STATIC_INSTALL="1", FFI_STATIC_REPORT=value)
    assert (COUNTS in said.stderr) == told
    assert "give 0 or 1" not in said.stderr


def test_report_counts_callbacks_of_this_package() -> None:
    code = (
        "import ffi_static\n"
        "made = [ffi_static.callback('int(int)', abs) for _ in range(3)]\n"
        "made.pop().close()"
    )
    env = {"FFI_STATIC_INSTALL": "1", "FFI_STATIC_REPORT": "1"}
    lines = start("-c", code, **env).stderr.splitlines()
    assert lines[-1].endswith("] ffi_static.callback: 3 callbacks made, 2 live, 1 freed")
    assert "ffi_static.callback" not in start("-c", "import ffi_static", **env).stderr
