"""Run times predicted from what has finished before: nothing to train, constant cost a job.

A back-off mixture: the last 24 run times under each of eleven keys, from the most specific (user,
name template, GPUs, limit) to all jobs. Going from specific to general, each key keeps the share
n / (n + trust) of what is left, as the tables of a Chinese restaurant do (Teh, "A hierarchical
Bayesian language model based on Pitman-Yor processes", ACL 2006): much seen, much believed.

Experts read the same past: one believes that run times repeat, another that the share of the user's
limit does, others know one number each (`points`). Per user they are weighted by how well their
quantiles did lately, and the level at which the mixture is read is calibrated by `calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.prediction import learned
from noljima.prediction.calibration import TAUS, AdaptiveLevels
from noljima.prediction.distribution import Distribution, Floats, blended, censored, lognormal
from noljima.prediction.experts import Belief, ExpertWeights, distributions, mixture, pinball
from noljima.prediction.learned import Learner, Targets
from noljima.prediction.parts import RUN, SHARE, Parts
from noljima.prediction.points import POINT_EXPERTS
from noljima.prediction.rings import SIZE, Key, Rings, Rows
from noljima.prediction.saved import HistoryState, PendingState, packed, unpacked
from noljima.prediction.source import limit_of
from noljima.prediction.templates import template_of

KEYS_MAX: Final = 100_000
"""Keys that are kept, some 60 MB of them; of more, the half that was used last stays."""
_PRIOR_LOG_SHARES: Final = np.log(np.array((0.02, 0.1, 0.3, 0.6, 1.0)))
"""What is believed of a job that nothing is known of: spread over its limit."""
_NAME: Final = 3
"""The place, among a job's keys, of user and name alone."""
_NAME_GPUS: Final = 1
_ALIKE: Final = (
    "user, name, GPUs and limit",
    "user, name and GPUs",
    "user, GPUs and limit",
    "user and name",
)
"""What a job's first keys are made of, in words; the others are like any job's."""
_NO_LIMIT: Final = 0.0
"""Stands for ln of the limit where there was none."""
_SIBLINGS_MAX: Final = 8
_SIBLING_WEIGHT: Final = 0.05
"""What one running sibling counts against the mixture's 1."""
_TAUS: Final = np.array(TAUS)
_AT: Final = [LEVELS.index(tau) for tau in TAUS]

Shape = tuple[str, str, str, int, float | None]
"""What jobs are alike by: user, name, template of the name, thousandths of GPUs, limit."""


class _Rows(NamedTuple):
    """Where the past of a job is kept, from what is most like it to what all jobs share."""

    alike: Rows
    """By the template of its name."""
    same: Rows
    """By its very name first."""
    told: Rows
    """Where its own run will be remembered."""


class Similar(msgspec.Struct, frozen=True):
    """Past runs that have something in common with a job."""

    alike: str
    runs: int
    """How many there were."""
    run_s: tuple[float, ...]
    """How long they took, the newest first; no more than are kept."""


class _Pending:
    """What was said of a job that has not ended, to learn from how it ends."""

    __slots__ = ("expert_log_s", "features", "quantiles_s", "shape")

    def __init__(
        self, shape: Shape, quantiles_s: Floats, expert_log_s: Floats, features: list[Floats]
    ) -> None:
        self.shape = shape
        self.quantiles_s = quantiles_s
        self.expert_log_s = expert_log_s
        self.features = features


