"""Jobs: what a user submits."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from noljima.model import bounds
from noljima.model.resources import Gang, JobId


class Priority(IntEnum):
    """The class of a job; a smaller number goes first."""

    URGENT = 0
    NORMAL = 1
    LOW = 2


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an eviction costs a job.

    `interval_s` is how often it saves its state: an eviction loses the work since the last save,
    and nothing where it is 0. None means that it never saves and an eviction loses everything.
    `restart_s` is what loading the state costs the next start.
    """

    interval_s: float | None = None
    restart_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        if self.interval_s is not None:
            bounds.seconds("checkpoint interval_s", self.interval_s)
        bounds.seconds("checkpoint restart_s", self.restart_s)

    def saved_of(self, worked_s: float) -> float:
        """Say how much of `worked_s` seconds of work, counted from the job's beginning, is saved.

        A saved state that costs more to load than it spares is not used, so that work and restart
        together never take longer than a run from the beginning.
        """
        if self.interval_s is None:
            return 0.0
        saved_s = worked_s if self.interval_s == 0 else worked_s - worked_s % self.interval_s
        return saved_s if saved_s > self.restart_s else 0.0


NO_CHECKPOINT = Checkpoint()


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request to run a gang once, as its user made it."""

    id: JobId
    gang: Gang
    user: str = ""
    name: str = ""
    queue: str = ""
    priority: Priority = Priority.NORMAL
    limit_s: float | None = None
    """The hard time limit; never mixed up with the estimate."""
    evictable: bool | None = None
    """None takes the queue's default; without one, all but whole-node jobs are evictable."""
    checkpoint: Checkpoint = NO_CHECKPOINT

    def __post_init__(self) -> None:
        """Refuse what no job can be."""
        bounds.text("job id", self.id, low=1)
        bounds.text("user", self.user)
        bounds.text("name", self.name)
        bounds.text("queue", self.queue)
        if self.limit_s is not None:
            bounds.seconds("limit_s", self.limit_s)
