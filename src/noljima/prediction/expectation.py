"""What is expected of a run time whose distribution is known only in short.

A source that tells its whole distribution tells it at `LEVELS`; of one that tells three quantiles
each stands for the part of the distribution that is nearest to it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from noljima.model.estimate import LEVELS, Estimate

_CURVE_WEIGHTS: Final = tuple(high - low for low, high in pairwise((0.0, *LEVELS)))
_THREE_WEIGHTS: Final = (0.65, 0.225, 0.125)
"""What is nearer to q50, q80 and q95 than to another of them."""


def mean_s(estimate: Estimate) -> float:
    """Return the expected run time in seconds."""
    weights, run_s = _points(estimate)
    return sum(weight * seconds for weight, seconds in zip(weights, run_s, strict=True))


def mean_rate(estimate: Estimate, floor_s: float) -> float:
    """Return the expectation of 1 / run time, in 1/s; runs count as `floor_s` at the least.

    The expected growth of a waiting job's bounded slowdown (Feitelson, "Metrics for Parallel Job
    Scheduling and Their Convergence", JSSPP 2001) with each second that it waits.
    """
    weights, run_s = _points(estimate)
    return sum(
        weight / max(seconds, floor_s) for weight, seconds in zip(weights, run_s, strict=True)
    )


def _points(estimate: Estimate) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if len(estimate.curve_s) == len(LEVELS):
        return _CURVE_WEIGHTS, estimate.curve_s
    return _THREE_WEIGHTS, (estimate.q50_s, estimate.q80_s, estimate.q95_s)
