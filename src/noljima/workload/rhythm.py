"""When people submit: more by day than by night, and less at the weekend."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from noljima.workload.chance import Chance, Floats

DAY_S: Final = 86_400
_BUSIEST_HOUR: Final = 15
_WEEKEND_FROM_DAY: Final = 5
_ROUND_MAX: Final = 1 << 20


def intensity(at_s: Floats, *, day_swing: float, weekend: float) -> Floats:
    """Say how busy each moment is, from 0 to 1 at the busiest hour of a working day.

    Second 0 is midnight before a Monday. `day_swing` of 0 is a flat day and 1 a night without any
    submission; `weekend` is the share of a working day that Saturday and Sunday see.
    """
    hour = at_s / 3600 % 24
    wave = 1 + day_swing * np.cos((hour - _BUSIEST_HOUR) * (2 * math.pi / 24))
    day = np.floor(at_s / DAY_S) % 7
    return np.where(day >= _WEEKEND_FROM_DAY, weekend, 1.0) * wave / (1 + day_swing)


def arrivals(
    chance: Chance, *, per_day: float, span_s: float, day_swing: float, weekend: float
) -> Floats:
    """Draw the moments of a Poisson process with that rhythm and `per_day` a day on average.

    By thinning: candidates come at the busiest rate, and each is kept as likely as its moment is
    busy. The rhythm is averaged over the span itself, so that a trace of one weekend day has
    `per_day` submissions too.
    """
    grid = np.arange(0.0, span_s, max(span_s / 10_000, 1.0))
    mean = float(np.mean(intensity(grid, day_swing=day_swing, weekend=weekend)))
    gap_s = DAY_S * mean / per_day
    kept: list[Floats] = []
    at_s = 0.0
    while at_s < span_s:
        count = min(int((span_s - at_s) / gap_s * 1.1) + 64, _ROUND_MAX)
        moments = at_s + np.cumsum(-gap_s * np.log1p(-chance.uniform(count)))
        at_s = float(moments[-1])
        busy = intensity(moments, day_swing=day_swing, weekend=weekend)
        kept.append(moments[(chance.uniform(count) < busy) & (moments < span_s)])
    return np.concatenate(kept)
