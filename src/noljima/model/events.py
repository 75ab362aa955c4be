"""What happened, outside the core, and when.

Events are all that the engine ever learns. A journal of them is a full record: fed to a new engine
they give the same commands.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from noljima.model import bounds
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.phase import Phase
from noljima.model.resources import JobId, NodeId


class Outcome(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LIMIT = "limit"


class Happened(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of every event; `at_s` never goes back from one event to the next."""

    at_s: float


class Submitted(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """A user handed in a job."""

    job: Job
    oracle_s: float | None = None
    """The run time that the job will turn out to have. Known in a simulation only, and read only
    by the clairvoyant estimators; it travels in the event so that a replay needs nothing else."""
    held: bool = False
    """Whether it is passed over from the beginning until it is released, with nothing in between:
    it waits for other jobs, or for its owner's word."""


class Cancelled(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody wants a job gone, waiting or running."""

    job: JobId


class Held(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody wants a waiting job to be passed over until it is released."""

    job: JobId


class Released(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """A held job may run again."""

    job: JobId


class OfRun(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what a driver tells of one run of a job."""

    job: JobId
    attempt: int = 0
    """Which run: the number that `Start` gave it. An old run's end, told late or again, is nothing
    to the present one. 0 means the present run; only a driver that cannot be late may say so."""


class Started(OfRun, frozen=True, kw_only=True, omit_defaults=True):
    """Every worker of a job is up."""


class StartFailed(OfRun, frozen=True, kw_only=True, omit_defaults=True):
    """A gang did not come up whole, and what had come up is gone again."""

    reason: str = ""


class Evicted(OfRun, frozen=True, kw_only=True, omit_defaults=True):
    """Every worker of a job has been stopped because the engine asked for it, or a node was lost.

    `saved_s` is the work, in seconds from the job's beginning, that its next start resumes from.
    """

    saved_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no work can be; `Engine` looks at whether there was time for so much."""
        bounds.seconds("saved_s", self.saved_s)


class Finished(OfRun, frozen=True, kw_only=True, omit_defaults=True):
    """Every worker of a job has ended."""

    outcome: Outcome = Outcome.SUCCEEDED


class Progressed(OfRun, frozen=True, kw_only=True, omit_defaults=True):
    """A running job has told how far it is, counted over the whole job and all its runs."""

    step: float
    total: float | None = None
    """None where the job does not say; less than `step` where it runs on past its end."""
    phase: Phase = Phase.TRAIN

    def __post_init__(self) -> None:
        """Refuse what no count of steps can be."""
        bounds.steps("step", self.step)
        if self.total is not None:
            bounds.steps("total", self.total)


class NodeSeen(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """A driver saw a node: new, or changed."""

    node: Node


class NodeLost(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """A node is gone; the jobs on it are told of by their own events."""

    node: NodeId


class Ticked(Happened, frozen=True, kw_only=True, omit_defaults=True):
    """Time passed: the moment that the engine asked to be woken at has come."""


Event = (
    Submitted
    | Cancelled
    | Held
    | Released
    | Started
    | StartFailed
    | Evicted
    | Finished
    | Progressed
    | NodeSeen
    | NodeLost
    | Ticked
)
