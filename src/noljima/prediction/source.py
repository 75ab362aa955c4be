"""The interface of an estimate source, and the check at the door.

A source may be wrong, dead or absurd: that changes how well the scheduler packs, never whether it
is correct. `Guarded` stands between every source and the engine, and is the only estimate path.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, Protocol, runtime_checkable

from noljima.model import bounds
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job
from noljima.model.phase import Phase
from noljima.prediction.correction import corrected_s
from noljima.prediction.residual import residual_s

UNLIMITED_S: Final = 14 * 86400.0
"""Stands for the limit of a job that has none: the longest limit that sites commonly allow."""


class Source(Protocol):
    """Says how long a job will run, and learns from those that have finished."""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Estimate the whole run time of a job that was just submitted.

        `oracle_s` is the truth, known in a simulation; only clairvoyant sources may look at it.
        """
        ...

    def learn(self, job: Job, run_s: float) -> None:
        """Take note that a job has finished after `run_s` seconds of work."""
        ...


@runtime_checkable
class Follower(Protocol):
    """What a source implements besides `Source` to be told of the time and of what runs."""

    def advance(self, at_s: float) -> None:
        """Take note of the time; it comes before whatever else happens at it."""
        ...

    def started(self, job: Job) -> None:
        """Take note that a job runs."""
        ...

    def stopped(self, job: Job) -> None:
        """Take note that a job no longer runs, whether it has finished or will run again."""
        ...

    def forget(self, job: Job) -> None:
        """Take note that a job will never run."""
        ...


@runtime_checkable
class Listener(Protocol):
    """What a source implements besides `Source` to be told how far running jobs are."""

    def progressed(
        self, job: Job, step: float, total: float | None, phase: Phase, worked_s: float
    ) -> Estimate | None:
        """Return a new belief about the whole run time; None where the old one will do."""
        ...

    def reconsidered(self, job: Job, worked_s: float) -> Estimate | None:
        """Return a new belief about a job that has outlived the last one; None for no idea."""
        ...


def limit_of(job: Job) -> float:
    """Return the job's limit, or what stands for it where it has none."""
    return UNLIMITED_S if job.limit_s is None else job.limit_s


