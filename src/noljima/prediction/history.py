"""Run times predicted from what has finished before: nothing to train, constant cost a job.

A back-off mixture: the last 24 run times under each of eleven keys, from the most specific (user,
name template, GPUs, limit) to all jobs. Going from specific to general, each key keeps the share
n / (n + theta) of what is left, as the tables of a Chinese restaurant do (Teh, "A hierarchical
Bayesian language model based on Pitman-Yor processes", ACL 2006): much seen, much believed.

Two experts read the same runs: one believes that run times repeat, the other that the share of the
user's limit does. Per user they are weighted by how well their quantiles did lately, and the level
at which the mixture is read is calibrated by `calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

import numpy as np

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.prediction.calibration import TAUS, AdaptiveLevels
from noljima.prediction.distribution import Distribution, Floats, censored
from noljima.prediction.experts import ExpertWeights, pinball
from noljima.prediction.rings import Rings
from noljima.prediction.source import limit_of
from noljima.prediction.templates import template_of

_HALF_LIFE_S: Final = 14 * 86400.0
_THETAS: Final = (4.0, 2.0)
"""How much a key must have seen to be believed half: for run times, and for shares of the limit."""
_TAIL: Final = 0.03
"""Weight between the longest run seen and the limit: the next one may always be the longest."""
_TAIL_PARTS: Final = np.array((0.25, 0.5, 0.75, 1.0))
_PRIOR_LOG_SHARES: Final = np.log(np.array((0.02, 0.1, 0.3, 0.6, 1.0)))
"""What is believed of a job that nothing is known of: spread over its limit."""
_SIBLINGS_MAX: Final = 8
_SIBLING_KEY: Final = 1
"""The place, among a job's keys, of the one that it shares with its siblings."""
_SIBLING_WEIGHT: Final = 0.05
"""What one running sibling counts against the mixture's 1."""


class _Pending:
    """What was said of a job that has not ended, to learn from how it ends."""

    __slots__ = ("expert_log_s", "keys", "quantiles_s", "started_s")

    def __init__(
        self, keys: tuple[Hashable, ...], quantiles_s: Floats, expert_log_s: list[Floats]
    ) -> None:
        self.keys = keys
        self.quantiles_s = quantiles_s
        self.expert_log_s = expert_log_s
        self.started_s: float | None = None


