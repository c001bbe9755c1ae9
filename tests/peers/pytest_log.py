# SPDX-License-Identifier: MIT
"""pytest_log - a pytest plugin that writes down what became of each test, as it happens.

``PEERS_LOG=file pytest -p pytest_log ...``. The file has the lines that unit_log.py describes.
Tests that are in the file already are left out. A file of tests that could not be collected is one
"test".
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LOG = Path(os.environ["PEERS_LOG"])
#: The worst of a test's three phases counts.
WORSE = {"passed": 0, "xfailed": 1, "skipped": 1, "xpassed": 1, "failed": 2, "error": 3}

outcomes: dict[str, tuple[str, str]] = {}


def write(**fields: str) -> None:
    with LOG.open("a", encoding="utf-8") as file:
        file.write(json.dumps(fields) + "\n")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    done = set()
    if LOG.exists():
        done = {json.loads(line)["id"] for line in LOG.read_text(encoding="utf-8").splitlines()}
    items[:] = [item for item in items if item.nodeid not in done]


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        write(id=f"{report.nodeid} (collection)", outcome="error", why=last_line(report))


def pytest_runtest_logstart(nodeid: str) -> None:
    write(id=nodeid, event="start")


def pytest_runtest_logreport(report: Any) -> None:
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xpassed" if report.passed else "xfailed"
    elif report.failed and report.when != "call":
        outcome = "error"
    before = outcomes.get(report.nodeid, ("passed", ""))
    if WORSE[outcome] > WORSE[before[0]]:
        outcomes[report.nodeid] = (outcome, last_line(report))


def pytest_runtest_logfinish(nodeid: str) -> None:
    outcome, why = outcomes.pop(nodeid, ("passed", ""))
    write(id=nodeid, outcome=outcome, why=why)


def last_line(report: Any) -> str:
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
    lines = (crash or report.longreprtext).strip().splitlines()
    return lines[0 if crash else -1] if lines else ""
