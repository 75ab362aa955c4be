"""What happened in one run, as columns: a row a job, a row a stretch of running, a row a wait.

Figures and plots of a hundred thousand jobs are a few array operations on these columns; nothing
that reads them has to know events or commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from noljima.model.node import Node

if TYPE_CHECKING:
    from noljima.engine.promises import Settled  # costs 30 ms to load, and few runs have any

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Objects = NDArray[np.object_]


class Ending(IntEnum):
    """How a stretch of running ended."""

    FINISHED = 0
    EVICTED = 1
    START_FAILED = 2
    STILL_RUNNING = 3


QUEUED: Final = "queued"
HELD: Final = "held"
RUNNING: Final = "running"
INFEASIBLE: Final = "infeasible"
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """One row a job, in order of submission; NaN stands for a time that never came."""

    id: Objects
    name: Objects
    user: Objects
    queue: Objects
    gpu_milli: Integers
    submit_s: Floats
    first_start_s: Floats
    last_start_s: Floats
    """The start that lasted: a start that failed is none."""
    end_s: Floats
    run_s: Floats
    """The work in the job: what it would have taken alone and never evicted."""
    evictions: Integers
    lost_gpu_s: Floats
    """GPU-seconds held and thrown away: redone work, restarts and failed starts."""
    guest_started: Flags
    """Whether any of its stretches began as a guest."""
    outcome: Objects
    """An `Outcome`, or for a job that has not ended: queued, held, running or infeasible."""

    def __len__(self) -> int:
        """Count the jobs."""
        return len(self.id)

    def where(self, chosen: Flags) -> Jobs:
        """Return the chosen rows."""
        return Jobs(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})

    @property
    def wait_s(self) -> Floats:
        """The time from submission to end that was not work.

        For a job that was never evicted it is its start minus its submission, to the last bit.
        """
        spent_s = np.maximum(self.end_s - self.submit_s - self.run_s, 0.0)
        return np.where(self.evictions == 0, self.last_start_s - self.submit_s, spent_s)

    @property
    def completion_s(self) -> Floats:
        """The time from submission to end."""
        return self.end_s - self.submit_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """One row for each stretch in which a job held its GPUs, in order of their beginning."""

    job: Integers
    """The job's row in `Jobs`."""
    start_s: Floats
    end_s: Floats
    guest: Flags
    ending: Integers
    placement: Objects
    """A `Placement`, or None on a pool."""

    def __len__(self) -> int:
        """Count the stretches."""
        return len(self.job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """One row for each stretch in which a job waited for GPUs; a held job waits for its owner."""

    job: Integers
    start_s: Floats
    end_s: Floats

    def __len__(self) -> int:
        """Count the stretches."""
        return len(self.job)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of one policy."""

    policy: str
    estimates: str
    jobs: Jobs
    """Every job that was submitted, whatever became of it."""
    ended: Jobs
    """The jobs that ran to an end: the ones that figures speak of."""
    segments: Segments
    waits: Waits
    last_s: float
    """The moment of the last event."""
    nodes: tuple[Node, ...] = ()
    """The machines as they were last seen, in order of appearance."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Why each job that never fits was refused."""
    promises: tuple[Settled, ...] | None = None
    """What became of the promised start times, as they were made; None where none were made."""

    @property
    def refused(self) -> int:
        """Count the jobs that never fit."""
        return int(np.count_nonzero(self.jobs.outcome == INFEASIBLE))

    @property
    def withdrawn(self) -> int:
        """Count the jobs that their owners cancelled before they ran to an end."""
        return int(np.count_nonzero(np.isnan(self.jobs.end_s) & (self.jobs.outcome == CANCELLED)))

    @property
    def unfinished(self) -> int:
        """Count the jobs that still waited or ran at the last event."""
        return len(self.jobs) - len(self.ended) - self.refused - self.withdrawn

    def starts(self) -> dict[str, float]:
        """Map each started job to its start that lasted: the strict reference of other runs."""
        started = ~np.isnan(self.jobs.last_start_s)
        ids = self.jobs.id[started].tolist()
        return dict(zip(ids, self.jobs.last_start_s[started].tolist(), strict=True))
