"""How long a job's own pauses between two signs of progress are: q99.9 in constant memory.

A histogram with bins that grow by a quarter: a quantile is read at the upper edge of its bin, so
it is at most 25 % too long and never too short. The longest pause of all is kept beside it. After
many pauses all counts are halved, so that what a job did long ago weighs less; the longest stays.
"""

from __future__ import annotations

import math
from array import array
from typing import Final

_LOW_S: Final = 0.01
_RATIO: Final = 1.25
_BINS: Final = 96
_PER_LOG: Final = 1.0 / math.log(_RATIO)
_COUNT_MAX: Final = 1_000_000
_RARE: Final = 0.001


class Gaps:
    """The pauses of one job."""

    __slots__ = ("_bins", "_count", "_q_s", "_top", "longest_s")

    def __init__(self) -> None:
        self._bins = array("I", bytes(4 * _BINS))
        self._count = 0
        self._top = 0
        self._q_s: float | None = 0.0
        self.longest_s = 0.0

    def add(self, gap_s: float) -> None:
        """Note one more pause, which is over."""
        index = 0
        if gap_s > _LOW_S:
            index = min(math.ceil(math.log(gap_s / _LOW_S) * _PER_LOG), _BINS - 1)
        self._bins[index] += 1
        self._count += 1
        self._top = max(self._top, index)
        self._q_s = None
        self.longest_s = max(self.longest_s, gap_s)
        if self._count >= _COUNT_MAX:
            self._forget_half()

    @property
    def q999_s(self) -> float:
        """The pause that all but one in a thousand stay below; 0 without any."""
        if self._q_s is None:
            self._q_s = self._quantile_s()
        return self._q_s

    def _quantile_s(self) -> float:
        allowed = self._count * _RARE
        index, above = self._top, self._bins[self._top]
        # "One in a thousand" of fewer than a thousand is none: that is the longest.
        while above <= allowed and index > 0:
            index -= 1
            above += self._bins[index]
        return min(_LOW_S * _RATIO**index, self.longest_s)

    def _forget_half(self) -> None:
        for index, count in enumerate(self._bins):
            self._bins[index] = count // 2
        self._count = sum(self._bins)
        self._top = max((i for i, count in enumerate(self._bins) if count), default=0)
