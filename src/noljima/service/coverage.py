"""How often run times were not above what was told of them at submission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noljima.model.events import Outcome
from noljima.store.records import JobRecord

QUANTILES: Final = (0.5, 0.8, 0.95)


class Coverage:
    """Counts for each quantile, of jobs that ended well in one run.

    A job that failed or was ended says nothing of how long it would have run, and one that was
    evicted ran in pieces.
    """

    def __init__(self) -> None:
        self._jobs = 0
        self._within = dict.fromkeys(QUANTILES, 0)

    def ended(self, record: JobRecord) -> None:
        """Take in a job that has ended."""
        if record.outcome != Outcome.SUCCEEDED.value or record.evictions:
            return
        if record.estimate is None or record.started_s is None or record.ended_s is None:
            return
        ran_s = record.ended_s - record.started_s
        self._jobs += 1
        for quantile, estimate_s in zip(QUANTILES, record.estimate, strict=True):
            self._within[quantile] += ran_s <= estimate_s

    def shares(self) -> Mapping[float, float] | None:
        """Return the share for each quantile; None before the first such job."""
        if not self._jobs:
            return None
        return {quantile: within / self._jobs for quantile, within in self._within.items()}
