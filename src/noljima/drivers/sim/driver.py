"""Discrete events in virtual time, through the same ports as a real cluster."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final, assert_never

import msgspec

from noljima.drivers.sim.faults import NO_FAULTS, Faults, NodeFault
from noljima.drivers.sim.stepping import Stepping, Steps
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Event,
    Evicted,
    Finished,
    NodeLost,
    NodeSeen,
    Outcome,
    Progressed,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId

# An engine that is woken this often without anything happening is not getting anywhere.
_FRUITLESS_WAKES_MAX: Final = 10_000


class SimulatedJob(msgspec.Struct, frozen=True):
    """A job and what will become of it."""

    job: Job
    submit_s: float
    run_s: float
    outcome: Outcome = Outcome.SUCCEEDED


class _Due(Enum):
    """What a moment in the future brings."""

    END = auto()
    PROGRESS = auto()
    EVICTION = auto()
    KILL = auto()
    FAULT = auto()
    REPAIR = auto()


class _Run:
    """One run of a job, from its start to its end or eviction."""

    __slots__ = ("attempt", "began_s", "end_s", "entry", "outcome", "placement", "saved_s", "steps")

    def __init__(self, entry: SimulatedJob, command: Start, began_s: float, saved_s: float) -> None:
        self.entry = entry
        self.attempt = command.attempt
        self.placement = command.placement
        # When work goes on, that is after loading the saved state.
        self.began_s = began_s
        self.saved_s = saved_s
        self.outcome = entry.outcome
        self.end_s = began_s
        # Drawn when it first tells of its progress.
        self.steps: Steps | None = None

    def worked_s(self, at_s: float) -> float:
        """Return the work from the job's beginning that it has reached."""
        return self.saved_s + max(at_s - self.began_s, 0.0)


