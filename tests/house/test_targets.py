# SPDX-License-Identifier: MIT
"""test_targets - the page of `make test-targets` has every target, and no failure"""

from __future__ import annotations

import pytest

from tests.house.targets import PAGE, begins_with_setup, cell_of_root, cell_of_user, rows, targets


def test_page_has_a_row_for_each_target_and_no_failure() -> None:
    table = rows()
    assert [t for t in targets() if t not in table] == []
    assert "**status" not in PAGE.read_text(encoding="utf-8")
    assert [t for t, cells in table.items() if not cells[-1]] == [], "tried by no user"


@pytest.mark.parametrize(
    ("status", "log"),
    [
        (2, "/bin/bash: line 1: python3: command not found\nmake: *** [Makefile:1: x] Error 127"),
        (2, "install: cannot create directory '/usr/src/x': Permission denied"),
        (2, "Traceback (most recent call last):\nAs root: apt-get install python3"),
        (1, "As root: apt-get install --no-install-recommends gcc"),
        (2, ""),
    ],
)
def test_what_helps_no_user_is_a_failure(status: int, log: str) -> None:
    cell, good = cell_of_user(status, log)
    assert not good
    assert cell.startswith(f"**status {status}**: ")


def test_advice_is_none() -> None:
    log = "these are missing:\nAs root: apt-get install --no-install-recommends gcc xz-utils"
    assert cell_of_user(2, log) == ("says: gcc, xz-utils", True)
    assert cell_of_user(0, "")[1]
    assert cell_of_root(0, 150, 36, "") == ("2 min, 36 packages", True)
    assert not cell_of_root(2, 150, 36, "E: no such package")[1]


def test_only_what_told_a_user_to_set_up_begins_after_setup() -> None:
    table = {
        "docs": ["", "", "says: what `setup` says"],
        "libffi": ["", "", "says: quilt"],
        "setup": ["", "", "says: gcc"],
        "help": ["", "", "works"],
    }
    assert [t for t in (*table, "new") if begins_with_setup(t, table)] == ["docs"]
