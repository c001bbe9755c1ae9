# SPDX-License-Identifier: MIT
"""suites - which of the peers' suites there are, and their runs.

A run is a folder build/peers/results/SUITE/MODE with the files that modes.py leaves there, and with
`done`, which names the tree of the run. Stock modes are run once, the others again when this tree
has changed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .modes import HERE, MODES, once, outcomes
from .places import PEERS, cffi_source, debian_tests, digest, environment, with_ours

#: How often a suite whose interpreter died goes on behind the test that killed the interpreter.
DEATHS = 60


@dataclass(frozen=True)
class Suite:
    """A suite of a peer under one interpreter and one version of cffi."""

    peer: str  # "ctypes", "test_c", "cffi0", "cffi1"
    python: str
    cffi: str

    @property
    def name(self) -> str:
        return f"{self.peer}-{self.python}" + (
            "" if self.peer == "ctypes" else f"-cffi-{self.cffi}"
        )

    def folder(self, mode: str) -> Path:
        return PEERS / "results" / self.name / mode

    def command(self, python: Path, log: Path) -> tuple[list[str], dict[str, str], Path]:
        """Give the command line, what it needs in the environment, and where it runs."""
        here = log.parent / "cwd"
        here.mkdir(parents=True, exist_ok=True)
        if self.peer == "ctypes":
            old = tuple(map(int, self.python.split("-")[-1].split(".")[:2])) < (3, 12)
            env = {}
            if old and self.python.startswith("debian") and (top := debian_tests(self.python)):
                env = {"PEERS_DEBIAN_TESTS": str(top)}
            name = "ctypes.test" if old else "test.test_ctypes"
            return [str(python), str(HERE / "unit_log.py"), str(log), name], env, here
        source = cffi_source(self.cffi)
        where = "src/c" if (source / "src/c").exists() else "c"  # before 1.16
        tests = f"{where}/test_c.py" if self.peer == "test_c" else f"testing/{self.peer}"
        return [*pytest_command(python, source), tests], pytest_environment(log), source


def pytest_command(python: Path, source: Path) -> list[str]:
    """Give the command for tests of cffi, which do not use this tree's settings of pytest."""
    PEERS.mkdir(parents=True, exist_ok=True)
    ini = PEERS / "pytest.ini"
    ini.write_text("[pytest]\n", encoding="ascii")
    options = ["-c", str(ini), f"--rootdir={source}", "-p", "pytest_log", "-q"]
    return [str(python), "-m", "pytest", *options, "--continue-on-collection-errors"]


def pytest_environment(log: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(HERE), "PEERS_LOG": str(log), "CFLAGS": "-O0 -g0"}


def results(suite: Suite, mode: str) -> dict[str, tuple[str, str]]:
    """Give what became of each test of a run."""
    return outcomes(suite.folder(mode))


def crashed(suite: Suite, mode: str) -> int:
    return sum(outcome == "crashed" for outcome, _ in results(suite, mode).values())


def state(suite: Suite, mode: str) -> str:
    """Whether the run is there: "done", "not run", or "of another tree" than this."""
    done = suite.folder(mode) / "done"
    if not done.exists():
        return "not run"
    wanted = digest() if MODES[mode][0] else "stock"
    return "done" if done.read_text(encoding="ascii") == wanted else "of another tree"


def perform(suite: Suite, mode: str, libffi: Path | None = None) -> None:
    """Run one suite in one mode from its beginning.

    With a build of `libffi` it is that of the whole process, as in a distribution: a test may
    import ctypes before cffi, and the first libffi.so.8 that is loaded serves both.
    """
    ours = MODES[mode][0]
    made_for = digest() if ours else "stock"
    python = with_ours(suite.python, suite.cffi) if ours else environment(suite.python, suite.cffi)
    folder = suite.folder(mode)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    command, env, where = suite.command(python, folder / "log")
    if libffi:
        env = {**env, "LD_LIBRARY_PATH": str(libffi / "lib")}
    for _ in range(DEATHS):
        before = crashed(suite, mode)
        status = once(command, env, where, folder, mode)
        if crashed(suite, mode) == before:
            if status not in (0, 1, 5):  # 5: pytest, when nothing is left to do
                raise SystemExit(f"{suite.name} {mode}: exit status {status}, see {folder}/output")
            break
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "done").write_text(made_for, encoding="ascii")
