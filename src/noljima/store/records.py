"""One record for each job: what `history` shows long after the engine has forgotten it.

A record is taken from the engine's own books after each batch, so that nothing is counted twice in
two places; only what the engine does not keep (starts that failed, the first start, the end) is
noted from the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from msgspec.structs import replace

from noljima.engine import Engine
from noljima.model.commands import Command, Refuse
from noljima.model.estimate import Estimate
from noljima.model.events import (
    Cancelled,
    Event,
    Finished,
    NodeLost,
    NodeSeen,
    Outcome,
    Started,
    StartFailed,
    Submitted,
)
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.policy.ticket import NEVER_S, Ticket


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was told to the owner when the job was accepted."""

    source: str = ""
    """Where the estimate comes from, in words."""
    start_s: float | None = None
    """When it was expected to start."""
    by_s: float | None = None
    """By when it was promised to start."""


class JobRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What is known of one job; times are those of the events."""

    job: str
    user: str = ""
    name: str = ""
    queue: str = ""
    gpu_milli: int = 0
    workers: int = 1
    state: str
    submitted_s: float
    estimate: tuple[float, float, float] | None = None
    """q50, q80 and q95 of the run time as believed at submission."""
    told: Told = Told()
    first_started_s: float | None = None
    started_s: float | None = None
    """When the present run, or the last one, began."""
    ended_s: float | None = None
    outcome: str = ""
    evictions: int = 0
    start_failures: int = 0
    guest: bool = False
    """Whether the present run, or the last one, began out of order."""
    nodes: tuple[str, ...] = ()
    """Where the present run is, or the last one was."""
    cancelled: bool = False
    """Whether somebody wants, or wanted, it gone."""
    words: str = ""
    """Why it cannot run, or why its last start failed."""


NOT_TOLD: Final = Told()
_BEGUN: Final = frozenset({State.RUNNING, State.STOPPING})


class Clerk:
    """Keeps the records of the jobs that have not ended."""

    def __init__(self, unended: Iterable[JobRecord] = ()) -> None:
        self._open = {JobId(record.job): record for record in unended}

    def records(
        self,
        engine: Engine,
        events: Sequence[Event],
        commands: Sequence[Command],
        told: Mapping[JobId, Told] | None = None,
    ) -> tuple[JobRecord, ...]:
        """Return the records that a batch has changed; the engine has handled it already."""
        touched = dict.fromkeys(_jobs_of(events, commands))
        if any(isinstance(event, NodeSeen | NodeLost) for event in events):
            # What can run again on a new node is told of by no event and no command.
            touched |= dict.fromkeys(self._open)
        before = {job: self._open[job] for job in touched if job in self._open}
        given_up = {event.job for event in events if isinstance(event, Cancelled)}
        for event in events:
            if isinstance(event, Submitted):
                self._accept(engine, event, told or {}, given_up)
            else:
                self._note(event)
        refused = {command.job: command.reason for command in commands if type(command) is Refuse}
        changed: list[JobRecord] = []
        for job in touched:
            record = self._settled(engine, job, events, refused)
            if record is not None and record != before.get(job):
                changed.append(record)
        return tuple(changed)

    def _accept(
        self,
        engine: Engine,
        event: Submitted,
        told: Mapping[JobId, Told],
        given_up: AbstractSet[JobId],
    ) -> None:
        """Begin the record of a job that the engine has just taken, or taken and let go again."""
        job = event.job
        ticket = engine.tickets.get(job.id)
        # A driver may tell twice; the first time counts.
        fresh = job.id in given_up if ticket is None else ticket.submit_s == event.at_s
        if fresh and job.id not in self._open:
            estimate = None if ticket is None else ticket.estimate
            self._open[job.id] = _accepted(event, estimate, told.get(job.id, NOT_TOLD))

    def _note(self, event: Event) -> None:
        """Take in what only the event says."""
        if isinstance(event, Cancelled) and event.job in self._open:
            self._open[event.job] = replace(self._open[event.job], cancelled=True)
        elif isinstance(event, StartFailed) and event.job in self._open:
            record = self._open[event.job]
            failures = record.start_failures + 1
            self._open[event.job] = replace(record, start_failures=failures, words=event.reason)

    def _settled(
        self, engine: Engine, job: JobId, events: Sequence[Event], refused: Mapping[JobId, str]
    ) -> JobRecord | None:
        """Bring the record of a job up to date; None where there is none."""
        record = self._open.get(job)
        if record is None:
            return None
        ticket = engine.tickets.get(job)
        if ticket is None:
            return _ended(self._open.pop(job), events)
        record = _standing(record, ticket)
        if job in refused:
            record = replace(record, words=refused[job])
        self._open[job] = record
        return record


_END_STATES: Final[Mapping[Outcome, str]] = {
    Outcome.SUCCEEDED: State.SUCCEEDED.value,
    Outcome.FAILED: State.FAILED.value,
    Outcome.LIMIT: State.FAILED.value,
    Outcome.CANCELLED: State.CANCELLED.value,
}


def _jobs_of(events: Sequence[Event], commands: Sequence[Command]) -> Iterator[JobId]:
    """Name the jobs of a batch."""
    for noun in (*events, *commands):
        subject = noun.job.id if isinstance(noun, Submitted) else getattr(noun, "job", None)
        if subject is not None:
            yield subject


def _accepted(event: Submitted, estimate: Estimate | None, told: Told) -> JobRecord:
    job = event.job
    return JobRecord(
        job=job.id,
        user=job.user,
        name=job.name,
        queue=job.queue,
        gpu_milli=job.gang.gpu_milli,
        workers=job.gang.workers,
        state=State.QUEUED.value,
        submitted_s=event.at_s,
        estimate=None if estimate is None else _quantiles(estimate),
        told=told,
    )


def _quantiles(estimate: Estimate) -> tuple[float, float, float]:
    return (float(estimate.q50_s), float(estimate.q80_s), float(estimate.q95_s))


def _ended(record: JobRecord, events: Sequence[Event]) -> JobRecord:
    """Close the record of a job that the engine no longer knows."""
    ends = [e for e in events if isinstance(e, Finished) and e.job == record.job]
    if record.state == State.STARTING:
        # It has ended in the moment in which it started, and was never seen to run.
        begun = [e.at_s for e in events if isinstance(e, Started) and e.job == record.job]
        started_s = begun[-1] if begun else record.started_s
        first_s = started_s if record.first_started_s is None else record.first_started_s
        record = replace(record, started_s=started_s, first_started_s=first_s)
    outcome = ends[-1].outcome if ends and not record.cancelled else Outcome.CANCELLED
    return replace(
        record,
        state=_END_STATES[outcome],
        outcome=str(outcome.value),
        ended_s=(ends or events)[-1].at_s,
    )


def _standing(record: JobRecord, ticket: Ticket) -> JobRecord:
    """Take over what the engine says of a job that has not ended."""
    begun = ticket.state in _BEGUN and ticket.start_s < NEVER_S
    nodes = tuple(dict.fromkeys(worker.node for worker in ticket.placement.workers))
    placed = ticket.start_s < NEVER_S
    first_s = record.first_started_s
    feasible_again = record.state == State.INFEASIBLE != ticket.state
    return replace(
        record,
        words="" if feasible_again else record.words,
        state=ticket.state.value,
        evictions=ticket.evictions,
        first_started_s=ticket.start_s if begun and first_s is None else first_s,
        started_s=ticket.start_s if begun else record.started_s,
        guest=ticket.guest if placed else record.guest,
        nodes=nodes if placed else record.nodes,
    )
