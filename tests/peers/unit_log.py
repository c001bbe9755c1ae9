# SPDX-License-Identifier: MIT
"""unit_log - run a unittest suite and write down what became of each test, as it happens.

``python unit_log.py LOG NAME...`` runs packages of tests (``test.test_ctypes``). Each line of LOG
is a JSON object: {"id", "event": "start"} before a test and {"id", "outcome", "why"} after. A test
that ends the interpreter has a start and no outcome. A second run with the same LOG leaves out the
tests that are in LOG. Only the standard library is used, because this runs in every interpreter
under test.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from pathlib import Path
from typing import IO, Any


class Log(unittest.TestResult):
    """A result that writes everything to LOG at once, and keeps nothing."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__()
        self.file = file
        self.outcome, self.why = "passed", ""

    def write(self, **fields: str) -> None:
        self.file.write(json.dumps(fields) + "\n")
        self.file.flush()

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self.outcome, self.why = "passed", ""
        self.write(id=test.id(), event="start")

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        self.write(id=test.id(), outcome=self.outcome, why=self.why)

    def note(self, test: Any, outcome: str, why: str) -> None:
        if isinstance(test, unittest.TestCase):
            self.outcome, self.why = outcome, self.why or why
        else:  # setUpClass and the like: no startTest(), no stopTest()
            self.write(id=test.id(), outcome=outcome, why=why)

    def addError(self, test: Any, err: Any) -> None:
        self.note(test, "error", f"{err[0].__name__}: {err[1]}")

    def addFailure(self, test: Any, err: Any) -> None:
        self.note(test, "failed", f"{err[0].__name__}: {err[1]}")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.note(test, "failed", f"{subtest}: {err[0].__name__}: {err[1]}")

    def addSkip(self, test: Any, reason: str) -> None:
        self.note(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.note(test, "xfailed", "")

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.note(test, "xpassed", "")


def tests(suite: Any) -> Any:
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests(each)
        else:
            yield each


def find_debian_tests(top: str) -> None:
    """Make ctypes.test importable from `top`: Debian has it in a package of its own."""
    import ctypes

    from test import support  # type: ignore[import-not-found]

    ctypes.__path__.append(str(Path(top, "ctypes")))
    support.STDLIB_DIR = top


def main(log: str, *names: str) -> None:
    with Path(log).open("a+", encoding="utf-8") as file:
        file.seek(0)
        if "PEERS_DEBIAN_TESTS" in os.environ:
            find_debian_tests(os.environ["PEERS_DEBIAN_TESTS"])
        done = {json.loads(line)["id"] for line in file}
        loaded = tests(unittest.defaultTestLoader.loadTestsFromNames(names))
        suite = unittest.TestSuite(test for test in loaded if test.id() not in done)
        suite.run(Log(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
