"""A sink that remembers a run, for figures and plots afterwards.

It stands on the simulator's hot path, so that it only keeps the log while the run goes on; what
the log means is worked out once, when somebody asks for the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan, nan

import numpy as np

from noljima.model.commands import Command, Refuse, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Happened,
    Held,
    NodeLost,
    NodeSeen,
    OfRun,
    Outcome,
    Progressed,
    Released,
    StartFailed,
    Submitted,
)
from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU, JobId, NodeId
from noljima.report.record import (
    CANCELLED,
    HELD,
    INFEASIBLE,
    QUEUED,
    RUNNING,
    Ending,
    Jobs,
    Objects,
    RunRecord,
    Segments,
    Waits,
)


class Recorder:
    """Remembers every event and command of a run, in order."""

    __slots__ = ("_log",)

    def __init__(self) -> None:
        self._log: list[Event | Command] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take note of a batch of events and of what the engine made of it."""
        if not commands and len(events) == 1 and type(events[0]) is Progressed:
            return  # Most of what happens where jobs tell of it, and no figure is made of it.
        # A command carries no time: its moment is that of the event before it in the log.
        self._log += events
        self._log += commands

    def run(self, *, policy: str, estimates: str) -> RunRecord:
        """Work out what happened so far."""
        books = _Books()
        books.read(self._log)
        return books.record(policy, estimates)


class _Story:
    """What the log has told of one job so far."""

    __slots__ = (
        "attempt",
        "cancelled",
        "end_s",
        "evictions",
        "first_start_s",
        "gpu_milli",
        "guest",
        "held_s",
        "index",
        "last_start_s",
        "outcome",
        "saved_s",
        "segment",
        "submitted",
        "wait",
    )

    def __init__(self, index: int, submitted: Submitted) -> None:
        self.index = index
        self.submitted = submitted
        self.gpu_milli = submitted.job.gang.gpu_milli
        self.first_start_s = nan
        self.last_start_s = nan
        self.end_s = nan
        self.held_s = 0.0
        self.saved_s = 0.0
        self.attempt = 0
        self.evictions = 0
        self.guest = False
        self.cancelled = False
        self.outcome: str = QUEUED
        # Rows of the stretch that is open now; -1 is none.
        self.segment = -1
        self.wait = -1

    def is_past(self, event: OfRun) -> bool:
        """Say whether an event was told late, of a run before the present one."""
        return event.attempt not in (0, self.attempt)

    def run_s(self) -> float:
        """Return the work in the job: what the simulation knows, or what the log shows.

        A job that was stopped early did not do all the work that the simulation had for it.
        """
        oracle_s = self.submitted.oracle_s
        cut = self.outcome in (Outcome.LIMIT, Outcome.CANCELLED)
        if oracle_s is not None and not cut:
            return oracle_s
        if isnan(self.end_s):
            return nan
        restart_s = self.submitted.job.checkpoint.restart_s if self.saved_s > 0 else 0.0
        return self.saved_s + max(self.end_s - self.last_start_s - restart_s, 0.0)

    def lost_gpu_s(self) -> float:
        """Return the GPU-seconds that the job held beyond its work."""
        if isnan(self.end_s):
            return nan
        last_s = self.end_s - self.last_start_s
        if self.evictions == 0:  # exactly nothing, or what failed starts held
            return max(self.held_s - last_s, 0.0) * self.gpu_milli / GPU
        return max(self.held_s - self.run_s(), 0.0) * self.gpu_milli / GPU


