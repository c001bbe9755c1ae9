# SPDX-License-Identifier: MIT
"""test_cfi - what run.py takes for right. Its own runs need roots: they are `make test-cfi`."""

from __future__ import annotations

import pytest

from tests.cfi.run import SEGV, STACK, Try, judge, one, serves

CAUGHT = one("ours", STACK, "file", "return", SEGV)
(CALLS, *_) = serves("ours", STACK, "file", rows=18, hops=9)


@pytest.mark.parametrize(
    ("wanted", "status", "said", "good"),
    [
        (CAUGHT, 3, "file: signal 11 code 10\n", True),
        (CAUGHT, 0, "file: unnoticed\n", False),
        (CAUGHT, 3, "text: signal 11 code 10\n", False),
        (CAUGHT, 3, "file: signal 11 code 1\n", False),  # another fault
        (CALLS, 0, "file: 600 of 600 calls\n", True),
        (CALLS, 1, "file: 599 of 600 calls\n", False),
        (CALLS, 5, "file: 600 of 600 calls\nnot enforced any more\n", False),
        (CALLS, 3, "file: signal 11 code 10\n", False),
        (CALLS, 4, "file: the kernel does not enforce it\n", False),
        (CALLS, None, "", False),  # it never ended
    ],
)
def test_only_what_was_wanted_is_right(
    wanted: Try, status: int | None, said: str, good: bool
) -> None:
    assert judge([wanted], [(status, said)]) == good
