"""What the scheduler knows of one accepted job beyond what its user said."""

from __future__ import annotations

from typing import Final

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.lifecycle import State
from noljima.model.placements import IN_POOL, Placement
from noljima.placement.demand import Demand

Key = tuple[int, int, float, int]
"""Place in a line: priority class, lane, value, number of arrival; all different, small first."""

NEVER_S: Final = float("inf")
FILL_TAU: Final = 0.8
"""Which quantile of a run time decides whether a job ends in time, unless a policy says else."""


class Ticket:
    """One accepted job, waiting or running. The engine alone changes it."""

    __slots__ = (
        "_attained_s",
        "anchored",
        "attempt",
        "cancelled",
        "corrections",
        "demand",
        "due_s",
        "estimate",
        "evictable",
        "evictions",
        "expected_end_s",
        "fill_s",
        "firm",
        "gpu_milli",
        "guest",
        "job",
        "key",
        "number",
        "placement",
        "restart_s",
        "run_s",
        "saved_s",
        "start_s",
        "state",
        "submit_s",
    )

    def __init__(
        self, job: Job, number: int, submit_s: float, demand: Demand, estimate: Estimate
    ) -> None:
        self.job = job
        self.number = number
        self.submit_s = submit_s
        self.demand = demand
        self.gpu_milli = demand.gpu_milli
        self.estimate = estimate
        # The run time that "does it end before the reservation" believes in; corrections raise it.
        self.fill_s = estimate.at(FILL_TAU)
        self.corrections = 0
        self.key: Key = (job.priority, 0, 0.0, number)
        self.state = State.QUEUED
        self.evictable = True
        self.evictions = 0
        self.cancelled = False
        # The number of the present run, or of the last; 0 before the first.
        self.attempt = 0
        # Of the present run:
        self.start_s = NEVER_S
        self.restart_s = 0.0
        self.expected_end_s = NEVER_S
        self.placement: Placement = IN_POOL
        self.guest = False
        # Seconds that all earlier runs have taken, lost work included.
        self._attained_s = 0.0
        # Work from the job's beginning that is safe, and all of it once the job has ended.
        self.saved_s = 0.0
        self.run_s = NEVER_S
        # When the strict queue started the job, and whether it runs where the strict queue has it:
        # then nothing evicts it any more.
        self.due_s = NEVER_S
        self.anchored = False
        # Whether what it holds is held in `SchedulerState.firm` too.
        self.firm = False

    def remaining_s(self) -> float:
        """Say how long the next run is believed to take, loading the saved state included."""
        if self.saved_s > 0.0:
            return max(self.fill_s - self.saved_s, 0.0) + self.job.checkpoint.restart_s
        return self.fill_s

    def worked_s(self, now_s: float) -> float:
        """Say how much work from the job's beginning the present run has reached."""
        return self.saved_s + max(now_s - self.start_s - self.restart_s, 0.0)

    def attained_s(self, now_s: float) -> float:
        """Say how long the job has held its GPUs, over all its runs."""
        return self._attained_s + (now_s - self.start_s if self.start_s < NEVER_S else 0.0)

    def end_run(self, now_s: float) -> None:
        """Close the books of the present run."""
        self._attained_s += now_s - self.start_s
        self.start_s = NEVER_S
        self.expected_end_s = NEVER_S
        self.placement = IN_POOL
        self.guest = False

    def loss_s(self, now_s: float) -> float:
        """Say how many seconds of this run an eviction would throw away, restart costs included."""
        worked_s = self.worked_s(now_s)
        kept_s = max(self.job.checkpoint.saved_of(worked_s), self.saved_s)
        return max(now_s - self.start_s, 0.0) - (kept_s - self.saved_s)
