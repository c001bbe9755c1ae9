# SPDX-License-Identifier: MIT
"""chart - the results as one SVG, written by hand: no library, no fonts, readable in a diff.

Panels: C calls, and making and freeing closures (times as fast as the system's libffi: more is
better); memory per closure, and Python int(int) (less is better). Our own bars are blue. What was
not measurable is drawn pale, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from .results import OURS, PATCHED, UPSTREAM

if TYPE_CHECKING:
    from .results import Cells, Results

WIDTH, LEFT, RIGHT, BAR, THIN, GAP = 860, 300, 70, 14, 5, 8
VALUE_WIDTH = 50
BLUE, TEAL, GREY, LINE, INK = "#2563eb", "#0d9488", "#b8bec9", "#7b8494", "#1f2937"
LEGEND = ((BLUE, "ffi_static"), (TEAL, "patched libffi"), (GREY, "upstream libffi"))
WORDS = {"replace": "alloc+prep+free", "drain": "all freed, all made", "calls": "calls"}


@dataclass(frozen=True)
class Bar:
    """One row: a thick bar, thin ones below, and perhaps a mark: the limit."""

    label: str
    value: float
    colour: str = BLUE
    mark: float | None = None
    thin: list[tuple[float, str]] = field(default_factory=list)
    sure: bool = True

    @property
    def largest(self) -> float:
        """The furthest that anything of the row reaches."""
        return max(self.value, self.mark or 0, *(value for value, _ in self.thin), 0)

    @property
    def height(self) -> int:
        """In pixels, without the gap."""
        return BAR + THIN * len(self.thin)


@dataclass(frozen=True)
class Panel:
    """A title, the rows, and the value that gets a named line."""

    title: str
    bars: list[Bar]
    one: float | None
    one_name: str
    form: str = "{:.2f}x"
    cut: float = float("inf")


def _text(
    x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", fill: str = INK
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>'
    )


def _rect(y: float, width: float, height: int, colour: str, *, sure: bool = True) -> str:
    pale = "" if sure else ' fill-opacity="0.3"'
    return (
        f'<rect x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{height}" fill="{colour}"'
        f"{pale}/>"
    )


def _line(x: float, top: float, bottom: float, colour: str, width: int) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{top:.0f}" x2="{x:.1f}" y2="{bottom:.0f}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )


def _panel(top: int, panel: Panel) -> tuple[list[str], int]:
    """Draw one panel from ``top``; give its elements, and where it ends."""
    largest = min(max(bar.largest for bar in panel.bars), panel.cut)
    scale = (WIDTH - LEFT - RIGHT) / max(largest, panel.one or 0)
    y = top + 40
    bottom = y + sum(bar.height + GAP for bar in panel.bars)
    parts = [_text(16, top + 16, panel.title, weight="bold")]
    if panel.one is not None:
        x = LEFT + panel.one * scale
        parts += [_line(x, top + 36, bottom, LINE, 1), _text(x + 4, top + 34, panel.one_name)]
    for bar in panel.bars:
        parts.append(_text(LEFT - 8, y + 11, bar.label, "end"))
        width = min(bar.value, largest) * scale
        parts.append(_rect(y, width, BAR, bar.colour, sure=bar.sure))
        for i, (value, colour) in enumerate(bar.thin):
            at = y + BAR + i * THIN
            parts.append(_rect(at, min(value, largest) * scale, THIN - 1, colour, sure=bar.sure))
        if bar.mark is not None:  # dark on a white edge, so that it is seen on a bar
            x = LEFT + bar.mark * scale
            parts += [_line(x, y - 2, y + BAR + 2, "#ffffff", 5)]
            parts += [_line(x, y - 2, y + BAR + 2, INK, 2)]
        said = panel.form.format(bar.value) + ("" if bar.sure else " (not measurable)")
        parts.append(_value(width, y + 11, said, bar))
        y += bar.height + GAP
    return parts, bottom


def _value(width: float, y: float, text: str, bar: Bar) -> str:
    """Write a bar's value at its start, inside where it fits.

    At its end it would look like the value of a mark that stands there.
    """
    if width < VALUE_WIDTH:
        return _text(LEFT + max(width, bar.mark or 0) + 6, y, text)
    white = bar.colour == BLUE and bar.sure
    return _text(LEFT + 6, y, text, fill="#ffffff" if white else INK)


def _row(results: Results, label: str, cells: Cells) -> Bar | None:
    def fast(name: str) -> float | None:
        return cells.get(name, {}).get("times_as_fast")

    ours = fast(OURS)
    if not ours:
        return None
    thin = [
        (value, colour) for n, colour in ((PATCHED, TEAL), (UPSTREAM, GREY)) if (value := fast(n))
    ]
    return Bar(label, ours, mark=fast("hand"), thin=thin, sure=results.is_measurable(cells))


def _calls(results: Results) -> list[Bar]:
    rows = [_row(results, row["row"], row["rivals"]) for row in results.c.get("calls", [])]
    bars = [bar for bar in rows if bar]
    mean = results.geometric_mean(OURS)
    if mean and len(bars) > 1:
        means = [
            (results.geometric_mean(n), colour) for n, colour in ((PATCHED, TEAL), (UPSTREAM, GREY))
        ]
        thin = [(value, colour) for value, colour in means if value]
        bars.append(Bar("geometric mean", mean, mark=results.geometric_mean("hand"), thin=thin))
    return bars


def _live(results: Results) -> list[Bar]:
    rows = [
        _row(results, f"{WORDS[r['what']]}, {r['order']}, {int(r['live']):,} live", r["rivals"])
        for r in results.c.get("live", [])
    ]
    return [bar for bar in rows if bar]


def _memory(results: Results) -> list[Bar]:
    bars = []
    for row in results.c.get("memory", []):
        for name in (results.baseline, OURS, PATCHED):
            value = row["rivals"].get(name, {}).get("pss_bytes")
            if value:
                label = {results.baseline: "system libffi", OURS: "ffi_static"}.get(name, name)
                colour = {OURS: BLUE, PATCHED: TEAL}.get(name, GREY)
                bars.append(Bar(f"{label}, {int(row['live']):,} live", value, colour))
    return bars


def _python(results: Results) -> list[Bar]:
    ratios = results.python_ratios().get("int(int)", {})
    ours = results.python_ours
    return [
        Bar(rival, ratio, BLUE if rival.startswith(ours) else GREY)
        for rival, ratio in ratios.items()
    ]


def _legend(y: int) -> list[str]:
    parts, x = [], 16
    for colour, name in LEGEND:
        parts.append(f'<circle cx="{x + 5}" cy="{y - 4}" r="5" fill="{colour}"/>')
        parts.append(_text(x + 16, y, name))
        x += 130
    return [*parts, _line(x + 5, y - 12, y + 2, INK, 2), _text(x + 16, y, "written by hand in C")]


def draw(results: Results, caption: str, *, calls_only: bool = False) -> str:
    """Draw everything that was measured, or the first panel; the caption names the machine."""
    system = "the system's libffi = 1x"
    panels = (
        Panel("C calls: times as fast, more is better", _calls(results), 1, system),
        Panel(
            "Making and freeing, and calls of many: times as fast, more is better",
            _live(results),
            1,
            system,
            cut=10,
        ),
        Panel("Memory per closure, bytes: less is better", _memory(results), None, "", "{:.0f} B"),
        Panel(
            "Python int(int), GIL released: time, less is better",
            _python(results),
            1,
            f"{results.python_reference} = 1x",
        ),
    )
    parts: list[str] = _legend(24)
    top = 36
    for panel in panels[:1] if calls_only else panels:
        if panel.bars:
            drawn, bottom = _panel(top, panel)
            parts += drawn
            top = bottom + 16
    if top == 36:
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
