"""What a trained model is told of a job: features known at submission, and of the past alone.

The targets in them are statistics of runs that had ended when the job was submitted, so that no job
is ever described by itself. Training and the model are somebody else's (`Learner`): nothing here
reads a clock, starts a process or knows which library it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from noljima.model.job import Job
from noljima.model.resources import GPU
from noljima.prediction.experts import Belief

UNKNOWN: Final = math.nan
_DAY_S: Final = 86400.0
_FADE_MIN: Final = 0.1
# How far the median's point, and those around it, lie between the three quantiles that are told.
_PLACES: Final = np.array((-2.0, -1.0, -0.4, 0.0, 0.5, 1.0))
_BEYOND: Final = np.array((0.5, 1.0, 1.5))
_WEIGHTS: Final = np.array((0.10, 0.12, 0.13, 0.15, 0.15, 0.15, 0.08, 0.07, 0.05))


class Learner(Protocol):
    """A model that is trained now and then on what it was told."""

    def log_quantiles(self, features: Sequence[float]) -> tuple[float, float, float] | None:
        """Return ln of q50, q80 and q95; None before the first training."""
        ...

    def learn(self, features: Sequence[float], log_s: float) -> None:
        """Take note of how long a job has run that had these features."""
        ...


class _Statistics:
    """Of the runs under one key: how many, the newest two, mean, spread, and when."""

    __slots__ = ("at_s", "count", "mean", "newest", "older", "spread")

    def __init__(self) -> None:
        self.count = 0
        self.newest = self.older = UNKNOWN
        self.mean = self.spread = self.at_s = 0.0

    def add(self, log_s: float, now_s: float) -> None:
        """Take in a run; older ones count less from the tenth on."""
        self.count += 1
        away = log_s - self.mean
        self.mean += max(1.0 / self.count, _FADE_MIN) * away
        self.spread += max(1.0 / self.count, _FADE_MIN) * (away * away - self.spread)
        self.newest, self.older, self.at_s = log_s, self.newest, now_s

    def features(self, now_s: float) -> tuple[float, ...]:
        """Return what a model can make of it."""
        if not self.count:
            return (UNKNOWN,) * 5 + (0.0,)
        pause = math.log1p(max(now_s - self.at_s, 0.0))
        spread = math.sqrt(max(self.spread, 0.0))
        return self.newest, self.older, self.mean, spread, pause, float(self.count)


class Targets:
    """Statistics of past runs under each key of a job."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], _Statistics] = {}

    def features(self, job: Job, log_limit_s: float, now_s: float) -> list[float]:
        """Return everything that is known of a job when it is submitted."""
        found = [
            log_limit_s,
            math.log(max(job.gang.gpu_milli, 1) / GPU),
            now_s % _DAY_S,
            now_s % (7.0 * _DAY_S),
        ]
        for key in _keys(job):
            found += self._known.get(key, _NOTHING).features(now_s)
        return found

    def learn(self, job: Job, log_s: float, now_s: float) -> None:
        """Take in a run that has ended."""
        for key in _keys(job):
            self._known.setdefault(key, _Statistics()).add(log_s, now_s)


_NOTHING: Final = _Statistics()


def belief(quantiles: tuple[float, float, float] | None, log_limit_s: float) -> Belief:
    """Return a distribution with these quantiles, roughly; over the whole limit without any."""
    if quantiles is None:
        return log_limit_s + np.log(np.array((0.02, 0.1, 0.3, 0.6, 1.0))), np.full(5, 0.2)
    q50, q80, q95 = sorted(quantiles)
    points = np.concatenate((q50 + (q80 - q50) * _PLACES, q80 + (q95 - q80) * _BEYOND))
    return np.maximum(points, 0.0), _WEIGHTS


def _keys(job: Job) -> tuple[tuple[object, ...], ...]:
    user, gpus, limit_s = job.user, job.gang.gpu_milli, job.limit_s
    return (
        ("user", user),
        ("user gpus", user, gpus),
        ("user limit", user, limit_s),
        ("user gpus limit", user, gpus, limit_s),
        ("user name", user, job.name),
        ("limit", limit_s),
        ("all",),
    )
