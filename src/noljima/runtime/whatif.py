"""An engine played forward in virtual time: who starts when if all run as long as is believed.

What is played is a copy, which is thrown away. Every job takes its middle run time, one that runs
already what is left of it; an eviction takes no time and loses what was not saved.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

import msgspec

from noljima.engine import Engine
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import Event, Evicted, Finished, Outcome, Started, Ticked
from noljima.model.resources import JobId
from noljima.policy.ticket import NEVER_S, Ticket

MOMENTS_MAX: Final = 50_000
"""After so many moments it is enough: what has not started by then is said to start never."""
_FRUITLESS_MAX: Final = 1_000
_SHORTEST_S: Final = 1.0


class Played(NamedTuple):
    """What came of it."""

    start_s: dict[JobId, float]
    """When each job first started of those that waited."""
    end_s: float
    """When the last has ended."""
    whole: bool
    """Whether it was played to the end."""


class _Run(NamedTuple):
    """One run of a job: its end, and a number that tells equal times apart."""

    end_s: float
    number: int
    job: JobId
    attempt: int


class Forward:
    """Plays one engine to the end of all jobs that it has."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._now_s = engine.state.now_s
        self._waiting = {job for job in engine.tickets if job not in engine.state.running}
        self._start_s: dict[JobId, float] = {}
        self._runs: list[_Run] = []
        self._pushed = 0
        self._soon: list[Event] = []
        # What jobs take in all, decided once: an estimate that is corrected meanwhile is no truth.
        self._takes_s = {job: _takes_s(ticket) for job, ticket in engine.tickets.items()}
        for ticket in engine.state.running.values():
            self._take_over(ticket)

    def play(self, *events: Event, moments_max: int = MOMENTS_MAX) -> Played:
        """Let events happen first, and then whatever follows."""
        if events:
            # They come now, which may be long after what the engine was last told.
            self._now_s = max(self._now_s, *(event.at_s for event in events))
            self._soon = [msgspec.structs.replace(each, at_s=self._now_s) for each in self._soon]
            self._handle(events)
        moments = fruitless = 0
        while moments < moments_max and fruitless < _FRUITLESS_MAX:
            happening = self._next()
            if not happening:
                return Played(self._start_s, self._now_s, whole=True)
            moments += 1
            fruitless = fruitless + 1 if isinstance(happening[0], Ticked) else 0
            self._handle(happening)
        return Played(self._start_s, self._now_s, whole=fruitless >= _FRUITLESS_MAX)

    def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            # A job that comes while it is played waits like the others.
            job = getattr(event, "job", None)
            if job is not None and not isinstance(job, str):
                self._waiting.add(job.id)
        self._do(self._engine.handle(*events))

    def _next(self) -> tuple[Event, ...]:
        """Return what happens next; nothing where nothing ever will."""
        if self._soon:
            events, self._soon = tuple(self._soon), []
            return events
        wake_s = max(self._engine.wake_s, self._now_s)
        end_s = self._next_end_s()
        if end_s <= wake_s and end_s < NEVER_S:
            self._now_s = max(end_s, self._now_s)
            # All that end in one moment: who needs the room of two is not to be passed over.
            ending: list[Event] = []
            while self._next_end_s() <= self._now_s:
                ending.append(self._end_of(heapq.heappop(self._runs)))
            return tuple(ending)
        if wake_s == NEVER_S or not self._engine.tickets:
            return ()
        self._now_s = wake_s
        return (Ticked(at_s=wake_s),)

    def _next_end_s(self) -> float:
        """Say when the next run ends; what was planned for runs that are over is forgotten."""
        while self._runs and not self._runs_still(self._runs[0]):
            heapq.heappop(self._runs)
        return self._runs[0].end_s if self._runs else NEVER_S

    def _runs_still(self, run: _Run) -> bool:
        ticket = self._engine.tickets.get(run.job)
        at_work = run.job in self._engine.state.running
        return ticket is not None and at_work and ticket.attempt == run.attempt

    def _end_of(self, run: _Run) -> Event:
        return Finished(at_s=self._now_s, job=run.job, attempt=run.attempt)

    def _do(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Start():
                    self._start(command)
                case Evict():
                    self._evict(command.job)
                case Stop():
                    self._soon.append(self._stopped(command.job))
                case Refuse():
                    pass
                case _:
                    assert_never(command)

    def _start(self, command: Start) -> None:
        job = command.job
        ticket = self._engine.tickets[job]
        if job in self._waiting:
            self._start_s.setdefault(job, self._now_s)
        takes_s = self._takes_s.setdefault(job, _takes_s(ticket))
        self._soon.append(Started(at_s=self._now_s, job=job, attempt=command.attempt))
        left_s = max(takes_s - ticket.saved_s, _SHORTEST_S) + ticket.restart_s
        self._push(job, command.attempt, self._now_s + left_s)

    def _evict(self, job: JobId) -> None:
        ticket = self._engine.tickets[job]
        saved_s = max(ticket.job.checkpoint.saved_of(ticket.worked_s(self._now_s)), ticket.saved_s)
        self._soon.append(
            Evicted(at_s=self._now_s, job=job, attempt=ticket.attempt, saved_s=saved_s)
        )

    def _stopped(self, job: JobId) -> Event:
        attempt = self._engine.tickets[job].attempt
        return Finished(at_s=self._now_s, job=job, attempt=attempt, outcome=Outcome.CANCELLED)

    def _take_over(self, ticket: Ticket) -> None:
        """Let a job that holds GPUs already go on, or go where it was told to."""
        job = ticket.job.id
        if job in self._engine.state.stopping:
            if ticket.cancelled:
                self._soon.append(self._stopped(job))
            else:
                self._evict(job)
            return
        left_s = self._takes_s[job] - ticket.worked_s(self._now_s)
        if left_s <= 0.0:
            # It has outlived the middle: what is believed of it since.
            left_s = max(ticket.expected_end_s - self._now_s, _SHORTEST_S)
        self._push(job, ticket.attempt, self._now_s + left_s)

    def _push(self, job: JobId, attempt: int, end_s: float) -> None:
        self._pushed += 1
        heapq.heappush(self._runs, _Run(end_s, self._pushed, job, attempt))


def _takes_s(ticket: Ticket) -> float:
    return max(float(ticket.estimate.q50_s), _SHORTEST_S)
