"""A predictive distribution of a run time: weighted points on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING: Final = 1e-12
_TAIL_PARTS: Final = np.array((0.25, 0.5, 0.75, 1.0))
_NORMAL_POINTS: Final = np.array(
    [NormalDist().inv_cdf((place + 0.5) / 200.0) for place in range(200)]
)


class Distribution:
    """Points ln(seconds) in rising order, with the weight of all points up to each."""

    __slots__ = ("cumulative", "log_s")

    def __init__(self, log_s: Floats, cumulative: Floats) -> None:
        self.log_s = log_s
        self.cumulative = cumulative

    def log_quantiles(self, levels: Floats) -> Floats:
        """Return ln of the smallest run times that are not exceeded with these probabilities."""
        index = self.cumulative.searchsorted(levels - _ROUNDING)
        return self.log_s[np.minimum(index, len(self.log_s) - 1)]

    def with_tail(self, weight: float, log_limit_s: float) -> Distribution:
        """Leave `weight` for runs that are longer than any point, up to the limit."""
        longest = self.log_s[-1]
        return Distribution(
            np.concatenate([self.log_s, longest + (log_limit_s - longest) * _TAIL_PARTS]),
            np.concatenate([self.cumulative * (1.0 - weight), 1.0 - weight * (1.0 - _TAIL_PARTS)]),
        )


def lognormal(pairs: Sequence[tuple[float, float]], limit_s: float) -> Distribution:
    """Return the lognormal distribution with the mean and spread of ln of weighted run times."""
    log_s = np.log(np.maximum([run_s for run_s, _ in pairs], 1.0))
    weights = np.array([weight for _, weight in pairs])
    mean = float(np.average(log_s, weights=weights))
    sigma = math.sqrt(float(np.average((log_s - mean) ** 2, weights=weights)))
    points = np.minimum(mean + sigma * _NORMAL_POINTS, math.log(max(limit_s, 1.0)))
    return Distribution(points, np.arange(1, len(points) + 1) / len(points))


def blended(one: Distribution, other: Distribution, share: float) -> Distribution:
    """Join two distributions, with `share` for the first."""
    points = np.concatenate([one.log_s, other.log_s])
    weights = np.concatenate(
        [
            share * np.diff(one.cumulative, prepend=0.0),
            (1.0 - share) * np.diff(other.cumulative, prepend=0.0),
        ]
    )
    order = points.argsort(kind="stable")
    cumulative = weights[order].cumsum()
    return Distribution(points[order], cumulative / cumulative[-1])


def censored(points: Distribution, elapsed_log_s: Floats, weight_each: float) -> Distribution:
    """Add runs that are known to last longer than they have so far.

    Efron's redistribution to the right ("The two sample problem with censored data", Berkeley
    Symposium 1967), which gives the Kaplan-Meier estimate: the weight of a censored run goes to the
    points beyond it, in proportion to theirs. A run that has outlived every point tells nothing.
    """
    elapsed = np.sort(elapsed_log_s)
    first = points.log_s.searchsorted(elapsed, side="right")
    first = first[first < len(points.log_s)]
    below = np.concatenate(([0.0], points.cumulative))
    factor, factors = 1.0, [1.0]
    for tail in (1.0 - below[first]).tolist():
        # What lies beyond has taken in all the runs before this one already.
        factor += weight_each / max(tail, _ROUNDING)
        factors.append(factor)
    ends = np.concatenate(([0], first, [len(points.log_s)]))
    weights = np.diff(below) * np.repeat(factors, np.diff(ends))
    cumulative = weights.cumsum()
    return Distribution(points.log_s, cumulative / cumulative[-1])