class History:
    """Learns from every finished job and predicts the next; see the module."""

    def __init__(self, parts: Parts | None = None, learner: Learner | None = None) -> None:
        self.parts = parts = parts or Parts()
        self._rings = Rings()
        self._rows: dict[Shape, _Rows] = {}
        self._levels = AdaptiveLevels()
        self._learner = learner
        self._targets = Targets()
        self._weights = ExpertWeights(count=len(parts.experts) + (learner is not None))
        self._points = {
            name: POINT_EXPERTS[name]() for name in parts.experts if name in POINT_EXPERTS
        }
        self._errors = {name: Rings() for name in self._points}
        self._pending: dict[JobId, _Pending] = {}
        self._running: dict[Shape, dict[JobId, float]] = {}
        self._now_s = 0.0

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - not clairvoyant
        """Return calibrated quantiles, with the whole distribution in short."""
        shape = self._shape(job)
        features = self._features(job)
        experts, mixed = self._mixed(job, shape, features)
        # Read where it covers what it says.
        estimate = _read(mixed, self._levels.curve, limit_of(job))
        quantiles_s = np.array((estimate.q50_s, estimate.q80_s, estimate.q95_s))
        expert_log_s = np.array([expert.log_quantiles(_TAUS) for expert in experts])
        self._pending[job.id] = _Pending(shape, quantiles_s, expert_log_s, features)
        return estimate

    def foresee(self, job: Job, forecast: Sequence[tuple[float, float]] = ()) -> Estimate:
        """Return what is believed of a job that nobody has handed in; no end of it is awaited.

        A forecast comes as run times with weights, and counts among the runs of the job's own name
        as if it were so many more of them.
        """
        shape = self._shape(job)
        _, mixed = self._mixed(job, shape, self._features(job))
        levels = self._levels.curve
        if forecast:
            counted = sum(weight for _, weight in forecast)
            row = self._past_of(shape)[_NAME_GPUS : _NAME_GPUS + 1]
            seen = float(self._rings.weights(row, self._now_s, self.parts.half_life_s).sum())
            known = seen / (seen + counted)
            mixed = blended(mixed, lognormal(forecast, limit_of(job)), known)
            # The forecast says what it means: only the past is read at levels of its own.
            levels = known * levels + (1.0 - known) * np.array(LEVELS)
        return _read(mixed, levels, limit_of(job))

    def similar(self, job: Job) -> list[Similar]:
        """Return past runs that are like a job's, from most to least like it."""
        rings, rows = self._rings, self._past_of(self._shape(job))
        found: list[Similar] = []
        for alike, row in zip(_ALIKE, rows.tolist(), strict=False):
            slots = np.arange(rings.seen[row] - 1, max(rings.seen[row] - SIZE, 0) - 1, -1) % SIZE
            run_s = np.exp(rings.log_s[row, slots])
            if len(run_s) and (not found or len(run_s) > len(found[-1].run_s)):
                found.append(Similar(alike, int(rings.seen[row]), tuple(run_s.tolist())))
        return found

    def advance(self, at_s: float) -> None:
        """Take note of the time."""
        self._now_s = float(at_s)

    def started(self, job: Job) -> None:
        """Take note that a job runs: it tells its siblings something from now on."""
        pending = self._pending.get(job.id)
        if pending is not None:
            self._running.setdefault(_kind(pending.shape), {})[job.id] = self._now_s

    def stopped(self, job: Job) -> None:
        """Take note that a job no longer runs, whatever the reason."""
        pending = self._pending.get(job.id)
        if pending is None:
            return
        kind = _kind(pending.shape)
        siblings = self._running.get(kind)
        if siblings is not None and siblings.pop(job.id, None) is not None and not siblings:
            del self._running[kind]

    def learn(self, job: Job, run_s: float) -> None:
        """Remember a finished run, judge the experts by it and calibrate."""
        bounds.seconds("run_s", run_s)
        self.stopped(job)
        pending = self._pending.pop(job.id, None)
        shape = self._shape(job) if pending is None else pending.shape
        log_s = math.log(max(run_s, 1.0))
        log_limit_s = _NO_LIMIT if job.limit_s is None else _log_limit_s(job)
        self._rings.add(self._rows_of(shape).told, log_s, log_limit_s, self._now_s)
        if len(self._rings) > KEYS_MAX:
            self._rings = self._rings.newest(KEYS_MAX // 2)
            self._rows.clear()
        if pending is None:
            return
        if self.parts.calibrated:
            self._levels.learn(run_s, pending.quantiles_s)
        self._weights.learn(job.user, pinball(_TAUS, log_s, pending.expert_log_s))
        if self._learner is not None:
            self._learner.learn(pending.features[-1].tolist(), log_s)
            self._targets.learn(job, log_s, self._now_s)
        for (name, expert), features in zip(self._points.items(), pending.features, strict=False):
            error = log_s - expert.log_s(features)
            errors = self._errors[name]
            errors.add(errors.rows_of(_error_keys(job)), error, 0.0, self._now_s)
            expert.learn(job, features, log_s, self._now_s)

    def forget(self, job: Job) -> None:
        """Drop what was said of a job that will never run."""
        self.stopped(job)
        self._pending.pop(job.id, None)

    def save(self) -> bytes:
        """Return everything it knows as bytes; the same events always give the same bytes."""
        if self._learner is not None:
            raise InvalidFieldError("history", "learned", "has a trained model, which is not saved")
        pending = [
            PendingState(
                id_,
                told.shape,
                tuple(told.quantiles_s.tolist()),
                [tuple(row) for row in told.expert_log_s.tolist()],
                [column.tolist() for column in told.features],
            )
            for id_, told in self._pending.items()
        ]
        running = [one for siblings in self._running.values() for one in siblings.items()]
        return packed(
            HistoryState(
                parts=self.parts,
                now_s=self._now_s,
                levels=self._levels.state(),
                rings=self._rings.state(),
                weights=self._weights.state(),
                points={name: expert.state() for name, expert in self._points.items()},
                errors={name: errors.state() for name, errors in self._errors.items()},
                pending=pending,
                running=running,
            )
        )

    @classmethod
    def load(cls, data: bytes) -> History:
        """Build a history that goes on where the one that was saved has stopped."""
        state = unpacked(data)
        history = cls(state.parts)
        history._now_s = state.now_s
        history._levels = AdaptiveLevels(state.levels)
        history._rings = Rings.restored(state.rings)
        history._weights.restore(state.weights)
        for name, expert in history._points.items():
            expert.restore(state.points[name])
            history._errors[name] = Rings.restored(state.errors[name])
        for told in state.pending:
            history._pending[told.job] = _Pending(
                told.shape,
                np.array(told.quantiles_s),
                np.array(told.expert_log_s),
                [np.array(column) for column in told.features],
            )
        for id_, began_s in state.running:
            kind = _kind(history._pending[id_].shape)
            history._running.setdefault(kind, {})[id_] = began_s
        return history

    def begin_anew(self, at_s: float) -> None:
        """Go on in another run whose time begins at `at_s`, with what was learned and no jobs.

        Where that is before what is known, all of it is moved, so that the past stays the past.
        """
        self._pending.clear()
        self._running.clear()
        moved_s = min(at_s - self._now_s, 0.0)
        for rings in (self._rings, *self._errors.values()):
            rings.at_s += moved_s
        for expert in self._points.values():
            expert.move(moved_s)
        self._now_s = float(at_s)

    def _features(self, job: Job) -> list[Floats]:
        log_limit_s = _log_limit_s(job)
        found = [expert.features(job, log_limit_s, self._now_s) for expert in self._points.values()]
        if self._learner is not None:
            found.append(np.array(self._targets.features(job, log_limit_s, self._now_s)))
        return found

    def _mixed(
        self, job: Job, shape: Shape, features: list[Floats]
    ) -> tuple[list[Distribution], Distribution]:
        """Return what each expert believes and what all of them do, not calibrated yet."""
        log_limit_s = _log_limit_s(job)
        # 1. Each expert, over the points of all of them.
        experts = distributions(self._beliefs(job, shape, log_limit_s, features), log_limit_s)
        # 2. Joined, with room for longer runs than any, and with what running siblings tell.
        mixed = mixture(experts, self._weights.of(job.user))
        mixed = mixed.with_tail(self.parts.tail, log_limit_s)
        return experts, self._with_siblings(shape, mixed)

    def _shape(self, job: Job) -> Shape:
        template = template_of(job.name) if self.parts.templates else job.name
        limit_s = None if job.limit_s is None else float(job.limit_s)
        return job.user, job.name, template, job.gang.gpu_milli, limit_s

    def _rows_of(self, shape: Shape) -> _Rows:
        """Return the rows of jobs that are alike, made the first time."""
        rows = self._rows.get(shape)
        if rows is None:
            user, name, template, gpus, limit_s = shape
            alike = self._rings.rows_of(_keys(user, template, gpus, limit_s))
            same = alike
            if name != template:
                own = self._rings.rows_of(_keys(user, name, gpus, limit_s)[: _NAME + 1])
                same = np.concatenate((own, alike[1:2], alike[_NAME + 1 :]))
            rows = self._rows[shape] = _Rows(alike, same, np.union1d(alike, same))
        return rows

    def _past_of(self, shape: Shape) -> Rows:
        """Return the rows to predict from, from what is most like the job to what all share.

        Once the very name has run, its own runs come first, and its template's further behind.
        """
        known = self._rows_of(shape)
        return known.same if self._rings.seen[known.same[_NAME]] else known.alike

    def _beliefs(
        self, job: Job, shape: Shape, log_limit_s: float, features: list[Floats]
    ) -> list[Belief]:
        """Return what each expert believes, in the order of `parts.experts`."""
        rings, rows = self._rings, self._past_of(shape)
        log_prior_s = log_limit_s + _PRIOR_LOG_SHARES
        weights, prior, filled = self._backed_off(rings, rows)
        log_s = rings.log_s.take(rows, axis=0)[filled]
        beliefs: dict[str, Belief] = {
            RUN: (np.concatenate((log_s, log_prior_s)), np.concatenate((weights, prior)))
        }
        if SHARE in self.parts.experts:
            scaled = log_s
            if job.limit_s is not None:
                limits = rings.log_limit_s.take(rows, axis=0)[filled]
                # A run without a limit had no share of it: it took as long as it took.
                scaled = np.where(limits > _NO_LIMIT, log_s - limits + log_limit_s, log_s)
            beliefs[SHARE] = (np.concatenate((scaled, log_prior_s)), beliefs[RUN][1])
        for (name, expert), seen in zip(self._points.items(), features, strict=False):
            errors = self._errors[name]
            rows = errors.rows_of(_error_keys(job))
            weights, prior, filled = self._backed_off(errors, rows)
            point = expert.log_s(seen)
            beliefs[name] = (
                np.concatenate((point + errors.log_s[rows][filled], log_prior_s)),
                np.concatenate((weights, prior)),
            )
        found = [beliefs[name] for name in self.parts.experts]
        if self._learner is not None:
            quantiles = self._learner.log_quantiles(features[-1].tolist())
            found.append(learned.belief(quantiles, log_limit_s))
        return found

    def _backed_off(self, rings: Rings, rows: Rows) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return what each value in these rows counts, what the prior's points do, and which are.

        The rows go from specific to general.
        """
        weights = rings.weights(rows, self._now_s, self.parts.half_life_s)
        trust, left = self.parts.trust, 1.0
        scales: list[float] = []
        for seen in weights.sum(axis=1).tolist():
            scales.append(left / (seen + trust) if seen else 0.0)
            left *= trust / (seen + trust) if seen else 1.0
        filled = weights > 0.0
        prior = np.full(len(_PRIOR_LOG_SHARES), left / len(_PRIOR_LOG_SHARES))
        return (weights * np.array(scales)[:, None])[filled], prior, filled

    def _with_siblings(self, shape: Shape, mixed: Distribution) -> Distribution:
        siblings = self._running.get(_kind(shape)) if self.parts.siblings else None
        if not siblings:
            return mixed
        began_s = np.array(list(siblings.values())[-_SIBLINGS_MAX:])
        elapsed_s = np.maximum(self._now_s - began_s, 1.0)
        return censored(mixed, np.log(elapsed_s), _SIBLING_WEIGHT)


def _log_limit_s(job: Job) -> float:
    return math.log(max(limit_of(job), 1.0))


def _read(found: Distribution, levels: Floats, limit_s: float) -> Estimate:
    """Return the distribution in short, read at these levels for `LEVELS`."""
    curve_s = np.minimum(np.exp(found.log_quantiles(levels)), limit_s)
    q50_s, q80_s, q95_s = curve_s[_AT].tolist()
    return Estimate(q50_s, q80_s, q95_s, tuple(curve_s.tolist()))


def _kind(shape: Shape) -> Shape:
    """Return what a job shares with its siblings: user, template and GPUs."""
    user, _, template, gpus, _ = shape
    return user, "", template, gpus, None


def _error_keys(job: Job) -> tuple[Key, ...]:
    return ("user", job.user), ("all",)


def _keys(user: str, name: str, gpus: int, limit_s: float | None) -> tuple[Key, ...]:
    """Return the keys of a job, from the most specific to the one that all jobs share."""
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
