"""A source of estimates that listens to what running jobs tell of their progress.

It asks another source at submission and stands in for it while a job runs. A job that tells
nothing, or nothing that makes sense, is left to the other source's estimate and its corrections.
"""

from __future__ import annotations

from typing import Final

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.phase import Phase
from noljima.model.resources import JobId
from noljima.prediction.progress.belief import Belief, Prior, believed
from noljima.prediction.progress.habits import Habit
from noljima.prediction.progress.pace import Pace, Remaining
from noljima.prediction.source import Follower, Source, limit_of, sane

_EARLY_SHARE: Final = 0.05
"""How many jobs are taken to stop early, before any was seen to."""
_PAUSE_SHARE: Final = 0.02
"""How long jobs are taken to pause for each second of stepping, before any was seen to."""
_EARLY: Final = 0.95
"""A run that ends before this share of what its steps promised has stopped early."""
_CHANGE: Final = 0.02
_CHANGE_S: Final = 1.0
"""A belief that has moved less, as a share of what is left and in seconds, is left alone."""


class _Run:
    """What the present run of a job has told."""

    __slots__ = ("heard", "pace", "prior", "promised_s", "told")

    def __init__(self, pace: Pace, prior: Prior) -> None:
        self.pace = pace
        self.prior = prior
        # What was last believed of the run time; nothing where progress did not say so.
        self.told: Estimate | None = None
        # What the steps alone have last promised, and what they did when it was last looked at.
        self.promised_s: float | None = None
        self.heard: tuple[float, float] | None = None

    def much_the_same(self, rest: Remaining, worked_s: float) -> bool:
        """Say whether the steps promise what they did, so that no new belief can come of it."""
        total_s, spread_s = worked_s + rest.seconds, rest.seconds * rest.sigma
        if self.told is not None and self.heard is not None:
            moved_s = abs(total_s - self.heard[0]) + abs(spread_s - self.heard[1])
            if moved_s < 0.5 * _CHANGE * rest.seconds:
                return True
        self.heard = total_s, spread_s
        return False


class Progressing:
    """Blends another source's estimates with progress, for as long as there is any."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._follower = source if isinstance(source, Follower) else None
        # Of jobs that have not ended: what was said at submission, and what their runs have told.
        self._before: dict[JobId, Estimate] = {}
        self._runs: dict[JobId, _Run] = {}
        self._now_s = 0.0
        self._early = Habit(_EARLY_SHARE)
        self._pausing = Habit(_PAUSE_SHARE)

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Ask the other source."""
        estimate = self._source.predict(job, oracle_s)
        if sane(estimate):
            self._before[job.id] = estimate
        return estimate

    def progressed(
        self, job: Job, step: float, total: float | None, phase: Phase, worked_s: float
    ) -> Estimate | None:
        """Return a new belief about the whole run time; None where the old one will do."""
        run = self._runs.get(job.id)
        if run is None:
            prior = Prior(self._said_before(job))
            self._runs[job.id] = _Run(Pace(self._now_s, step, total), prior)
            return None
        run.pace.see(self._now_s, step, total, phase)
        rest = run.pace.remaining(self._now_s, self._pausing.of(job.user))
        if rest is None:
            return self._given_up(job, run, worked_s)
        run.promised_s = worked_s + rest.seconds
        if run.much_the_same(rest, worked_s):
            return None
        belief = self._belief(job, run, rest, worked_s)
        if run.told is not None and not _moved(belief, run.told, worked_s):
            return None
        run.told = belief.estimate()
        return run.told

    def reconsidered(self, job: Job, worked_s: float) -> Estimate | None:
        """Return a belief about a job that has outlived the last one; None without progress."""
        run = self._runs.get(job.id)
        if run is None or run.told is None:
            return None
        rest = run.pace.remaining(self._now_s, self._pausing.of(job.user))
        if rest is None:
            return self._given_up(job, run, worked_s)
        run.told = self._belief(job, run, rest, worked_s).estimate()
        return run.told

    def learn(self, job: Job, run_s: float) -> None:
        """Learn whether jobs end when their steps do, and let the other source learn."""
        run = self._runs.pop(job.id, None)
        self._before.pop(job.id, None)
        if run is not None and run.promised_s is not None:
            early = run_s < _EARLY * run.promised_s
            self._early.learn(job.user, float(early))
            if not early:
                self._pausing.learn(job.user, run.pace.pause_share)
        self._source.learn(job, run_s)

    def advance(self, at_s: float) -> None:
        """Take note of the time."""
        self._now_s = at_s
        if self._follower is not None:
            self._follower.advance(at_s)

    def started(self, job: Job) -> None:
        """Begin anew: what an earlier run has told is of its own steps."""
        self._runs.pop(job.id, None)
        if self._follower is not None:
            self._follower.started(job)

    def stopped(self, job: Job) -> None:
        """Pass on that a job no longer runs."""
        if self._follower is not None:
            self._follower.stopped(job)

    def forget(self, job: Job) -> None:
        """Drop what is known of a job that will never run."""
        self._runs.pop(job.id, None)
        self._before.pop(job.id, None)
        if self._follower is not None:
            self._follower.forget(job)

    def _belief(self, job: Job, run: _Run, rest: Remaining, worked_s: float) -> Belief:
        return believed(
            run.prior,
            worked_s,
            rest,
            early_share=self._early.of(job.user),
            done_share=worked_s / (worked_s + rest.seconds),
        )

    def _given_up(self, job: Job, run: _Run, worked_s: float) -> Estimate | None:
        """Go back to the estimate from before, once, where progress had taken its place."""
        before = self._said_before(job)
        if run.told is None or before.q50_s <= worked_s:
            return None
        run.told = None
        return before

    def _said_before(self, job: Job) -> Estimate:
        """Return the estimate at submission; where the other source had failed, the limit."""
        return self._before.get(job.id) or Estimate.point(limit_of(job))


def _moved(belief: Belief, told: Estimate, worked_s: float) -> bool:
    """Say whether a belief is so far from the last one that it is worth telling."""
    for level, told_s in ((0.8, told.q80_s), (0.5, told.q50_s)):
        now_s = belief.quantile_s(level)
        if abs(now_s - told_s) >= max(_CHANGE * (now_s - worked_s), _CHANGE_S):
            return True
    return False
