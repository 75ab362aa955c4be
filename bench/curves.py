"""Curves as SVG, small enough to read as text: both axes logarithmic, a line for each series."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from bench.row import Point

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 50
_COLOURS: Final = ("#1f6feb", "#9ec1f7", "#bc4c00", "#f0b88b", "#1a7f37", "#8fd19e")


class _Axis:
    """A logarithmic axis from below the smallest to above the largest power of ten."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        logs = [math.log10(value) for value in values]
        self.low = math.floor(min(logs))
        self.high = max(math.ceil(max(logs)), self.low + 1)
        self._begin = begin
        self._scale = (end - begin) / (self.high - self.low)

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return self._begin + (math.log10(value) - self.low) * self._scale

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def svg(title: str, across: str, up: str, points: Sequence[Point]) -> str:
    """Draw the points of one curve."""
    x = _Axis((p.size for p in points), _LEFT, _WIDTH - _RIGHT)
    y = _Axis((max(p.value, 1e-3) for p in points), _HEIGHT - _BOTTOM, _TOP)
    series: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda p: p.size):
        series.setdefault(point.series, []).append(point)
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    frame = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
        *_grid(x, y),
        _middle((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, across),
        f'<g transform="rotate(-90 16 {middle:g})">{_middle(16, middle, up)}</g>',
    ]
    for number, (name, line) in enumerate(series.items()):
        parts += _line(number, name, line, x, y)
    return "\n".join([*parts, "</svg>", ""])


def _middle(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle">{escape(words)}</text>'


def _grid(x: _Axis, y: _Axis) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts: list[str] = []
    for tick in x.ticks():
        at = f"{x.at(tick):.1f}"
        parts.append(f'<path d="M{at} {_TOP}V{bottom}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{tick:,g}</text>')
    for tick in y.ticks():
        at = f"{y.at(tick):.1f}"
        parts.append(f'<path d="M{_LEFT} {at}H{right}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at}" dy="4" text-anchor="end">{tick:,g}</text>')
    return parts


def _line(number: int, name: str, line: Sequence[Point], x: _Axis, y: _Axis) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    places = [(x.at(p.size), y.at(max(p.value, 1e-3))) for p in line]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [
        f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3" fill="{colour}"/>' for across, up in places
    ]
    row = _TOP + 14 + 16 * number
    parts.append(f'<path d="M{_LEFT + 10} {row - 4}h18" stroke="{colour}" stroke-width="2"/>')
    parts.append(f'<text x="{_LEFT + 34}" y="{row}">{escape(name)}</text>')
    return parts
