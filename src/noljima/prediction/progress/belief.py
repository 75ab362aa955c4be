"""What to believe of a running job's run time: its progress against what was known before.

Both are taken as normal in ln(total run time), which is combined by precision: the mean weighted by
1 / variance is the posterior of a normal prior and a normal measurement (Gelman et al., "Bayesian
Data Analysis", 3rd ed., section 2.5). Before that the estimate made at submission is conditioned on
the run so far, and counts as much less as it had given little chance to a run as long as this.

Progress tells when a job *would* end, and some end before: they stop early, fail, or reach their
limit. So a share of the belief stays with the earlier estimate, within the time that the steps
leave. Where the stop is spread evenly over a job, the chance w that it comes at all has become
w (1 - f) / (1 - w f) once the share f of the steps is done without one (Bayes' rule).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from statistics import NormalDist
from typing import Final

from noljima.model.estimate import LEVELS, Estimate
from noljima.prediction.progress.pace import Remaining

_NORMAL: Final = NormalDist()
_Z80: Final = _NORMAL.inv_cdf(0.80)
_Z95: Final = _NORMAL.inv_cdf(0.95)
_WIDTHS: Final = tuple(high - low for low, high in zip((0.0, *LEVELS), LEVELS, strict=False))
_MIDDLES_Z: Final = tuple(
    _NORMAL.inv_cdf(level - width / 2.0) for level, width in zip(LEVELS, _WIDTHS, strict=True)
)
_TOP_LEVEL: Final = 0.999
"""Where the last of `LEVELS`, at which a lognormal is infinite, is read."""
_PRIOR_SIGMA_MIN: Final = 0.3
"""No history is believed to say a single run's ln seconds more closely than this."""
_POINT_SIGMA: Final = 1.0
"""What an estimate that is one number only is taken to be off by."""
_TOTAL_SIGMA_MIN: Final = 0.005
_SIGMA_MAX: Final = 2.0
_EARLY_POINTS: Final = 5

Points = list[tuple[float, float]]
"""Run times in rising order, with the weight of each."""


class Prior:
    """The estimate made at submission, prepared to be conditioned quickly on a run so far."""

    __slots__ = ("_sums", "points")

    def __init__(self, before: Estimate) -> None:
        self.points = _points(before)
        # Of each point and all longer ones: weight, and weighted ln seconds and their square.
        sums = [(0.0, 0.0, 0.0)]
        for run_s, weight in reversed(self.points):
            mass, first, second = sums[-1]
            log_s = math.log(run_s)
            sums.append((mass + weight, first + weight * log_s, second + weight * log_s * log_s))
        self._sums = sums[::-1]

    def beyond(self, worked_s: float) -> tuple[float, float] | None:
        """Return mean and precision of ln seconds of the runs that last longer; None for no such.

        The precision is less in the measure in which such runs had been held unlikely.
        """
        mass, first, second = self._sums[bisect_right(self.points, (worked_s, math.inf))]
        if mass <= 0.0:
            return None
        mean = first / mass
        return mean, mass / max(second / mass - mean * mean, _PRIOR_SIGMA_MIN**2)


class Belief:
    """A distribution of the whole run time: mostly a lognormal rest, some mass before it."""

    __slots__ = ("_early", "_late", "_median_s", "_sigma", "_worked_s")

    def __init__(self, worked_s: float, rest: Remaining, early: Points) -> None:
        self._worked_s = worked_s
        self._median_s = rest.seconds
        self._sigma = rest.sigma
        # Run times at which the job may stop early, with their probabilities; in rising order.
        self._early = early
        self._late = 1.0 - sum(weight for _, weight in early)

    def quantile_s(self, level: float) -> float:
        """Return the run time that is not exceeded with this probability."""
        below = 1.0 - self._late
        # From the longest stop down: how much of the early mass lies below the answer?
        answer_s = self._rest_quantile_s((level - below) / self._late)
        for early_s, weight in reversed(self._early):
            if answer_s >= early_s:
                return answer_s
            below -= weight
            # Here is a jump: the answer is at it, or before it.
            answer_s = min(self._rest_quantile_s((level - below) / self._late), early_s)
        return answer_s

    def estimate(self) -> Estimate:
        """Return it in the form that the engine plans with."""
        curve_s = [self.quantile_s(min(level, _TOP_LEVEL)) for level in LEVELS]
        q50_s, q80_s, q95_s = (curve_s[LEVELS.index(level)] for level in (0.5, 0.8, 0.95))
        return Estimate(q50_s, q80_s, q95_s, tuple(curve_s))

    def _rest_quantile_s(self, level: float) -> float:
        if level <= 0.0:
            return self._worked_s
        z = _NORMAL.inv_cdf(min(level, _TOP_LEVEL))
        return self._worked_s + self._median_s * math.exp(self._sigma * z)


def believed(
    prior: Prior, worked_s: float, rest: Remaining, *, early_share: float, done_share: float
) -> Belief:
    """Weigh progress against the estimate from before.

    `rest` is what progress says; `early_share` is how many such jobs end well before their steps
    do, and `done_share` how much of this one's steps is done.
    """
    chance = early_share * (1.0 - done_share) / (1.0 - early_share * done_share)
    early = _early(prior.points, worked_s, worked_s + rest.seconds, chance)
    return Belief(worked_s, _blended(prior.beyond(worked_s), worked_s, rest), early)


def _blended(prior: tuple[float, float] | None, worked_s: float, rest: Remaining) -> Remaining:
    if prior is None:
        return rest
    prior_mean, prior_precision = prior
    total_s = worked_s + rest.seconds
    # The known part of a run makes its total surer than its rest: by the delta method.
    sigma = max(rest.sigma * rest.seconds / total_s, _TOTAL_SIGMA_MIN)
    precision = 1.0 / (sigma * sigma)
    both = precision + prior_precision
    blended_s = math.exp((precision * math.log(total_s) + prior_precision * prior_mean) / both)
    seconds = blended_s - worked_s
    if seconds <= 0.0:
        return rest
    return Remaining(seconds, min(blended_s / (math.sqrt(both) * seconds), _SIGMA_MAX))


def _points(estimate: Estimate) -> Points:
    """Return a distribution as weighted run times, from its curve or else from its quantiles."""
    if len(estimate.curve_s) == len(LEVELS):
        return [(max(s, 1.0), width) for s, width in zip(estimate.curve_s, _WIDTHS, strict=True)]
    log_s = math.log(max(estimate.q50_s, 1.0))
    sigma = max(
        (math.log(max(estimate.q80_s, 1.0)) - log_s) / _Z80,
        (math.log(max(estimate.q95_s, 1.0)) - log_s) / _Z95,
    )
    scale = min(sigma, _SIGMA_MAX) if sigma > 0.0 else _POINT_SIGMA
    return [
        (math.exp(log_s + scale * z), width) for z, width in zip(_MIDDLES_Z, _WIDTHS, strict=True)
    ]


def _early(points: Points, worked_s: float, total_s: float, chance: float) -> Points:
    """Spread the chance of an early stop over the time that the steps leave.

    As the estimate from before says, where it says anything about that time, else evenly.
    """
    if chance <= 0.0:
        return []
    first = bisect_right(points, (worked_s, math.inf))
    known = points[first : bisect_right(points, (total_s, 0.0))]
    if not known:
        part_s = (total_s - worked_s) / (_EARLY_POINTS + 1)
        known = [(worked_s + part_s * (n + 1), 1.0) for n in range(_EARLY_POINTS)]
    scale = chance / sum(weight for _, weight in known)
    return [(run_s, weight * scale) for run_s, weight in known]
