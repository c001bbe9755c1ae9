# SPDX-License-Identifier: MIT
"""conftest - builds the parts, runs each race once, and shows how far it is."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from callbench import build, child, laps, rivals
from callbench.workloads import WORKLOADS, Caller

SHARE_OF_CHILD = 0.35  # of a workload's time; four rivals race there, six in the parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options: where to build, how long to measure."""
    group = parser.getgroup("callback benchmark")
    group.addoption("--build-dir", type=Path, default=build.ROOT / "build", help="build tree")
    group.addoption(
        "--race-seconds", type=float, default=5.0, help="seconds to measure each workload (5)"
    )


class Races:
    """Runs each workload's race when its first rival is asked for, and remembers the laps."""

    def __init__(self, config: pytest.Config) -> None:
        """Build whatever is missing. Raises build.BuildError for the parts that must be there."""
        self._build_dir: Path = config.getoption("--build-dir").resolve()
        self._seconds: float = config.getoption("--race-seconds")
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self._laps: dict[tuple[str, str], laps.Lap] = {}
        self._raced: set[tuple[str, bool]] = set()
        self.not_measured: dict[str, str] = {}
        self._parts = build.parts(self._build_dir)
        self._say("building the C caller and the hand-written callback")
        build.build_c_parts(self._parts)
        self.caller = Caller(self._parts)
        self._no_source_cffi = self._build_cffi()

    def lap(self, workload: str, rival: str) -> laps.Lap:
        """Give the lap of one rival; skip the test, with the reason, where it cannot be run."""
        in_child = rival in rivals.names_with_source_cffi()
        if in_child and self._no_source_cffi:
            self.not_measured[rival] = self._no_source_cffi
            pytest.skip(self._no_source_cffi)
        if (workload, in_child) not in self._raced:
            self._raced.add((workload, in_child))
            self._race(workload, in_child)
        lap = self._laps.get((workload, rival))
        if lap is None:
            pytest.fail(f"the race of {workload!r} failed; see its first rival")
        return lap

    def _race(self, workload: str, in_child: bool) -> None:
        number = list(WORKLOADS).index(workload) + 1
        where = "cffi from source, in a child" if in_child else "all in one process"
        self._say(f"[{number}/{len(WORKLOADS)}] {workload}: {where}")
        if in_child:
            found = child.race(self._build_dir, workload, self._seconds * SHARE_OF_CHILD)
        else:
            entrants = rivals.installed(self._parts)
            seconds = self._seconds * (1 - SHARE_OF_CHILD)
            found = laps.race(self.caller, WORKLOADS[workload], entrants, seconds)
        for lap in found:
            self._laps.setdefault((workload, lap.rival), lap)

    def _build_cffi(self) -> str:
        """Build cffi from source; the reason why not, or an empty string."""
        self._say(f"building cffi {build.cffi_version()} from its source (once)")
        try:
            build.build_cffi(self._parts)
        except build.BuildError as error:
            return str(error)
        return ""

    def _say(self, line: str) -> None:
        """Show the progress line; on a terminal it replaces the one before."""
        if self._terminal is None:
            return
        capture = self._capture.global_and_fixture_disabled if self._capture else nullcontext
        with capture():
            if self._terminal.isatty:
                self._terminal.rewrite(f"  {line} ...", erase=True)
            else:
                self._terminal.ensure_newline()
                self._terminal.write_line(f"  {line}", flush=True)


RACES = pytest.StashKey[Races]()


@pytest.fixture(scope="session")
def races(request: pytest.FixtureRequest) -> Races:
    """Give the races of this session."""
    found = Races(request.config)
    request.config.stash[RACES] = found
    return found


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Write beside the results what the report needs to name, and what was not measured."""
    found = config.stash.get(RACES, None)
    output_json["callbench"] = {
        "reference": rivals.REFERENCE,
        "ours": rivals.OURS,
        "cffi": f"{build.cffi_version()} ({build.cffi_kind()})",
        "not_measured": found.not_measured if found else {},
    }


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Print no dots for what passed here: the progress line says where we are."""
    if report.when == "call" and report.passed and "test_callback[" in report.nodeid:
        return "passed", "", "PASSED"
    return None
