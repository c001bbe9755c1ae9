# SPDX-License-Identifier: MIT
"""page - the part of a document that a program writes: what stands between two marks

The marks are lines of the document, `<!-- NAME: begin ... -->` and `<!-- NAME: end -->`.
"""

from __future__ import annotations

from pathlib import Path


def replace_between(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of that name; ValueError when they are not there once each."""
    old = page.read_text(encoding="utf-8")
    lines = old.splitlines(keepends=True)
    begins = [i for i, line in enumerate(lines) if line.startswith(f"<!-- {name}: begin")]
    ends = [i for i, line in enumerate(lines) if line.startswith(f"<!-- {name}: end")]
    if len(begins) != 1 or len(ends) != 1 or begins > ends:
        raise ValueError(f"{page.name} needs one <!-- {name}: begin --> and, after it, one end")
    (begin,), (end,) = begins, ends
    new = [*lines[: begin + 1], text.rstrip("\n") + "\n", *lines[end:]]
    page.write_text("".join(new), encoding="utf-8")
