# SPDX-License-Identifier: MIT
"""test_peers - the short form of `make test-peers`: ctypes' and cffi's own tests of callbacks.

With this interpreter and the cffi that is installed. The long form, every Python and all their
tests, is `make test-peers`.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers import patched, suites
from tests.peers.modes import HERE, MODES, once, outcomes
from tests.peers.places import PATCH, cffi_source, copy_sources
from tests.peers.suites import pytest_command, pytest_environment
from tests.peers.table import GOOD, compare
from tests.support import process

#: ctypes' tests that make callbacks.
CTYPES = (
    "callbacks",
    "as_parameter",
    "random_things",
    "libc",
    "refcounts",
    "prototypes",
    "funcptr",
)
CFFI = "callback or closure or errno or extern"


def run(folder: Path, mode: str, command: list[str], env: dict[str, str], where: Path) -> Any:
    (folder / "tmp").mkdir(parents=True)
    status = once(command, env, where, folder, mode)
    assert status in (0, 1), (folder / "output").read_text(encoding="utf-8")
    return outcomes(folder)


def ctypes_run(folder: Path, mode: str) -> Any:
    package = "test.test_ctypes" if sys.version_info >= (3, 12) else "ctypes.test"
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"this Python has no {package} (Debian: libpython3-testsuite)")
    names = [f"{package}.test_{name}" for name in CTYPES]
    command = [sys.executable, str(HERE / "unit_log.py"), str(folder / "log"), *names]
    return run(folder, mode, command, {}, folder.parent)


def cffi_run(folder: Path, mode: str) -> Any:
    import cffi

    try:
        source = cffi_source(cffi.__version__)
    except SystemExit as why:
        pytest.skip(f"cffi's source package cannot be fetched: {str(why).splitlines()[-1]}")
    tests = source / "src/c/test_c.py"
    command = [*pytest_command(Path(sys.executable), source), str(tests), "-k", CFFI]
    return run(folder, mode, command, pytest_environment(folder / "log"), source)


RUNS = {"ctypes": ctypes_run, "cffi": cffi_run}


@pytest.mark.parametrize("peer", RUNS)
def test_their_own_tests_end_with_the_drop_in_as_without(
    peer: str, tmp_path: Path, mdwe_works: bool
) -> None:
    modes = [mode for mode in MODES if mdwe_works or "strict" not in mode]
    found = {mode: RUNS[peer](tmp_path / mode, mode) for mode in modes}
    assert len(found["stock"]) > 15
    assert all(outcome in (*GOOD, "skipped") for outcome, _ in found["stock"].values())
    assert compare(found["stock"], found["dropin"]) == []
    if "stock-strict" in found:
        assert compare(found["stock"], found["dropin-strict"]) == []
        assert compare(found["stock"], found["stock-strict"]), "the policy was not in force"


def test_patch_of_cffi_is_small_and_applies_to_its_source(tmp_path: Path) -> None:
    import cffi

    head, _, diff = PATCH.read_text(encoding="utf-8").partition("\n--- ")
    assert {"Description", "Author", "Forwarded", "Last-Update"} <= set(
        re.findall("(?m)^([A-Z][A-Za-z-]+): ", head)
    )
    assert len(re.findall(r"^@@ ", diff, re.MULTILINE)) == 1
    lines = diff.splitlines()[3:]
    assert [line for line in lines if not line.startswith(("+", " "))] == []
    assert len([line for line in lines if line.startswith(" ")]) == 4
    try:
        source = cffi_source(cffi.__version__)
    except SystemExit as why:
        pytest.skip(f"cffi's source package cannot be fetched: {str(why).splitlines()[-1]}")
    shutil.copytree(source / "src/c", tmp_path / "src/c")
    done = process.run(["patch", "-p1", "--fuzz=0", "-d", tmp_path, "-i", PATCH])
    assert "fuzz" not in done.stdout


def test_a_test_that_kills_its_interpreter_is_told_from_one_that_passes(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_a(self): pass\n"
        "    def test_b(self): os.kill(os.getpid(), 9)\n"
        "    def test_c(self): self.fail('no')\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(HERE / "unit_log.py"), str(tmp_path / "log"), "deadly"]
    env = {"PYTHONPATH": str(tmp_path)}
    assert once(command, env, tmp_path, tmp_path, "stock") == -9
    assert once(command, env, tmp_path, tmp_path, "stock") == 0
    told = {name[-1]: outcome for name, (outcome, _) in outcomes(tmp_path).items()}
    assert told == {"a": "passed", "b": "crashed", "c": "failed"}


def test_comparison_finds_what_is_planted() -> None:
    stock = {"same": ("passed", ""), "worse": ("passed", ""), "gone": ("passed", "")}
    other = {"same": ("passed", ""), "worse": ("failed", "why not"), "new": ("skipped", "")}
    assert compare(stock, stock) == []
    assert compare(stock, other) == [
        "gone: passed -> absent ",
        "new: absent -> skipped ",
        "worse: passed -> failed why not",
    ]


def test_patched_suite_has_one_libffi_also_for_ctypes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock, which the system's ctypes loads before cffi, would serve cffi as well."""
    told: list[dict[str, str]] = []

    def record(_: list[str], env: dict[str, str], *__: object) -> int:
        told.append(env)
        return 0

    monkeypatch.setattr(suites, "PEERS", tmp_path)
    monkeypatch.setattr(suites, "environment", lambda *_: Path(sys.executable))
    monkeypatch.setattr(suites, "once", record)
    monkeypatch.setattr(suites, "cffi_source", lambda _: tmp_path)
    monkeypatch.setattr(patched, "with_patched", lambda *_: (Path(sys.executable), False))
    monkeypatch.setattr(patched, "forks", lambda *_: [])
    monkeypatch.setattr(sys, "argv", ["patched", str(tmp_path), "--only", "cffi0-2.0.0"])
    assert patched.main() == 1, "no test was run"
    assert [env.get("LD_LIBRARY_PATH") for env in told] == [None, *[f"{tmp_path}/lib"] * 2]


def test_packages_introduce_their_callback() -> None:
    """The programs of tests/peers/packages say what they use and check what came out."""
    programs = sorted((HERE / "packages").glob("*.py"))
    assert len(programs) >= 3
    for program in programs:
        text = program.read_text(encoding="utf-8")
        assert re.search(r"callback", text), program
        assert "assert " in text, program
        process.run([sys.executable, "-m", "py_compile", str(program)])


def test_what_a_wheel_is_built_from_is_all_that_setup_py_reads(tmp_path: Path) -> None:
    """Each Python's wheel is built from a copy of some of the tree."""
    copy_sources(tmp_path)
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    process.run(command, cwd=tmp_path)
