"""Jobs that come in crowds: alike, one soon after the other, and mostly with one fate."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

_GAP_S: Final = 3600.0
"""Jobs that are alike and come within this time after each other are of one crowd."""
_COUNT_MAX: Final = 64
"""Beyond this, one more changes nothing: each counts 1/64."""
_KINDS_MAX: Final = 4096


class Crowds:
    """Counts crowds, so that a hundred jobs of one fate teach little more than a few."""

    def __init__(self) -> None:
        # Of each kind of job: when the last one came, and how many have come with it.
        self._last: dict[Hashable, tuple[float, int]] = {}

    def weight(self, kind: Hashable, now_s: float) -> float:
        """Count a job that comes now; return what it counts: the second of a crowd a half."""
        last_s, count = self._last.pop(kind, (-math.inf, 0))
        count = min(count + 1, _COUNT_MAX) if now_s - last_s <= _GAP_S else 1
        self._last[kind] = (now_s, count)
        if len(self._last) > _KINDS_MAX:
            # The kind that has not come for the longest time.
            del self._last[next(iter(self._last))]
        return 1.0 / count