class History:
    """Learns from every finished job and predicts the next; see the module."""

    def __init__(self) -> None:
        self._rings = Rings()
        self._levels = AdaptiveLevels()
        self._experts = ExpertWeights(count=len(_THETAS))
        self._pending: dict[JobId, _Pending] = {}
        self._running: dict[Hashable, dict[JobId, float]] = {}
        self._now_s = 0.0

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - not clairvoyant
        """Return calibrated quantiles, with the whole distribution in short."""
        keys = _keys(job)
        log_limit_s = math.log(max(limit_of(job), 1.0))
        experts = self._expert_distributions(keys, log_limit_s)
        mixture = self._mixed(job, experts, log_limit_s)
        mixture = self._with_siblings(keys[_SIBLING_KEY], mixture)
        log_s = np.maximum.accumulate(mixture.log_quantiles(self._levels.levels))
        quantiles_s = np.exp(np.minimum(log_s, log_limit_s))
        taus = np.array(TAUS)
        self._pending[job.id] = _Pending(
            keys, quantiles_s, [expert.log_quantiles(taus) for expert in experts]
        )
        q50_s, q80_s, q95_s = quantiles_s.tolist()
        return Estimate(q50_s, q80_s, q95_s, mixture.compact())

    def advance(self, at_s: float) -> None:
        """Take note of the time."""
        self._now_s = at_s

    def started(self, job: Job) -> None:
        """Take note that a job runs: it tells its siblings something from now on."""
        pending = self._pending.get(job.id)
        if pending is not None:
            self._running.setdefault(pending.keys[_SIBLING_KEY], {})[job.id] = self._now_s

    def stopped(self, job: Job) -> None:
        """Take note that a job no longer runs, whatever the reason."""
        pending = self._pending.get(job.id)
        if pending is None:
            return
        siblings = self._running.get(pending.keys[_SIBLING_KEY])
        if siblings is not None and siblings.pop(job.id, None) is not None and not siblings:
            del self._running[pending.keys[_SIBLING_KEY]]

    def learn(self, job: Job, run_s: float) -> None:
        """Remember a finished run, judge the experts by it and calibrate."""
        self.stopped(job)
        pending = self._pending.pop(job.id, None)
        keys = _keys(job) if pending is None else pending.keys
        log_s = math.log(max(run_s, 1.0))
        log_limit_s = math.log(max(limit_of(job), 1.0))
        for key in keys:
            self._rings.add(key, log_s, log_limit_s, self._now_s)
        if pending is not None:
            self._levels.learn(run_s, pending.quantiles_s)
            taus = np.array(TAUS)
            losses = [pinball(taus, log_s, quantiles) for quantiles in pending.expert_log_s]
            self._experts.learn(job.user, np.array(losses))

    def forget(self, job: Job) -> None:
        """Drop what was said of a job that will never run."""
        self.stopped(job)
        self._pending.pop(job.id, None)

    def _expert_distributions(
        self, keys: tuple[Hashable, ...], log_limit_s: float
    ) -> list[Distribution]:
        rings = self._rings
        rows = rings.rows_of(keys)
        weights = rings.weights(rows, self._now_s, _HALF_LIFE_S)
        seen = weights.sum(axis=1)
        filled = weights.ravel() > 0.0
        # The two experts: the run time itself, and its share of the limit times this job's limit.
        log_s = rings.log_s[rows]
        points = (log_s, log_s - rings.log_limit_s[rows] + log_limit_s)
        experts: list[Distribution] = []
        for values, theta in zip(points, _THETAS, strict=True):
            kept = seen / (seen + theta)
            left = np.cumprod(np.concatenate([[1.0], 1.0 - kept]))
            scale = left[:-1] * kept / np.maximum(seen, 1e-12)
            prior = np.full(len(_PRIOR_LOG_SHARES), left[-1] / len(_PRIOR_LOG_SHARES))
            experts.append(
                Distribution(
                    np.minimum(
                        np.concatenate([values.ravel()[filled], log_limit_s + _PRIOR_LOG_SHARES]),
                        log_limit_s,
                    ),
                    np.concatenate([(weights * scale[:, None]).ravel()[filled], prior]),
                )
            )
        return experts

    def _mixed(self, job: Job, experts: list[Distribution], log_limit_s: float) -> Distribution:
        """Join the experts by their weights, and leave something for longer runs than any seen."""
        shares = self._experts.of(job.user) * (1.0 - _TAIL)
        log_s = [expert.log_s for expert in experts]
        longest = max(float(points[-1]) for points in log_s)
        tail = longest + (log_limit_s - longest) * _TAIL_PARTS
        weights = [
            np.diff(expert.cumulative, prepend=0.0) * share
            for expert, share in zip(experts, shares, strict=True)
        ]
        return Distribution(
            np.concatenate([*log_s, tail]),
            np.concatenate([*weights, np.full(len(tail), _TAIL / len(tail))]),
        )

    def _with_siblings(self, key: Hashable, mixture: Distribution) -> Distribution:
        siblings = self._running.get(key)
        if not siblings:
            return mixture
        began_s = np.array(list(siblings.values())[-_SIBLINGS_MAX:])
        return censored(mixture, np.log(np.maximum(self._now_s - began_s, 1.0)), _SIBLING_WEIGHT)


def _keys(job: Job) -> tuple[Hashable, ...]:
    """Return the keys of a job, from the most specific to the one that all jobs share."""
    user, name = job.user, template_of(job.name)
    gpus, limit_s = job.gang.gpu_milli, job.limit_s
    return (
        ("user name gpus limit", user, name, gpus, limit_s),
        ("user name gpus", user, name, gpus),
        ("user gpus limit", user, gpus, limit_s),
        ("user name", user, name),
        ("user limit", user, limit_s),
        ("user gpus", user, gpus),
        ("user", user),
        ("gpus limit", gpus, limit_s),
        ("limit", limit_s),
        ("gpus", gpus),
        ("all",),
    )
