"""What a trace is once it has been read: jobs with their real run times, in order of submission."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import Job
from noljima.model.resources import GPU


class TraceJob(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job, when it was submitted, and how long it ran once it had started."""

    submit_s: float
    run_s: float
    job: Job
    outcome: Outcome = Outcome.SUCCEEDED

    def __post_init__(self) -> None:
        """Refuse times that no job has."""
        bounds.seconds("submit_s", self.submit_s)
        if bounds.seconds("run_s", self.run_s) == 0.0:
            raise InvalidFieldError("run_s", self.run_s, "is no time to run for")

    @property
    def gpu_s(self) -> float:
        """The work of the job in GPU seconds."""
        return self.run_s * self.job.gang.gpu_milli / GPU


class Problem(msgspec.Struct, frozen=True):
    """A row of the file that could not be used as it is, and why."""

    line: int
    words: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded or generated workload.

    Of the problems (rows left out) and the notes (rows changed) the first few are kept; the counts
    count all. So `len(jobs) + problem_count` is the number of rows that the reader has seen.
    """

    name: str
    jobs: tuple[TraceJob, ...]
    """By submit time; jobs of the same second in the order of the file."""
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    notes: tuple[Problem, ...] = ()
    note_count: int = 0
    source: str = ""
    """Where it comes from, for people."""
    epoch_s: float | None = None
    """The Unix time of second 0, where the trace tells it."""
    gpus: int | None = None
    """The GPUs (or processors) of the recorded machine, where the trace tells it."""
    header: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What the file says of itself, key by key."""

    def __post_init__(self) -> None:
        """Assert the order that every reader of a trace relies on."""
        pairs = itertools.pairwise(self.jobs)
        assert all(one.submit_s <= next_.submit_s for one, next_ in pairs), "jobs out of order"

    @property
    def span_s(self) -> float:
        """The time from the first to the last submission."""
        return self.jobs[-1].submit_s - self.jobs[0].submit_s if self.jobs else 0.0

    @property
    def gpu_s(self) -> float:
        """The work of all jobs in GPU seconds."""
        return math.fsum(job.gpu_s for job in self.jobs)

    @property
    def gpus_max(self) -> float:
        """The GPUs of the largest job."""
        return max((job.job.gang.gpu_milli for job in self.jobs), default=0) / GPU

    def load(self, gpus: int) -> float:
        """Say which share of `gpus` GPUs the jobs would keep busy from first to last submission.

        This is the offered load: above 1 the queue grows without end. Work that was submitted in
        no time at all is an infinite load.
        """
        work = self.gpu_s
        capacity = gpus * self.span_s
        return work / capacity if capacity else math.inf if work else 0.0
