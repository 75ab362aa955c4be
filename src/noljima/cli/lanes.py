"""A timeline in characters: a lane for each GPU, and below them those who have none yet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from noljima.cli.columns import cut, harmless, padded
from noljima.control.messages import Bar, Bars, Gantt
from noljima.model.amounts import gpus

FILLS: Final = {"ran": ".", "runs": "=", "guest": "~", "reserved": ":", "expected": ":"}
_HEAD: Final = 16
"""Columns before a lane: which GPU, or who waits."""
_TICKS: Final = 4
_NOW: Final = "|"


class Scale:
    """Turns moments into columns."""

    def __init__(self, answer: Bars, question: Gantt, width: int) -> None:
        self.begin_s = answer.now_s - question.back_s
        self.end_s = answer.now_s + question.ahead_s
        self.width = max(width, 1)

    def column(self, moment_s: float) -> int:
        """Return the column of a moment; what is outside is at the edge."""
        share = (moment_s - self.begin_s) / (self.end_s - self.begin_s)
        return round(min(max(share, 0.0), 1.0) * self.width)

    def shows(self, bar: Bar) -> bool:
        """Say whether any of a bar is to be seen."""
        return bar.end_s >= self.begin_s and bar.begin_s <= self.end_s


def text(answer: Bars, *, question: Gantt, width: int) -> str:
    """Draw a timeline of so many columns."""
    scale = Scale(answer, question, width - _HEAD)
    seen = [bar for bar in answer.bars if scale.shows(bar)]
    lines = [" " * _HEAD + _axis(scale)]
    for number in range(answer.gpus):
        lane = [bar for bar in seen if bar.gpu == number]
        lines.append(f"GPU {number}".ljust(_HEAD) + _lane(lane, scale, answer.now_s))
    waiting = sorted((bar for bar in seen if bar.gpu is None), key=lambda bar: bar.begin_s)
    if waiting:
        lines.append("waiting, on any GPUs:")
    for bar in waiting:
        label = cut(harmless(f"{bar.job}, {gpus(bar.gpu_milli)}"), _HEAD - 1)
        lines.append(padded(label, _HEAD) + _lane([bar], scale, answer.now_s))
    return "\n".join(line.rstrip() for line in lines)


def _lane(bars: Sequence[Bar], scale: Scale, now_s: float) -> str:
    """Draw one lane; a later bar is over an earlier one, as where two share a GPU."""
    cells = [" "] * scale.width
    for bar in sorted(bars, key=lambda bar: bar.begin_s):
        begin = min(scale.column(bar.begin_s), scale.width - 1)
        length = max(1, scale.column(bar.end_s) - begin)
        cells[begin : begin + length] = _bar(bar, length)
    now = min(scale.column(now_s), scale.width - 1)
    if cells[now] in {" ", *FILLS.values()}:
        cells[now] = _NOW
    return "".join(cells)


def _bar(bar: Bar, length: int) -> list[str]:
    """Fill a bar, with the job's name in it as far as there is room; each cell one column."""
    fill = FILLS.get(bar.kind, "?")
    if length < 4:
        return [fill] * length
    name = harmless(f"{bar.job} {bar.name}".strip())
    plain = "".join(letter if letter.isascii() else "?" for letter in name)
    words = cut(plain, length - 2).replace("…", "-")
    return list(f"[{words}".ljust(length - 1, fill) + "]")


def _axis(scale: Scale) -> str:
    """Write clock times above the lanes."""
    cells = [" "] * scale.width
    for place, moment_s in _ticks(scale):
        label = time.strftime("%H:%M", time.localtime(moment_s))
        if place + len(label) <= scale.width:
            cells[place : place + len(label)] = label
    return "".join(cells)


def _ticks(scale: Scale) -> Iterator[tuple[int, float]]:
    for tick in range(_TICKS):
        moment_s = scale.begin_s + (scale.end_s - scale.begin_s) * tick / _TICKS
        yield scale.column(moment_s), moment_s
