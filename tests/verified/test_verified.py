# SPDX-License-Identifier: MIT
"""test_verified - what run.py takes for right. Its own run needs roots: `make test-verified`."""

from __future__ import annotations

import pytest

from tests.support.machine import Job
from tests.verified.run import ON_FILES, ON_POLICIES, WRONG, Try, attacks, free, judge, mistaken

NOTHING = (
    "witness: 3 looks, 1 stops; the fullest saw 3 processes and 7 executable mappings: "
    "4 of text, 3 of the vdso, 0 of trampfd, 0 else"
)
ONE = NOTHING.replace("0 else", "1 else")
SEEN = "witness: attacks has r-xp memory of no file"
REFUSED = Try("attack: heap", "/witness /attacks heap", "heap: refused: .*")
DONE = next(each for each in free() if each.what == "attack: heap")


@pytest.mark.parametrize(
    ("wanted", "status", "said", "good"),
    [
        (REFUSED, 0, ["heap: refused: Permission denied", NOTHING], True),
        (REFUSED, 0, ["heap: done", NOTHING], False),
        (REFUSED, 0, ["heap: refused: Permission denied"], False),  # nobody looked
        (REFUSED, 0, ["heap: refused: Permission denied", ONE], False),
        (REFUSED, WRONG, ["heap: refused: Permission denied", SEEN, ONE], False),
        (REFUSED, None, [], False),
        (DONE, WRONG, ["heap: done", SEEN, ONE], True),
        (DONE, 1, ["heap: done", NOTHING], False),  # the witness was blind
        (DONE, WRONG, ["heap: refused: Permission denied", SEEN, ONE], False),
    ],
)
def test_only_what_was_wanted_is_right(
    wanted: Try, status: int | None, said: list[str], good: bool
) -> None:
    job = Job(wanted.words, 60, status=status, output=said)
    assert judge([wanted], [job]) == good


def test_each_attack_is_of_one_kind() -> None:
    assert set(attacks()) > ON_FILES | ON_POLICIES
    assert not ON_FILES & ON_POLICIES
    assert len(free()) == len(attacks()) - len(ON_POLICIES) + 5
    assert len(mistaken()) == 1
