"""What to believe of a job that has outlived its estimate, where its distribution is known.

The residual life: of all the runs that were thought possible, those that are shorter than what the
job has run already are out, and the quantile is read from what is left, q(R | R > elapsed). Between
two known points the distribution is taken to be straight over ln(seconds).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Final

from noljima.model.estimate import LEVELS

STEP_MIN: Final = 0.05
STEP_S_MIN: Final = 60.0
"""A belief is at least this share and this many seconds later than now: so there are few of them,
and the events of correcting them do not crowd out the others."""


def residual_s(curve_s: tuple[float, ...], tau: float, limit_s: float, ran_s: float) -> float:
    """Return the run time that is not exceeded with probability `tau`, given that it is > `ran_s`.

    Never beyond the limit, unless that turns out not to be enforced: then twice what it has run.
    """
    if ran_s >= limit_s:
        return max(2.0 * ran_s, STEP_S_MIN)
    least_s = max(ran_s * (1.0 + STEP_MIN), ran_s + STEP_S_MIN)
    passed = _level_of(curve_s, ran_s)
    believed_s = quantile_s(curve_s, passed + tau * (1.0 - passed))
    return min(max(believed_s, least_s), limit_s)


def _level_of(curve_s: tuple[float, ...], run_s: float) -> float:
    """Return the share of runs that are no longer than `run_s`."""
    above = bisect_right(curve_s, run_s)
    if above == 0:
        return 0.0
    if above == len(curve_s):
        return 1.0
    low, high = _log(curve_s[above - 1]), _log(curve_s[above])
    part = (_log(run_s) - low) / (high - low) if high > low else 0.0
    return LEVELS[above - 1] + part * (LEVELS[above] - LEVELS[above - 1])


def quantile_s(curve_s: tuple[float, ...], level: float) -> float:
    """Return the run time that the share `level` of the runs does not exceed."""
    place = min(bisect_left(LEVELS, level), len(LEVELS) - 1)
    if place == 0:
        return curve_s[0]
    part = (level - LEVELS[place - 1]) / (LEVELS[place] - LEVELS[place - 1])
    low, high = _log(curve_s[place - 1]), _log(curve_s[place])
    return math.exp(low + part * (high - low))


def _log(seconds: float) -> float:
    return math.log(max(seconds, 1.0))