class Guarded:
    """A source behind a check: what comes out is finite, positive, rising and within the limit."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._follower = source if isinstance(source, Follower) else None
        self._listener = source if isinstance(source, Listener) else None
        self.failures = 0
        self.last_failure = ""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Ask the source; where it fails or talks nonsense, fall back to the user's limit."""
        limit_s = limit_of(job)
        try:
            estimate = self._source.predict(job, oracle_s)
            credible = sane(estimate)
        except Exception as error:  # noqa: BLE001 - any failure of a source is the same to us
            return self._fallback(limit_s, f"{type(error).__name__}: {error}")
        if not credible:
            return self._fallback(limit_s, f"absurd estimate {estimate!r:.80}")
        return _within_limit(job, estimate)

    def progressed(
        self, job: Job, step: float, total: float | None, phase: Phase, worked_s: float
    ) -> Estimate | None:
        """Pass on how far a running job is; return a new belief, None where the old one stays.

        A belief that comes out has the job run on: all of it is more than `worked_s`.
        """
        if self._listener is None:
            return None
        return self._heard(
            job, worked_s, lambda heard: heard.progressed(job, step, total, phase, worked_s)
        )

    def reconsidered(self, job: Job, worked_s: float) -> Estimate | None:
        """Return a new belief about a job that has outlived the last one; None where it is silent.

        Then `correct` has the word.
        """
        if self._listener is None:
            return None
        return self._heard(job, worked_s, lambda heard: heard.reconsidered(job, worked_s))

    def correct(
        self, job: Job, estimate: Estimate, tau: float, corrections: int, ran_s: float
    ) -> tuple[float, int]:
        """Return a new run time for a job that has outlived its estimate, and the steps used.

        The quantile `tau` of what is left of the distribution, where the estimate tells it whole;
        else the published steps.
        """
        if len(estimate.curve_s) == len(LEVELS):
            return residual_s(estimate.curve_s, tau, limit_of(job), ran_s), corrections + 1
        return corrected_s(estimate.at(tau), corrections, limit_of(job), ran_s)

    def learn(self, job: Job, run_s: float) -> None:
        """Pass a finished run on; a source that cannot learn it is counted, not believed."""
        try:
            self._source.learn(job, run_s)
        except Exception as error:  # noqa: BLE001 - any failure of a source is the same to us
            self._note(f"{type(error).__name__}: {error}")

    def advance(self, at_s: float) -> None:
        """Pass the time on to a source that follows it."""
        if self._follower is not None:
            self._tell(lambda follower: follower.advance(at_s))

    def started(self, job: Job) -> None:
        """Tell a source that follows what runs."""
        if self._follower is not None:
            self._tell(lambda follower: follower.started(job))

    def stopped(self, job: Job) -> None:
        """Tell a source that follows what runs."""
        if self._follower is not None:
            self._tell(lambda follower: follower.stopped(job))

    def forget(self, job: Job) -> None:
        """Tell a source that follows what runs."""
        if self._follower is not None:
            self._tell(lambda follower: follower.forget(job))

    def _heard(
        self, job: Job, worked_s: float, asked: Callable[[Listener], Estimate | None]
    ) -> Estimate | None:
        assert self._listener is not None
        try:
            estimate = asked(self._listener)
            credible = estimate is None or sane(estimate)
        except Exception as error:  # noqa: BLE001 - any failure of a source is the same to us
            self._note(f"{type(error).__name__}: {error}")
            return None
        if not credible:
            self._note(f"absurd belief {estimate!r:.80}")
            return None
        if estimate is None:
            return None
        estimate = _within_limit(job, estimate)
        # Past a limit that is not enforced nothing is left to believe in but corrections.
        return estimate if estimate.q50_s > worked_s else None

    def _tell(self, what: Callable[[Follower], None]) -> None:
        assert self._follower is not None
        try:
            what(self._follower)
        except Exception as error:  # noqa: BLE001 - any failure of a source is the same to us
            self._note(f"{type(error).__name__}: {error}")

    def _fallback(self, limit_s: float, why: str) -> Estimate:
        self._note(why)
        return Estimate.point(limit_s)

    def _note(self, why: str) -> None:
        self.failures += 1
        self.last_failure = why


def _within_limit(job: Job, estimate: Estimate) -> Estimate:
    limit_s, curve_s = job.limit_s, estimate.curve_s
    if limit_s is None:
        return estimate
    # The last of the curve may be beyond the limit where no quantile is.
    if estimate.q95_s <= limit_s and not (curve_s and curve_s[-1] > limit_s):
        return estimate
    q50_s, q80_s = min(estimate.q50_s, limit_s), min(estimate.q80_s, limit_s)
    q95_s = min(estimate.q95_s, limit_s)
    return Estimate(q50_s, q80_s, q95_s, tuple(min(level_s, limit_s) for level_s in curve_s))


def sane(estimate: Estimate) -> bool:
    """Say whether quantiles and curve are finite numbers of seconds in rising order."""
    q50_s, q80_s, q95_s = estimate.q50_s, estimate.q80_s, estimate.q95_s
    # Decimals and their like compare with floats and cannot be added to them.
    if not all(isinstance(quantile, int | float) for quantile in (q50_s, q80_s, q95_s)):
        return False
    # A chain of comparisons is false for NaN.
    if not 0.0 <= q50_s <= q80_s <= q95_s <= bounds.SECONDS_MAX:
        return False
    return estimate.curve_s == () or _rises(estimate.curve_s)


def _rises(curve_s: tuple[float, ...]) -> bool:
    """Say whether a curve has a number for each level, none below the one before it."""
    if type(curve_s) is not tuple or len(curve_s) != len(LEVELS):
        return False
    if not all(isinstance(level_s, int | float) for level_s in curve_s):
        return False
    return all(one <= other for one, other in pairwise((0.0, *curve_s, bounds.SECONDS_MAX)))
