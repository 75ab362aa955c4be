"""A timeline as SVG, and as a page around it: nothing in it is loaded from anywhere."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from html import escape
from typing import Final

from noljima.cli import clocks
from noljima.cli.columns import harmless
from noljima.cli.lanes import Scale
from noljima.control.messages import Bar, Bars, Gantt
from noljima.model.amounts import gpus

_WIDTH: Final = 1200
_LEFT: Final = 80
_TOP: Final = 30
_LANE: Final = 24
_TICKS: Final = 8
_LETTER: Final = 7
_OPACITY: Final = {"ran": 0.35, "runs": 1.0, "guest": 0.75, "reserved": 0.5, "expected": 0.25}


def svg(answer: Bars, question: Gantt) -> str:
    """Draw a timeline."""
    scale = Scale(answer, question, _WIDTH - _LEFT)
    seen = [bar for bar in answer.bars if scale.shows(bar)]
    waiting = sorted((bar for bar in seen if bar.gpu is None), key=lambda bar: bar.begin_s)
    lanes = answer.gpus + len(waiting)
    height = _TOP + lanes * _LANE + 10
    now = _LEFT + scale.column(answer.now_s)
    box = f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box}>',
        f"<title>GPUs at {escape(clocks.at(answer.now_s, answer.now_s))}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *_axis(scale, height),
        *(_label(number, f"GPU {number}") for number in range(answer.gpus)),
        *(_bar(bar, bar.gpu, scale) for bar in seen if bar.gpu is not None),
    ]
    for place, bar in enumerate(waiting, answer.gpus):
        parts += [_label(place, gpus(bar.gpu_milli)), _bar(bar, place, scale)]
    line = f'<line x1="{now}" x2="{now}" y1="{_TOP - 6}" y2="{height}" stroke="#c00"/>'
    return "\n".join([*parts, line, "</svg>"]) + "\n"


def page(drawn: str) -> str:
    """Put a drawing into a page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<title>noljima gantt</title></head>\n<body>\n" + drawn + "</body></html>\n"
    )


def _axis(scale: Scale, height: int) -> Iterator[str]:
    for tick in range(_TICKS):
        moment_s = scale.begin_s + (scale.end_s - scale.begin_s) * tick / _TICKS
        x = _LEFT + scale.column(moment_s)
        label = time.strftime("%H:%M", time.localtime(moment_s))
        yield f'<line x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{height}" stroke="#ddd"/>'
        yield f'<text x="{x + 3}" y="{_TOP - 12}" fill="#555">{label}</text>'


def _label(lane: int, words: str) -> str:
    return f'<text x="4" y="{_TOP + lane * _LANE + 16}">{escape(words)}</text>'


def _bar(bar: Bar, lane: int, scale: Scale) -> str:
    """Draw a bar in its job's colour, with what it is behind the pointer."""
    begin, end = scale.column(bar.begin_s), scale.column(bar.end_s)
    x, width, y = _LEFT + begin, max(end - begin, 2), _TOP + lane * _LANE
    hue = zlib.crc32(bar.job.encode()) % 360
    told = harmless(f"{bar.job} {bar.name}".strip())
    times = f"{clocks.at(bar.begin_s, bar.begin_s)} to {clocks.at(bar.end_s, bar.begin_s)}"
    tip = escape(harmless(f"{told}, {bar.user}, {bar.kind}, {times}"))
    shown = escape(told[: max(0, (width - 6) // _LETTER)])
    return (
        f'<g><title>{tip}</title><rect x="{x}" y="{y + 2}" width="{width}" height="{_LANE - 4}" '
        f'rx="3" fill="hsl({hue} 60% 60%)" fill-opacity="{_OPACITY.get(bar.kind, 1.0)}" '
        f'stroke="hsl({hue} 60% 35%)"/><text x="{x + 4}" y="{y + 16}">{shown}</text></g>'
    )