class Simulation:
    """A `Driver` whose jobs run as long as told, unless evicted or killed at their limit."""

    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Iterable[SimulatedJob],
        *,
        grace_s: float = 0.0,
        faults: Faults = NO_FAULTS,
        stepping: Stepping | None = None,
    ) -> None:
        self._arrivals = sorted(jobs, key=lambda entry: entry.submit_s)
        self._entries = {entry.job.id: entry for entry in self._arrivals}
        self._arrived = 0
        self._ended = 0
        # They are open again when a node that comes back lets them start after all.
        self._refused: set[JobId] = set()
        self._grace_s = grace_s
        self._stepping = stepping
        self._first_s = self._arrivals[0].submit_s if self._arrivals else 0.0
        self._now_s = self._first_s
        self._soon: list[Event] = [NodeSeen(at_s=self._first_s, node=node) for node in nodes]
        self._nodes = {node.id: node for node in nodes}
        self._heap: list[tuple[float, int, _Due, _Run | NodeFault]] = []
        self._pushed = 0
        self._down: set[NodeId] = set()
        self._runs: dict[JobId, _Run] = {}
        self._saved_s: dict[JobId, float] = {}
        self._failing = dict(faults.start_failures)
        self._fruitless = 0
        for fault in faults.nodes:
            self._push(max(fault.at_s, self._first_s), _Due.FAULT, fault)

    @property
    def now_s(self) -> float:
        """The virtual time."""
        return self._now_s

    @property
    def open_jobs(self) -> int:
        """How many jobs have neither ended nor been refused."""
        return len(self._entries) - self._ended - len(self._refused)

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Jump to the next moment in which something happens."""
        if self._soon:
            events, self._soon = tuple(self._soon), []
            return events
        happened: list[Event] = []
        # What was planned for a run that is over no longer happens: then what comes next.
        while not happened:
            if self.open_jobs == 0 and not (self._refused and self._heap):
                return ()
            at_s = self._next_s()
            if until_s is not None and (at_s is None or until_s < at_s):
                self._fruitless += 1
                if self._fruitless > _FRUITLESS_WAKES_MAX and at_s is None:
                    return ()
                self._now_s = max(until_s, self._now_s)
                return (Ticked(at_s=self._now_s),)
            if at_s is None:
                return ()
            self._now_s = at_s
            self._fruitless = 0
            happened = self._happening(at_s)
        return tuple(happened)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Carry out commands: starts take no time, evictions and kills the grace."""
        for command in commands:
            match command:
                case Start():
                    self._start(at_s, command)
                case Evict():
                    self._stop(at_s, command.job, _Due.EVICTION)
                case Stop():
                    self._stop(at_s, command.job, _Due.KILL)
                case Refuse():
                    self._refused.add(command.job)
                case _:
                    assert_never(command)

    def _next_s(self) -> float | None:
        arrival_s = (
            self._arrivals[self._arrived].submit_s if self._arrived < len(self._arrivals) else None
        )
        if not self._heap:
            return arrival_s
        due_s = self._heap[0][0]
        return due_s if arrival_s is None or due_s < arrival_s else arrival_s

    def _happening(self, at_s: float) -> list[Event]:
        """Collect all events of one moment: submissions first, then the rest as it came about."""
        events: list[Event] = []
        while self._arrived < len(self._arrivals):
            entry = self._arrivals[self._arrived]
            if entry.submit_s != at_s:
                break
            self._arrived += 1
            events.append(Submitted(at_s=at_s, job=entry.job, oracle_s=entry.run_s))
        while self._heap and self._heap[0][0] == at_s:
            _, _, due, subject = heapq.heappop(self._heap)
            if isinstance(subject, NodeFault):
                events += self._fault(at_s, due, subject)
            elif self._runs.get(subject.entry.job.id) is not subject:
                pass
            elif due is _Due.PROGRESS:
                events.append(self._progress(at_s, subject))
            else:
                events.append(self._end(at_s, due, subject))
        return events

    def _progress(self, at_s: float, run: _Run) -> Event:
        """Let a job tell how far it is, and the next time if it still runs then."""
        assert self._stepping is not None
        entry = run.entry
        if run.steps is None:
            run.steps = Steps(self._stepping, entry.job.id, entry.run_s)
        step, phase = run.steps.at(run.worked_s(at_s))
        self._tell_of_progress(at_s, run)
        return Progressed(
            at_s=at_s,
            job=entry.job.id,
            attempt=run.attempt,
            step=step,
            total=run.steps.total,
            phase=phase,
        )

    def _tell_of_progress(self, at_s: float, run: _Run) -> None:
        if self._stepping is not None and at_s + self._stepping.every_s < run.end_s:
            self._push(at_s + self._stepping.every_s, _Due.PROGRESS, run)

    def _end(self, at_s: float, due: _Due, run: _Run) -> Event:
        job = run.entry.job.id
        del self._runs[job]
        if due is _Due.EVICTION:
            saved_s = max(run.entry.job.checkpoint.saved_of(run.worked_s(at_s)), run.saved_s)
            self._saved_s[job] = saved_s
            return Evicted(at_s=at_s, job=job, attempt=run.attempt, saved_s=saved_s)
        self._ended += 1
        outcome = Outcome.CANCELLED if due is _Due.KILL else run.outcome
        return Finished(at_s=at_s, job=job, attempt=run.attempt, outcome=outcome)

    def _start(self, at_s: float, command: Start) -> None:
        entry = self._entries[command.job]
        self._refused.discard(command.job)
        failure = self._start_failure(command)
        if failure:
            self._soon.append(
                StartFailed(at_s=at_s, job=command.job, attempt=command.attempt, reason=failure)
            )
            return
        saved_s = self._saved_s.get(command.job, 0.0)
        restart_s = entry.job.checkpoint.restart_s if saved_s > 0.0 else 0.0
        run = _Run(entry, command, at_s + restart_s, saved_s)
        work_s = entry.run_s
        if entry.job.limit_s is not None and entry.job.limit_s < work_s:
            work_s = entry.job.limit_s
            run.outcome = Outcome.LIMIT
        self._runs[command.job] = run
        self._soon.append(Started(at_s=at_s, job=command.job, attempt=command.attempt))
        run.end_s = run.began_s + (work_s - saved_s)
        self._push(run.end_s, _Due.END, run)
        self._tell_of_progress(at_s, run)

    def _start_failure(self, command: Start) -> str:
        """Say why a start fails; nothing where it does not."""
        if self._failing.get(command.job, 0) > 0:
            self._failing[command.job] -= 1
            return "injected fault"
        # A policy that plans after each event may have planned before it heard of the loss.
        lost = [worker.node for worker in command.placement.workers if worker.node in self._down]
        return f"node {lost[0]} is lost" if lost else ""

    def _stop(self, at_s: float, job: JobId, due: _Due) -> None:
        """Let a run end after the grace; pass over one that is over."""
        if job in self._runs:
            self._push(at_s + self._grace_s, due, self._runs[job])

    def _fault(self, at_s: float, due: _Due, fault: NodeFault) -> list[Event]:
        """Lose a node and all that runs on it, or get it back."""
        node = self._nodes.get(fault.node)
        if node is None:
            return []
        if due is _Due.REPAIR:
            self._down.discard(node.id)
            return [NodeSeen(at_s=at_s, node=node)]
        self._down.add(node.id)
        self._push(at_s + fault.repair_s, _Due.REPAIR, fault)
        lost: list[Event] = [NodeLost(at_s=at_s, node=fault.node)]
        hit = [
            run
            for run in self._runs.values()
            if any(worker.node == fault.node for worker in run.placement.workers)
        ]
        return lost + [self._end(at_s, _Due.EVICTION, run) for run in hit]

    def _push(self, at_s: float, due: _Due, subject: _Run | NodeFault) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (at_s, self._pushed, due, subject))
