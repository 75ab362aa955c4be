"""The user's own limit as the estimate: what EASY has always used."""

from __future__ import annotations

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import limit_of


class UserLimit:
    """Believes the user."""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - not clairvoyant
        """Return the limit."""
        return Estimate.point(limit_of(job))

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""
