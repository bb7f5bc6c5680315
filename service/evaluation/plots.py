"""Plots as SVG text: lines over a logarithmic axis, histograms and bars."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 520, 300
_LEFT, _BOTTOM, _TOP, _RIGHT = 52, 40, 24, 170
_COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#8a5a9e", "#c98a1b", "#555555")
_BINS = 24


def curves(title: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], x_name: str, y_name: str) -> str:
    """Lines with y in [0, 1] over positive x on a logarithmic axis."""
    low, high = np.log10(x[0]), np.log10(x[-1])
    place = [_across((np.log10(value) - low) / (high - low)) for value in x]
    drawn = []
    for (name, line), colour in zip(lines.items(), _cycled(len(lines)), strict=True):
        points = " ".join(f"{px:.1f},{_up(value):.1f}" for px, value in zip(place, line, strict=True))
        drawn.append(_line(name, points, colour))
    ticks = [(_across((e - low) / (high - low)), f"1e{e}") for e in range(round(low), round(high) + 1)]
    return _frame(title, drawn, ticks, [(0, "0"), (0.5, "0.5"), (1, "1")], x_name, y_name, list(lines))


def histograms(title: str, groups: Mapping[str, Sequence[float]], x_name: str, marks: Mapping[str, float]) -> str:
    """Shares of each group by value, as steps; ``marks`` are vertical lines."""
    everything = [value for values in groups.values() for value in values] + list(marks.values())
    low = min(everything)
    edges = np.linspace(low, max([*everything, low + 1e-6]), _BINS + 1)
    shares = {name: np.histogram(values, edges)[0] / max(len(values), 1) for name, values in groups.items()}
    top = max(float(share.max()) for share in shares.values()) or 1.0
    drawn = []
    for (name, share), colour in zip(shares.items(), _cycled(len(shares)), strict=True):
        points = []
        for left, value in enumerate(share):
            points += [
                f"{_across(left / _BINS):.1f},{_up(value / top):.1f}",
                f"{_across((left + 1) / _BINS):.1f},{_up(value / top):.1f}",
            ]
        drawn.append(_line(name, " ".join(points), colour))
    span = edges[-1] - edges[0]
    for name, value in marks.items():
        px = _across((value - edges[0]) / span)
        drawn.append(
            f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{_TOP}" y2="{_up(0)}" stroke="#999" stroke-dasharray="4"/>'
        )
        drawn.append(f'<text x="{px + 3:.1f}" y="{_TOP + 10}" font-size="9" fill="#666">{escape(name)}</text>')
    ticks = [(_across(i / 4), f"{edges[0] + span * i / 4:.3g}") for i in range(5)]
    return _frame(title, drawn, ticks, [(0, "0"), (1, f"{top:.2f}")], x_name, "share", list(groups))


def bars(title: str, values: Mapping[str, float], x_name: str) -> str:
    """One bar for each value, all of them positive."""
    longest, height = max(values.values()), 1 / (2 * len(values))
    drawn = []
    for row, (value, colour) in enumerate(zip(values.values(), _cycled(len(values)), strict=True)):
        top, right = _up(1 - (2 * row + 0.5) * height), _across(value / longest)
        drawn.append(
            f'<rect x="{_LEFT}" y="{top:.1f}" width="{right - _LEFT:.1f}" height="{_up(0) - _up(height):.1f}" '
            f'fill="{colour}"><title>{value:.3g}</title></rect>'
        )
    ticks = [(_across(i / 4), f"{longest * i / 4:.3g}") for i in range(5)]
    return _frame(title, drawn, ticks, [], x_name, "", list(values))


def _frame(
    title: str,
    drawn: Sequence[str],
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    x_name: str,
    y_name: str,
    names: Sequence[str],
) -> str:
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" font-family="sans-serif" font-size="11">',
        f'<text x="{_LEFT}" y="14" font-size="13">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_up(0)}H{_across(1)}" fill="none" stroke="#333"/>',
        *(f'<text x="{px:.1f}" y="{_up(0) + 14}" text-anchor="middle">{label}</text>' for px, label in across),
        *(f'<text x="{_LEFT - 6}" y="{_up(value) + 4:.1f}" text-anchor="end">{label}</text>' for value, label in up),
        f'<text x="{_across(0.5)}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>',
        f'<g transform="rotate(-90 12 {_up(0.5)})"><text x="12" y="{_up(0.5)}">{escape(y_name)}</text></g>',
        *drawn,
    ]
    for row, (name, colour) in enumerate(zip(names, _cycled(len(names)), strict=True)):
        y = _TOP + 12 + 15 * row
        parts.append(f'<rect x="{_across(1) + 10}" y="{y - 8}" width="10" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{_across(1) + 25}" y="{y - 2}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _line(name: str, points: str, colour: str) -> str:
    named = f"<title>{escape(name)}</title>"
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2">{named}</polyline>'


def _across(share: float) -> float:
    return _LEFT + float(share) * (_WIDTH - _LEFT - _RIGHT)


def _up(share: float) -> float:
    return _HEIGHT - _BOTTOM - float(share) * (_HEIGHT - _BOTTOM - _TOP)


def _cycled(count: int) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(count)]