class _Books:
    """The log, read into rows."""

    def __init__(self) -> None:
        self.stories: dict[JobId, _Story] = {}
        self.nodes: dict[NodeId, Node] = {}
        self.refusals: dict[str, str] = {}
        self.now_s = 0.0
        self.segment_job: list[int] = []
        self.segment_start_s: list[float] = []
        self.segment_end_s: list[float] = []
        self.segment_guest: list[bool] = []
        self.segment_ending: list[int] = []
        self.segment_placement: list[Placement | None] = []
        self.wait_job: list[int] = []
        self.wait_start_s: list[float] = []
        self.wait_end_s: list[float] = []

    def read(self, log: Iterable[Event | Command]) -> None:
        """Enter everything that the log tells."""
        for entry in log:
            if isinstance(entry, Happened):
                self.now_s = entry.at_s
            match entry:
                case Submitted():
                    self.submit(entry)
                case NodeSeen(node=node):
                    self.nodes[node.id] = node
                case NodeLost():
                    pass  # its lanes stay on the page: jobs have run there
                case Start() | Finished() | Evicted() | StartFailed() | Cancelled() | Held():
                    self.tell(entry)
                case Released() | Refuse():
                    self.tell(entry)
                case _:
                    pass  # nothing that a row would show

    def submit(self, event: Submitted) -> None:
        """Open a job's story; a second job of the same name is not one."""
        if event.job.id in self.stories:
            return
        story = _Story(len(self.stories), event)
        self.stories[event.job.id] = story
        self.begin_wait(story)

    def tell(
        self,
        entry: Start | Finished | Evicted | StartFailed | Cancelled | Held | Released | Refuse,
    ) -> None:
        """Go on with a job's story; of a job submitted before the log began nothing is told."""
        story = self.stories.get(entry.job)
        if story is None or (isinstance(entry, OfRun) and story.is_past(entry)):
            return
        match entry:
            case Start():
                self.start(story, entry)
            case Finished():
                self.finish(story, entry)
            case Evicted():
                self.evict(story, entry)
            case StartFailed():
                self.give_up_start(story)
            case Cancelled():
                self.cancel(story)
            case Held():
                self.hold(story)
            case Released():
                self.release(story)
            case Refuse(reason=reason):
                self.end_wait(story)
                story.outcome = INFEASIBLE
                self.refusals[entry.job] = reason

    def start(self, story: _Story, command: Start) -> None:
        """Begin a stretch of running."""
        if story.segment >= 0:
            return
        self.end_wait(story)
        story.segment = len(self.segment_job)
        story.attempt = command.attempt
        story.outcome = RUNNING
        self.refusals.pop(command.job, None)  # a node that joined made it feasible
        self.segment_job.append(story.index)
        self.segment_start_s.append(self.now_s)
        self.segment_end_s.append(nan)
        self.segment_guest.append(command.guest)
        self.segment_ending.append(Ending.STILL_RUNNING)
        placement = command.placement
        self.segment_placement.append(placement if placement.workers else None)

    def finish(self, story: _Story, event: Finished) -> None:
        """Close a story; a job that was stopped before it ran has no end."""
        self.end_wait(story)
        if story.segment >= 0:
            self.end_segment(story, Ending.FINISHED)
            story.end_s = self.now_s
        story.outcome = event.outcome.value

    def evict(self, story: _Story, event: Evicted) -> None:
        """End a stretch; the job waits again."""
        if story.segment < 0:
            return
        ran_s = self.now_s - self.segment_start_s[story.segment]
        self.end_segment(story, Ending.EVICTED)
        story.evictions += 1
        # As the engine does: no more is saved than there was time for.
        story.saved_s = min(event.saved_s, story.saved_s + ran_s)
        self.requeue(story)

    def give_up_start(self, story: _Story) -> None:
        """End a stretch that never was one; the job waits again."""
        if story.segment < 0:
            return
        self.end_segment(story, Ending.START_FAILED)
        self.requeue(story)

    def cancel(self, story: _Story) -> None:
        """Close the story of a waiting job; a running one ends when its driver says so."""
        story.cancelled = True
        if story.segment < 0 and isnan(story.end_s):
            self.end_wait(story)
            story.outcome = CANCELLED

    def hold(self, story: _Story) -> None:
        """Stop a waiting job's wait: it is its owner who makes it wait now."""
        if story.wait >= 0:
            self.end_wait(story)
            story.outcome = HELD

    def release(self, story: _Story) -> None:
        """Let a held job wait for GPUs again."""
        if story.outcome == HELD:
            self.begin_wait(story)

    def requeue(self, story: _Story) -> None:
        """Let a job that ran wait again, where it is still wanted."""
        if story.cancelled:
            story.outcome = CANCELLED
        else:
            self.begin_wait(story)

    def begin_wait(self, story: _Story) -> None:
        """Begin a stretch of waiting."""
        story.outcome = QUEUED
        story.wait = len(self.wait_job)
        self.wait_job.append(story.index)
        self.wait_start_s.append(self.now_s)
        self.wait_end_s.append(nan)

    def end_wait(self, story: _Story) -> None:
        """End the stretch of waiting, where there is one."""
        if story.wait >= 0:
            self.wait_end_s[story.wait] = self.now_s
            story.wait = -1

    def end_segment(self, story: _Story, ending: Ending) -> None:
        """End the stretch of running, and count it as a start unless it failed."""
        row = story.segment
        start_s = self.segment_start_s[row]
        self.segment_end_s[row] = self.now_s
        self.segment_ending[row] = ending
        story.held_s += self.now_s - start_s
        story.segment = -1
        if ending is Ending.START_FAILED:
            return
        if isnan(story.first_start_s):
            story.first_start_s = start_s
        story.last_start_s = start_s
        story.guest = story.guest or self.segment_guest[row]

    def record(self, policy: str, estimates: str) -> RunRecord:
        """Close what is still open at the last moment, and hand out the columns."""
        for story in self.stories.values():
            self.end_wait(story)
            if story.segment >= 0:
                self.end_segment(story, Ending.STILL_RUNNING)
        jobs = _job_columns(list(self.stories.values()))
        return RunRecord(
            policy=policy,
            estimates=estimates,
            jobs=jobs,
            ended=jobs.where(~np.isnan(jobs.end_s)),
            segments=Segments(
                job=np.array(self.segment_job, dtype=np.int64),
                start_s=np.array(self.segment_start_s, dtype=np.float64),
                end_s=np.array(self.segment_end_s, dtype=np.float64),
                guest=np.array(self.segment_guest, dtype=np.bool_),
                ending=np.array(self.segment_ending, dtype=np.int64),
                placement=_objects(self.segment_placement),
            ),
            waits=Waits(
                job=np.array(self.wait_job, dtype=np.int64),
                start_s=np.array(self.wait_start_s, dtype=np.float64),
                end_s=np.array(self.wait_end_s, dtype=np.float64),
            ),
            last_s=self.now_s,
            nodes=tuple(self.nodes.values()),
            refusals=self.refusals,
        )


