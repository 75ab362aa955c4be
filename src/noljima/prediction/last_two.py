"""The mean of the user's last two run times.

Tsafrir, Etsion and Feitelson, "Backfilling Using System-Generated Predictions Rather Than User
Runtime Estimates", IEEE TPDS 18(6), 2007.
"""

from __future__ import annotations

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import limit_of


class LastTwo:
    """Believes that a user's next job runs like the last two; before that, the user's limit."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float | None]] = {}

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - not clairvoyant
        """Return the mean in whole seconds, as published, and at most the limit."""
        limit_s = limit_of(job)
        newest_s, older_s = self._last.get(job.user, (0.0, None))
        if older_s is None:
            return Estimate.point(limit_s)
        return Estimate.point(min(limit_s, (newest_s + older_s) // 2))

    def learn(self, job: Job, run_s: float) -> None:
        """Remember the run as the user's newest."""
        newest = self._last.get(job.user)
        self._last[job.user] = (run_s, None if newest is None else newest[0])
