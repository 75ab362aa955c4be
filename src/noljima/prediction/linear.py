"""Run times by a linear model that learns with every job that ends.

Gaussier, Glesser, Reis and Trystram, "Improving Backfilling by Using Machine Learning to Predict
Running Times", SC 2015: what is said too long costs its square, what is said too short its size,
and large jobs weigh more, because backfilling suffers so. Steps are scaled by feature and by past
gradients (Ross, Mineiro and Langford, "Normalized Online Learning", UAI 2013; Duchi, Hazan and
Singer, "Adaptive Subgradient Methods", JMLR 12, 2011). Here it learns logarithms, so that one rate
does for seconds and for days.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import GPU
from noljima.prediction.distribution import Floats

_RATE: Final = 0.1
_GRADIENT_MAX: Final = 4.0
_FADE: Final = 0.1
_NEW_USER: Final = -1.5
"""What is believed of a new user's runs: e^-1.5 of the limit, a fifth."""
_DAY_S: Final = 86400.0
_FEATURES: Final = 13
_MEAN: Final = 5
"""The place of the user's mean among the features: where the model begins."""


class _User(msgspec.Struct):
    """What is known of a user."""

    newest: list[float]
    mean: float
    at_s: float
    by_gpus: dict[int, float]


class LinearState(msgspec.Struct, frozen=True):
    """What `OnlineLinear` knows."""

    weights: list[float]
    scales: list[float]
    squares: list[float]
    users: dict[str, _User]

    def __post_init__(self) -> None:
        """Refuse columns of another length, and values that are none."""
        for column in (self.weights, self.scales, self.squares):
            if len(column) != _FEATURES or not all(map(math.isfinite, column)):
                raise InvalidFieldError("linear", len(column), f"are no {_FEATURES} numbers")


class OnlineLinear:
    """Expects what a linear function of the job and its user's past says."""

    def __init__(self) -> None:
        self._weights: Floats = np.zeros(_FEATURES)
        self._weights[_MEAN] = 1.0
        self._scales: Floats = np.full(_FEATURES, 1e-8)
        self._squares: Floats = np.full(_FEATURES, 1e-8)
        self._users: dict[str, _User] = {}

    def features(self, job: Job, log_limit_s: float, now_s: float) -> Floats:
        """Return what the model looks at."""
        user = self._users.get(job.user)
        if user is None:
            mean = with_gpus = log_limit_s + _NEW_USER
            newest, pause = [mean] * 3, 10.0
        else:
            newest, mean = user.newest, user.mean
            with_gpus = user.by_gpus.get(job.gang.gpu_milli, mean)
            pause = math.log1p(max(now_s - user.at_s, 0.0))
        day, week = (math.tau * (now_s % span) / span for span in (_DAY_S, 7.0 * _DAY_S))
        return np.array(
            (
                1.0,
                log_limit_s,
                *newest,
                mean,
                with_gpus,
                math.log(max(job.gang.gpu_milli, 1) / GPU),
                pause,
                math.sin(day),
                math.cos(day),
                math.sin(week),
                math.cos(week),
            )
        )

    def log_s(self, features: Floats) -> float:
        """Return ln of the run time that the model expects."""
        return float(self._weights @ features)

    def learn(self, job: Job, features: Floats, log_s: float, now_s: float) -> None:
        """Move the model a step towards what came of a prediction, and remember the run."""
        self._scales = np.maximum(self._scales, np.abs(features))
        over = self.log_s(features) - log_s
        size = math.log1p(math.exp(log_s) * job.gang.gpu_milli / GPU) / 10.0
        slope = size * (min(2.0 * over, _GRADIENT_MAX) if over > 0.0 else -1.0)
        gradient = slope * features / self._scales
        self._squares += gradient * gradient
        self._weights -= _RATE * gradient / np.sqrt(self._squares) / self._scales
        self._remember(job, log_s, now_s)

    def move(self, by_s: float) -> None:
        """Let everything have happened so much later."""
        for user in self._users.values():
            user.at_s += by_s

    def model(self) -> LinearState:
        """Return what it knows as plain values."""
        return LinearState(
            self._weights.tolist(), self._scales.tolist(), self._squares.tolist(), self._users
        )

    def load(self, state: LinearState) -> None:
        """Know what another one knew."""
        self._weights = np.array(state.weights)
        self._scales = np.array(state.scales)
        self._squares = np.array(state.squares)
        self._users = state.users

    def _remember(self, job: Job, log_s: float, now_s: float) -> None:
        user, gpus = self._users.get(job.user), job.gang.gpu_milli
        if user is None:
            self._users[job.user] = _User([log_s] * 3, log_s, now_s, {gpus: log_s})
            return
        user.newest = [log_s, *user.newest[:2]]
        user.mean += _FADE * (log_s - user.mean)
        user.at_s = now_s
        before = user.by_gpus.get(gpus, log_s)
        user.by_gpus[gpus] = before + 3.0 * _FADE * (log_s - before)
