# SPDX-License-Identifier: MIT
"""layout - makes the report's lines fit a terminal, and colours the words that matter"""

from __future__ import annotations

import os
import re
import textwrap
from typing import TextIO

WIDTH = 100
_STATES = re.compile(
    r"^(?P<before> {2,}\S.*? {2,}|  )?"
    r"(?:(?P<good>yes|works|served|clean|Healthy)|"
    r"(?P<bad>NO|UNSAFE|FAILS|FOUND|refused|unserved|NOT HEALTHY))\b"
)
_BOLD, _GREEN, _RED, _PLAIN = "\033[1m", "\033[1;32m", "\033[1;31m", "\033[0m"


def fit(line: str, width: int = WIDTH) -> list[str]:
    """Break a line that is too long. What follows stands under the line's last column."""
    if len(line) <= width:
        return [line]
    # The last gap of several spaces before the text is where the last column begins.
    gaps = [match.end() for match in re.finditer(r"(?:^|\S) {2,}(?=\S)", line[: width // 2 + 12])]
    indent = gaps[-1] if gaps else 2
    if line.startswith("  * ") or max(map(len, line.split())) > width - indent:
        indent = 4  # also of a path that is too long for the column
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def colour(line: str) -> str:
    """Colour the state in a line: green for what is well, red for what is not; headings bold."""
    found = _STATES.match(line)
    if found:
        word = found["good"] or found["bad"]
        start, end = found.span("good" if found["good"] else "bad")
        return f"{line[:start]}{_GREEN if found['good'] else _RED}{word}{_PLAIN}{line[end:]}"
    return f"{_BOLD}{line}{_PLAIN}" if line and not line.startswith(" ") else line


def takes_colour(stream: TextIO | None) -> bool:
    """Tell whether `stream` is a terminal that shows colours, and nobody forbids them.

    NO_COLOR with any value but an empty one forbids them (no-color.org).
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()
