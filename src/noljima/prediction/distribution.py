"""A predictive distribution of a run time: weighted points on a logarithmic scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noljima.model.estimate import LEVELS

Floats = NDArray[np.float64]


class Distribution:
    """Points ln(seconds) in rising order, with the weight of all points up to each."""

    __slots__ = ("cumulative", "log_s")

    def __init__(self, log_s: Floats, weights: Floats) -> None:
        order = np.argsort(log_s, kind="stable")
        self.log_s = log_s[order]
        cumulative = np.cumsum(weights[order])
        self.cumulative = cumulative / cumulative[-1]

    def log_quantiles(self, levels: Floats) -> Floats:
        """Return ln of the smallest run times that are not exceeded with these probabilities."""
        index = np.searchsorted(self.cumulative, levels - 1e-12)
        return self.log_s[np.minimum(index, len(self.log_s) - 1)]

    def compact(self) -> tuple[float, ...]:
        """Return the quantiles, in seconds, at `LEVELS`."""
        return tuple(np.exp(self.log_quantiles(np.asarray(LEVELS))).tolist())


def censored(points: Distribution, elapsed_log_s: Floats, weight_each: float) -> Distribution:
    """Add runs that are known to last longer than they have so far.

    Efron's redistribution to the right ("The two sample problem with censored data", Berkeley
    Symposium 1967), which gives the Kaplan-Meier estimate: the weight of a censored run goes to the
    points beyond it, in proportion to theirs; where there is none, just beyond itself.
    """
    log_s = points.log_s
    weights = np.diff(points.cumulative, prepend=0.0)
    beyond: list[float] = []
    for elapsed in np.sort(elapsed_log_s):
        first = int(np.searchsorted(log_s, elapsed, side="right"))
        tail = float(weights[first:].sum())
        if tail > 0.0:
            weights[first:] *= 1.0 + weight_each / tail
        else:
            # It has outlived everything seen: half as long again is the least surprising.
            beyond.append(float(elapsed) + 0.4)
    extra = np.asarray(beyond, dtype=np.float64)
    return Distribution(
        np.concatenate([log_s, extra]), np.concatenate([weights, np.full(len(extra), weight_each)])
    )
