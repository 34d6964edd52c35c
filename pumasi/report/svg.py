"""Small plots of counts as inline SVG: bars, a line, a pyramid.

No library, no script, no colour alone.

They are drawn 340 units wide, which is a phone's width: text keeps its size, and a wide screen
shows several beside each other. Every function takes what is drawn and says nothing of persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 30

_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)

# A bar or a point: position, and its height; None is drawn as a gap.
Point = tuple[float, float | None]


def line(points: Sequence[Point], labels: Sequence[str], alt: str, unit: str) -> str:
    """A line over equally distant points, interrupted where there is none; `labels` by point."""
    top = whole(max((y for _, y in points if y is not None), default=0))
    step = _width() / max(len(points) - 1, 1)
    runs: list[list[str]] = [[]]
    for i, (_, y) in enumerate(points):
        if y is None:
            runs.append([])
        else:
            runs[-1].append(f"{_LEFT + i * step:.1f},{_y(y, top):.1f}")
    drawn = "".join(_run(run) for run in runs if run)
    count = min(4, len(labels))
    chosen = [round(i * (len(labels) - 1) / max(count - 1, 1)) for i in range(count)]
    ticks = [(_LEFT + i * step, labels[i]) for i in dict.fromkeys(chosen)]
    return _svg(_axes(top, ticks, unit) + drawn, alt)


def bars(points: Sequence[Point], edges: tuple[float, float], alt: str, unit: str) -> str:
    """Bars of equal width between two edges; a bar that is None is left out."""
    top = whole(max((y for _, y in points if y is not None), default=0))
    width = _width() / max(len(points), 1)
    drawn = "".join(
        f'<rect class="bar" x="{_LEFT + i * width + 0.5:.1f}" y="{_y(y, top):.1f}" '
        f'width="{max(width - 1, 0.8):.1f}" height="{_y(0, top) - _y(y, top):.1f}"/>'
        for i, (_, y) in enumerate(points)
        if y is not None
    )
    low, high = edges
    middle = (low + high) / 2
    ticks = [
        (_LEFT, number(low)),
        (_LEFT + _width() / 2, number(middle)),
        (WIDTH - _RIGHT, number(high)),
    ]
    return _svg(_axes(top, ticks, unit) + drawn, alt)


def pyramid(
    left: Sequence[float | None],
    right: Sequence[float | None],
    labels: Sequence[str],
    names: tuple[str, str],
    alt: str,
) -> str:
    """Two sets of horizontal bars back to back, the last label on top."""
    height = 16
    total = height * len(labels) + 36
    top = whole(max((x for x in (*left, *right) if x is not None), default=0))
    half = (WIDTH - 48) / 2
    parts = [
        f'<text x="{half / 2:.0f}" y="12" class="mid">{escape(names[0])}</text>'
        f'<text x="{half + 48 + half / 2:.0f}" y="12" class="mid">{escape(names[1])}</text>'
    ]
    for row, label in enumerate(reversed(labels)):
        i, y = len(labels) - 1 - row, 18 + row * height
        parts.append(f'<text x="{half + 24:.0f}" y="{y + 12}" class="mid">{escape(label)}</text>')
        for value, side in ((left[i], "left"), (right[i], "right")):
            if value is not None:
                width = half * value / top if top else 0
                x = half - width if side == "left" else half + 48
                parts.append(
                    f'<rect class="{"bar" if side == "left" else "bar two"}" x="{x:.1f}" y="{y}" '
                    f'width="{width:.1f}" height="{height - 2}"/>'
                )
    foot = 18 + height * len(labels) + 13
    parts.append(
        f'<text x="0" y="{foot}">{number(top)}</text>'
        f'<text x="{half + 24:.0f}" y="{foot}" class="mid">0</text>'
        f'<text x="{WIDTH}" y="{foot}" class="end">{number(top)}</text>'
    )
    return _svg("".join(parts), alt, total)


# Label, and estimate with lower and upper limit of each of the things compared; None if not known.
Compared = tuple[str, Sequence[tuple[float, float, float] | None]]
_MARKS = ("square", "dot")
# Letters of a label that fit into the width.
LABEL = 50


def forest(rows: Sequence[Compared], edges: tuple[float, float], alt: str, unit: str) -> str:
    """Estimates with their intervals below each label, those compared: square, then dot."""
    low, high = edges
    left, gap = 16, 44

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return left + share * (WIDTH - left - _RIGHT)

    parts, height = [], _TOP + gap * len(rows) + _BOTTOM
    for value in (low, (low + high) / 2, high):
        parts.append(
            f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_TOP}" '
            f'y2="{height - _BOTTOM}"/><text class="mid" x="{x(value) - 4:.1f}" '
            f'y="{height - _BOTTOM + 13}">{number(value)}</text>'
        )
    for place, (label, compared) in enumerate(rows):
        y = _TOP + gap * place + 20
        parts.append(f'<text x="0" y="{y - 9:.1f}">{escape(label)}</text>')
        for mark, each in zip(_MARKS, compared, strict=False):
            if each is not None:
                parts.append(_interval(mark, [x(value) for value in each], y))
                y += 10
    parts.append(
        f'<text x="{(left + WIDTH) / 2:.0f}" y="{height - 4}" class="mid unit">'
        f"{escape(unit)}</text>"
    )
    return _svg("".join(parts), alt, height)


def _interval(mark: str, at: Sequence[float], y: float) -> str:
    estimate, lower, upper = at
    line = f'<line class="line" x1="{lower:.1f}" x2="{upper:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    if mark == "square":
        return (
            f'{line}<rect class="bar" x="{estimate - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
        )
    return f'{line}<circle class="two" cx="{estimate:.1f}" cy="{y:.1f}" r="4"/>'


def calibration(points: Sequence[tuple[float, float, float, float]], alt: str) -> str:
    """Observed share with its interval by predicted risk, and the line on which they are equal.

    A point is risk, observed, lower and upper limit.
    """
    top = nice(max(max(each) for each in points))

    def x(value: float) -> float:
        return _LEFT + value / top * _width()

    drawn = [
        f'<line class="unit" stroke="#57606a" stroke-dasharray="4 4" x1="{x(0):.1f}" '
        f'y1="{_y(0, top):.1f}" x2="{x(top):.1f}" y2="{_y(top, top):.1f}"/>'
    ]
    for risk, observed, lower, upper in points:
        drawn.append(
            f'<line class="line" x1="{x(risk):.1f}" x2="{x(risk):.1f}" y1="{_y(lower, top):.1f}" '
            f'y2="{_y(upper, top):.1f}"/>'
            f'<circle class="dot" cx="{x(risk):.1f}" cy="{_y(observed, top):.1f}" r="3.5"/>'
        )
    ticks = [(x(share * top), number(share * top)) for share in (0, 0.5, 1)]
    return _svg(_axes(top, ticks, "predicted risk") + "".join(drawn), alt)


def number(value: float) -> str:
    """A number as it is read: 1,200; 12.5; 0.031."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def nice(value: float) -> float:
    """The next round number that is not below the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in _STEPS if step * power >= value * (1 - 1e-12))


def whole(value: float) -> float:
    """The same for a count: its half, at which the axis has a line, is a whole number too."""
    top = nice(max(value, 2))
    return top + top % 2


def _run(points: Sequence[str]) -> str:
    """Points that follow each other; a single one is a dot."""
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle class="dot" cx="{x}" cy="{y}" r="1.5"/>'
    return f'<polyline class="line" points="{" ".join(points)}"/>'


def _axes(top: float, ticks: Sequence[tuple[float, str]], unit: str) -> str:
    base = HEIGHT - _BOTTOM
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share * top, top)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" class="end">{number(share * top)}</text>'
        )
    for x, label in ticks:
        at = "start" if x < _LEFT + 10 else "end" if x > WIDTH - 30 else "mid"
        parts.append(f'<text x="{x:.1f}" y="{base + 13}" class="{at}">{escape(label)}</text>')
    parts.append(
        f'<text x="{_LEFT + _width() / 2:.0f}" y="{HEIGHT - 4}" class="mid unit">'
        f"{escape(unit)}</text>"
    )
    return "".join(parts)


def _width() -> float:
    return WIDTH - _LEFT - _RIGHT


def _y(value: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _svg(content: str, alt: str, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(alt, quote=True)}">'
        f"{content}</svg>"
    )
