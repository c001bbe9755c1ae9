# SPDX-License-Identifier: MIT
"""suites - which of the peers' suites there are, and one run of one of them.

A run is a folder build/peers/results/SUITE/MODE with `log`, a line per event (see unit_log.py),
`output`, what was printed, and `done`, which says for what the run was made: the stock modes are
run once, the others again when this tree changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .places import PEERS, cffi_source, debian_tests, digest, environment, with_ours

HERE = Path(__file__).resolve().parent
#: (a) to (d): is the drop-in there, and is the policy?
MODES = {
    "stock": (False, False),
    "stock-strict": (False, True),
    "dropin": (True, False),
    "dropin-strict": (True, True),
}
#: How often a suite whose interpreter died is taken up again behind the test that killed it.
DEATHS = 60
#: Seconds without any test ending, after which a run is taken to hang; nothing is measured.
PATIENCE = 1200


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
        env = {"PYTHONPATH": str(HERE), "PEERS_LOG": str(log), "CFLAGS": "-O0 -g0"}
        ini = PEERS / "pytest.ini"  # not ours: cffi's tests are not held to our settings
        ini.write_text("[pytest]\n", encoding="ascii")
        options = ["-c", str(ini), f"--rootdir={source}", "-p", "pytest_log", "-q"]
        options += ["--continue-on-collection-errors"]
        return [str(python), "-m", "pytest", *options, tests], env, source


def results(suite: Suite, mode: str) -> dict[str, tuple[str, str]]:
    """Give what became of each test: {id: (outcome, why)}; one that never ended "crashed"."""
    found: dict[str, tuple[str, str]] = {}
    log = suite.folder(mode) / "log"
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        event = json.loads(line)
        if "outcome" in event:
            found[event["id"]] = (event["outcome"], event["why"])
        else:
            found.setdefault(event["id"], ("crashed", ""))
    return found


def crashed(suite: Suite, mode: str) -> int:
    return sum(outcome == "crashed" for outcome, _ in results(suite, mode).values())


def state(suite: Suite, mode: str) -> str:
    """Whether the run is there: "done", "not run", or "of another tree" than this."""
    done = suite.folder(mode) / "done"
    if not done.exists():
        return "not run"
    wanted = digest() if MODES[mode][0] else "stock"
    return "done" if done.read_text(encoding="ascii") == wanted else "of another tree"


def perform(suite: Suite, mode: str) -> None:
    """Run one suite in one mode from its beginning."""
    ours, strict = MODES[mode]
    made_for = digest() if ours else "stock"
    python = with_ours(suite.python, suite.cffi) if ours else environment(suite.python, suite.cffi)
    folder = suite.folder(mode)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    command, env, where = suite.command(python, folder / "log")
    if strict:
        command = strict_command(command)
    env = {**clean_environment(folder / "tmp"), **env}
    if ours:
        env["FFI_STATIC_INSTALL"] = "require"
    for _ in range(DEATHS):
        before = crashed(suite, mode)
        status = once(command, env, where, folder)
        if crashed(suite, mode) == before:
            if status not in (0, 1, 5):  # 5: pytest, when nothing is left to do
                raise SystemExit(f"{suite.name} {mode}: exit status {status}, see {folder}/output")
            break
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "done").write_text(made_for, encoding="ascii")


def strict_command(command: list[str]) -> list[str]:
    return [sys.executable, str(HERE / "strict.py"), *command]


def clean_environment(tmp: Path) -> dict[str, str]:
    """Give the environment without what would make one run unlike another."""
    ours = ("FFI_STATIC_", "PYTHON", "PEERS_")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**clean, "TMPDIR": str(tmp)}


def once(command: list[str], env: dict[str, str], where: Path, folder: Path) -> int:
    """Run the suite until it ends or hangs; give the exit status."""
    log = folder / "log"
    with (folder / "output").open("a", encoding="utf-8") as output:
        child = subprocess.Popen(
            command,
            env=env,
            cwd=where,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        size, since = -1, time.monotonic()
        while child.poll() is None:
            time.sleep(0.2)
            now = log.stat().st_size if log.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                output.write(f"\npeers: nothing for {PATIENCE} s, killed\n")
                os.killpg(child.pid, 9)
        return child.wait()
