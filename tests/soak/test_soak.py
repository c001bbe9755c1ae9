# SPDX-License-Identifier: MIT
"""test_soak - the soak's short form: so many rounds of each thread, plain and hardened

`make soak` is the long form, an hour. Counts decide here, and memory; no time does.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.support.ctests import BUILD, build
from tests.support.process import run

ROUNDS = 700


def soak(*words: str, status: int = 0, harden: str = "0") -> dict[str, Any]:
    """Run it, and give its figures."""
    build("tests-soak")
    library = BUILD / "tests" / "soak" / "rounds.so"
    command = [sys.executable, "-m", "tests.soak", str(library), "--rounds", str(ROUNDS), *words]
    done = run(command, status=status, env={"FFI_STATIC_HARDEN": harden}, timeout=None)
    figures = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    return dict(json.loads(figures))


@pytest.mark.slow
@pytest.mark.parametrize("harden", ["0", "1"])
def test_soak(harden: str) -> None:
    seen = soak(harden=harden)
    assert seen["failures"] == []
    assert len(seen["rounds"]) == 8
    assert set(seen["rounds"].values()) == {ROUNDS}
    assert seen["cycles"] > 0 and seen["all_calls"] > 8 * ROUNDS


@pytest.mark.slow
def test_memory_that_is_kept_is_found() -> None:
    assert soak("--leak", "8192", status=1)["failures"] == []