def _job_columns(stories: Sequence[_Story]) -> Jobs:
    jobs = [story.submitted.job for story in stories]
    return Jobs(
        id=_objects([job.id for job in jobs]),
        name=_objects([job.name for job in jobs]),
        user=_objects([job.user for job in jobs]),
        queue=_objects([job.queue for job in jobs]),
        gpu_milli=np.array([story.gpu_milli for story in stories], dtype=np.int64),
        submit_s=np.array([story.submitted.at_s for story in stories], dtype=np.float64),
        first_start_s=np.array([story.first_start_s for story in stories], dtype=np.float64),
        last_start_s=np.array([story.last_start_s for story in stories], dtype=np.float64),
        end_s=np.array([story.end_s for story in stories], dtype=np.float64),
        run_s=np.array([story.run_s() for story in stories], dtype=np.float64),
        evictions=np.array([story.evictions for story in stories], dtype=np.int64),
        lost_gpu_s=np.array([story.lost_gpu_s() for story in stories], dtype=np.float64),
        guest_started=np.array([story.guest for story in stories], dtype=np.bool_),
        outcome=_objects([story.outcome for story in stories]),
    )


def _objects(values: Sequence[object]) -> Objects:
    column = np.empty(len(values), dtype=np.object_)
    # Not np.array(values): numpy would look into sequences such as placements for more axes.
    for row, value in enumerate(values):
        column[row] = value
    return column
