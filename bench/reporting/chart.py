# SPDX-License-Identifier: MIT
"""chart - the results as one SVG, written by hand: no library, no fonts, readable in a diff.

Two panels: C calls (times as fast as the system's libffi, more is better) and Python int(int)
(time as a multiple of a hand-written C-API callback, less is better).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .results import OURS

if TYPE_CHECKING:
    from .results import Results

WIDTH, LEFT, RIGHT, BAR, GAP = 860, 300, 70, 16, 8
VALUE_WIDTH = 50
BLUE, GREY, LINE, INK = "#2563eb", "#b8bec9", "#d3d7de", "#1f2937"

Bar = tuple[str, float, str, "float | None"]  # label, value, colour, a mark (the limit)


def _text(
    x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", fill: str = INK
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>'
    )


def _panel(top: int, title: str, bars: list[Bar], one: float) -> tuple[list[str], int]:
    """Draw one panel from ``top``; its elements, and where it ends. ``one`` gets a line."""
    largest = max(max(value, mark or 0) for _, value, _, mark in bars)
    scale = (WIDTH - LEFT - RIGHT) / max(largest, one)
    bottom = top + 34 + len(bars) * (BAR + GAP)
    x_one = LEFT + one * scale
    parts = [
        _text(16, top + 16, title, weight="bold"),
        f'<line x1="{x_one:.1f}" y1="{top + 26}" x2="{x_one:.1f}" y2="{bottom}" stroke="{LINE}"/>',
    ]
    for index, (label, value, colour, mark) in enumerate(bars):
        y = top + 34 + index * (BAR + GAP)
        width = value * scale
        parts.append(_text(LEFT - 8, y + 12, label, "end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        )
        if mark is not None:
            x = LEFT + mark * scale
            parts.append(
                f'<line x1="{x:.1f}" y1="{y - 2}" x2="{x:.1f}" y2="{y + BAR + 2}" '
                f'stroke="{INK}" stroke-width="2"/>'
            )
        parts.append(_value(width, y + 12, f"{value:.2f}x", colour))
    return parts, bottom


def _value(width: float, y: float, text: str, colour: str) -> str:
    """Write a bar's value at its start, inside where it fits.

    At its end it would look like the value of a mark that stands there.
    """
    if width < VALUE_WIDTH:
        return _text(LEFT + width + 6, y, text)
    return _text(LEFT + 6, y, text, fill="#ffffff" if colour == BLUE else INK)


def _c_bars(results: Results) -> list[Bar]:
    bars: list[Bar] = []
    for row in results.c.get("calls", []):
        ours = row["rivals"].get(OURS, {}).get("times_as_fast")
        if ours:
            hand = row["rivals"].get("hand", {}).get("times_as_fast")
            bars.append((row["row"], ours, BLUE, hand))
    mean = results.geometric_mean(OURS)
    if mean and len(bars) > 1:
        bars.append(("geometric mean", mean, BLUE, results.geometric_mean("hand")))
    return bars


def _python_bars(results: Results) -> list[Bar]:
    ratios = results.python_ratios().get("int(int)", {})
    return [
        (rival, ratio, BLUE if rival == results.python_ours else GREY, None)
        for rival, ratio in ratios.items()
    ]


def draw(results: Results, caption: str) -> str:
    """Draw everything that was measured; the caption names the machine."""
    parts: list[str] = []
    top = 12
    for title, bars in (
        (
            "C calls: times as fast as the system's libffi (the dark mark: hand-written C)",
            _c_bars(results),
        ),
        (
            "Python int(int), GIL released: time against a hand-written C-API callback",
            _python_bars(results),
        ),
    ):
        if bars:
            drawn, bottom = _panel(top, title, bars, 1.0)
            parts += drawn
            top = bottom + 24
    if not parts:
        parts.append(_text(16, top + 16, "nothing was measured"))
        top += 40
    parts.append(_text(16, top + 8, caption))
    height = top + 24
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])
