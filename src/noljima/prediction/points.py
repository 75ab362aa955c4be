"""Experts that know one number: each becomes a distribution by how wrong it was lately.

What an expert says is multiplied by the ratios of real to predicted run times that it has left
behind: this user's first, everybody's for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
import numpy as np

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.prediction.distribution import Floats
from noljima.prediction.linear import LinearState, OnlineLinear


class PointsState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an expert of this kind knows; most know nothing, or little."""

    runs_s: dict[str, tuple[float, float]] = {}
    linear: LinearState | None = None


class PointExpert(Protocol):
    """Says one number about a job."""

    def features(self, job: Job, log_limit_s: float, now_s: float) -> Floats:
        """Return what it looks at, to be handed back when the job has ended."""
        ...

    def log_s(self, features: Floats) -> float:
        """Return ln of the run time that it expects."""
        ...

    def learn(self, job: Job, features: Floats, log_s: float, now_s: float) -> None:
        """Take note of how long a job has run."""
        ...

    def move(self, by_s: float) -> None:
        """Let everything have happened so much later."""
        ...

    def state(self) -> PointsState:
        """Return what it knows as plain values."""
        ...

    def restore(self, state: PointsState) -> None:
        """Know what another one knew."""
        ...


class UserLimit:
    """Expects every job to run up to its limit."""

    def features(self, job: Job, log_limit_s: float, now_s: float) -> Floats:  # noqa: ARG002 - as all
        """Look at the limit."""
        return np.array((log_limit_s,))

    def log_s(self, features: Floats) -> float:
        """Return the limit."""
        return float(features[0])

    def learn(self, job: Job, features: Floats, log_s: float, now_s: float) -> None:
        """Learn nothing."""

    def move(self, by_s: float) -> None:
        """Know no times."""

    def state(self) -> PointsState:
        """Return nothing."""
        return PointsState()

    def restore(self, state: PointsState) -> None:
        """Know nothing."""


class LastTwo(UserLimit):
    """Expects the mean of the user's last two run times (Tsafrir et al., IEEE TPDS 18(6), 2007)."""

    def __init__(self) -> None:
        self._runs_s: dict[str, tuple[float, float]] = {}

    def features(self, job: Job, log_limit_s: float, now_s: float) -> Floats:  # noqa: ARG002 - as all
        """Look at the mean; at the limit of a user who is new."""
        runs_s = self._runs_s.get(job.user)
        if runs_s is None:
            return np.array((log_limit_s,))
        return np.array((min(math.log((runs_s[0] + runs_s[1]) / 2.0), log_limit_s),))

    def learn(self, job: Job, features: Floats, log_s: float, now_s: float) -> None:  # noqa: ARG002 - as all
        """Remember the newest two."""
        run_s = math.exp(log_s)
        newest_s, _ = self._runs_s.get(job.user, (run_s, run_s))
        self._runs_s[job.user] = (run_s, newest_s)

    def state(self) -> PointsState:
        """Return the users' last runs."""
        return PointsState(runs_s=self._runs_s)

    def restore(self, state: PointsState) -> None:
        """Know what another one knew."""
        self._runs_s = dict(state.runs_s)


class Linear(OnlineLinear):
    """The linear model among the others."""

    def state(self) -> PointsState:
        """Return the model."""
        return PointsState(linear=self.model())

    def restore(self, state: PointsState) -> None:
        """Know what another one knew."""
        if state.linear is None:
            raise InvalidFieldError("linear", None, "is no model")
        self.load(state.linear)


POINT_EXPERTS: Final[Mapping[str, Callable[[], PointExpert]]] = {
    "limit": UserLimit,
    "last-two": LastTwo,
    "linear": Linear,
}
