# SPDX-License-Identifier: MIT
"""test_libgcc - the series for libgcc is what csrc gives. `make test-libgcc` builds and runs it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.support.process import run

ROOT = Path(__file__).resolve().parents[2]
SERIES = ROOT / "patches" / "gcc"


def refresh(top: Path, *arguments: str, status: int = 0) -> str:
    command: list[str | Path] = [sys.executable, top / "patches" / "gcc" / "refresh.py", *arguments]
    text: str = run(command, status=status).stdout
    return text


def test_the_body_is_what_csrc_gives() -> None:
    refresh(ROOT, "--check")


def test_a_stale_body_is_found(tmp_path: Path) -> None:
    for folder in ("csrc", "patches/gcc"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with (tmp_path / "csrc/nested/order.c").open("a") as file:
        file.write("/* one more line */\n")
    assert "one more line" in refresh(tmp_path, "--check", status=1)
    refresh(tmp_path)
    refresh(tmp_path, "--check")


def test_the_body_touches_no_file_of_gcc() -> None:
    body = (SERIES / "ffi-static-body.patch").read_text()
    changed = re.findall(r"^--- (\S+)\n\+\+\+ b/(\S+)$", body, re.MULTILINE)
    assert len(changed) > 50
    for old, new in changed:
        assert old == "/dev/null"
        assert new.startswith("libgcc/config/ffi-static/")


def test_objects_have_names_of_their_own() -> None:
    """libgcc puts all objects into one folder, named after their sources."""
    body = (SERIES / "ffi-static-body.patch").read_text()
    sources = re.findall(r"^\+\+\+ b/\S+/(\S+\.[cS])$", body, re.MULTILINE)
    assert len(sources) > 20
    assert len(set(sources)) == len(sources)
    assert all(name.startswith("ffi-static-") for name in sources)


def test_no_name_is_left_that_a_program_may_have() -> None:
    body = (SERIES / "ffi-static-body.patch").read_text()
    added = "\n".join(line[1:] for line in body.splitlines() if line.startswith("+"))
    assert re.findall(r"\bfs_[a-z0-9]\w*", added) == []
