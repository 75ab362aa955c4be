"""The journal of the service: writes a batch with all that follows from it, and tells who waits.

Everything that a crash must not lose goes into the row of the batch that causes it: what was handed
in, the next free name, records, what became of runs, notices. Nobody is answered before the commit.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from noljima.drivers.local.endings import Ending
from noljima.drivers.local.facts import Ended
from noljima.engine import Engine
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    Outcome,
    Released,
    Started,
    StartFailed,
    Submitted,
)
from noljima.model.lifecycle import State as Stand
from noljima.model.resources import JobId
from noljima.notify.kinds import Kind
from noljima.service import naming, shelves
from noljima.service.admission import Admission
from noljima.service.handed import Handed
from noljima.service.past import NO_PAST, Past, Run, begun
from noljima.service.telling import Telling
from noljima.service.tidings import notice
from noljima.service.waits import Turn, Waits
from noljima.store.faults import Fault, StateError
from noljima.store.records import Clerk, JobRecord
from noljima.store.state import State
from noljima.store.writes import DropItem, PutItem, PutRecord, Write

AGAIN_S: Final = 1.0
"""The pause before a batch that the disk did not take is written again."""
RECENT: Final = 100
_OVER: Final = (Finished, Evicted, StartFailed)
Put = Callable[[Callable[[float], Event]], Event]
"""Puts an event on its way to the engine."""


class Ledger:
    """A `runtime.ports.Journal`, and what is known of all jobs that have not ended."""

    def __init__(self, state: State, engine: Engine, telling: Telling, put: Put) -> None:
        self.waits = Waits()
        self.handed: dict[str, Handed] = {}
        """What was handed in and has jobs that have not ended, by name."""
        self.records: dict[JobId, JobRecord] = {}
        """Of all jobs that have not ended."""
        self.pasts: dict[JobId, Past] = {}
        self.handled = 0
        """How many batches the engine has decided: what was worked out before is out of date."""
        self.batches = 0
        """How many are on the disk."""
        self.full = ""
        """Why nothing can be written now; empty where it can."""
        self.ended_by_health: dict[JobId, str] = {}
        """Jobs that were told to end for hanging, with the evidence."""
        self._state, self._engine, self._telling, self._put = state, engine, telling, put
        self._clerk = Clerk()
        self._open: Counter[str] = Counter()
        self._runs: dict[JobId, Run] = {}
        self._endings: dict[tuple[JobId, int], Ending] = {}
        self._admissions: dict[JobId, Admission] = {}
        self._asked: dict[int, tuple[Event, asyncio.Future[None]]] = {}
        self._in_vain: dict[JobId, str] = {}
        self._shelved: set[JobId] = set()
        self.news = asyncio.Event()
        """Set with the next batch that is on the disk; there is another one then."""
        self.recent: deque[tuple[JobRecord, Past]] = deque(maxlen=RECENT)
        """The last jobs that have ended."""

    # --- At the beginning ---

    def restore(
        self, handed: Iterable[Handed], records: Iterable[JobRecord], shelved: Iterable[str]
    ) -> None:
        """Take over what the state knows of jobs that have not ended."""
        self.records = {JobId(record.job): record for record in records}
        self._clerk = Clerk(self.records.values())
        self._shelved = {JobId(job) for job in shelved}
        for job in self.records:
            self._open[naming.base_of(job)] += 1
        self.handed = {each.base: each for each in handed}
        for job, ticket in self._engine.state.running.items():
            start = Start(job, ticket.placement, ticket.guest, ticket.attempt)
            self._runs[job] = begun(start, ticket.start_s)

    # --- What others want to happen ---

    def admit(self, admission: Admission) -> None:
        """Take note of what is to be written with the submissions that are on their way."""
        self._admissions[admission.first] = admission

    async def done(self, event: Event) -> None:
        """Return when a batch with this event is on the disk."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[id(event)] = (event, future)
        await asyncio.shield(future)

    def heard(self, fact: Ended) -> None:
        """Take in how an attempt has ended; told before the engine's event is."""
        self._endings[fact.job, fact.attempt] = fact.ending

    def turn(self, turns: Iterable[Turn]) -> list[Event]:
        """Let jobs go that need not wait any longer, and give up those that wait in vain."""
        events: list[Event] = []
        for job, words in turns:
            kind: type[Cancelled | Released] = Cancelled if words else Released
            if words:
                self._in_vain[job] = words
            events.append(self._put(partial(_of_job, kind, job)))
        return events

    def past(self, job: JobId) -> Past:
        """Return what became of the runs of a job that has not ended."""
        return self.pasts.get(job, NO_PAST)

    # --- The port ---

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Write a batch with what follows from it, and then tell who waits for it."""
        self.handled += 1
        # 1. What owners are told is worked out from the engine as it stands now.
        told = self._telling.told(events)
        changed = self._clerk.records(self._engine, events, commands, told)
        before = self.records
        known = before | {JobId(record.job): record for record in changed}
        # 2. What is written besides.
        writes: list[Write] = [*self._admitted(events)]
        writes += [PutRecord(record) for record in changed]
        writes += self._of_runs(events, commands, known)
        writes += self._of_holds(events)
        writes += self._notices(events, known)
        # 3. It counts from here on.
        await self._commit(events, commands, writes)
        self._settle(events, changed)

    async def _commit(
        self, events: Sequence[Event], commands: Sequence[Command], writes: Sequence[Write]
    ) -> None:
        """Write; on a full disk again and again, while jobs go on."""
        while True:
            try:
                await self._state.append(events, commands, writes)
            except StateError as error:
                if error.fault is not Fault.FULL:
                    raise
                self.full = str(error)
                await asyncio.sleep(AGAIN_S)
            else:
                self.full = ""
                return

    def _admitted(self, events: Sequence[Event]) -> Iterator[Write]:
        for event in events:
            if isinstance(event, Submitted) and event.job.id in self._admissions:
                admission = self._admissions[event.job.id]
                yield from admission.writes()
                for handed in admission.handed:
                    self.handed[handed.base] = handed
                    self._open[handed.base] += len(handed.jobs())

    def _of_runs(
        self, events: Sequence[Event], commands: Sequence[Command], known: dict[JobId, JobRecord]
    ) -> Iterator[Write]:
        """Keep what became of runs, and begin those that are started now."""
        for event in events:
            if isinstance(event, Started):
                run = self._runs.get(event.job)
                if run is not None and run.attempt == event.attempt:
                    run = self._runs[event.job] = _from(run, event.at_s)
            elif isinstance(event, _OVER) and event.job in known:
                yield from self._run_over(event)
            elif isinstance(event, Cancelled) and event.job in self._in_vain:
                past = self.past(event.job).with_words(self._in_vain[event.job])
                yield self._keep_past(event.job, past)
        for command in commands:
            if type(command) is Start:
                self._runs[command.job] = begun(command, events[-1].at_s)

    def _run_over(self, event: Finished | Evicted | StartFailed) -> Iterator[Write]:
        run = self._runs.get(event.job)
        if run is None or (event.attempt and run.attempt != event.attempt):
            return
        del self._runs[event.job]
        ending = self._endings.get((event.job, run.attempt))
        way = ending.outcome if ending is not None else ""
        past = self.past(event.job).with_run(_until(run, event.at_s, way), ending)
        if event.job in self._in_vain:
            past = past.with_words(self._in_vain[event.job])
        yield self._keep_past(event.job, past)

    def keep_evidence(self, job: JobId, words: str) -> Write:
        """Return what keeps a finding of health with its job."""
        return self._keep_past(job, self.past(job).with_evidence(words))

    def _keep_past(self, job: JobId, past: Past) -> Write:
        self.pasts[job] = past
        return PutItem(shelves.PASTS, job, past.encoded())

    def _of_holds(self, events: Sequence[Event]) -> Iterator[Write]:
        """Keep whom somebody holds back."""
        for event in events:
            if isinstance(event, Submitted) and event.held and self.waits.is_held(event.job.id):
                self._shelved.add(event.job.id)
                yield PutItem(shelves.HELD, event.job.id, b"")
            elif isinstance(event, Held) and event.job in self._engine.tickets:
                self._shelved.add(event.job)
                yield PutItem(shelves.HELD, event.job, b"")
            elif isinstance(event, Released | Cancelled) and event.job in self._shelved:
                self._shelved.discard(event.job)
                yield DropItem(shelves.HELD, event.job)

    # --- What owners are told ---

    def _notices(self, events: Sequence[Event], known: dict[JobId, JobRecord]) -> Iterator[Write]:
        for event in events:
            if isinstance(event, Submitted):
                admission = self._admissions.get(event.job.id)
                for handed in admission.handed if admission is not None else ():
                    record = known[handed.jobs()[0]]
                    told = record.told
                    yield notice(
                        Kind.ACCEPTED,
                        record,
                        handed,
                        event.at_s,
                        start_s=told.start_s,
                        by_s=told.by_s,
                    )
            elif isinstance(event, Started | Evicted | Finished) and event.job in known:
                yield from self._notice_of_run(event, known[event.job])
            elif isinstance(event, Cancelled) and event.job in self._in_vain:
                why = self._in_vain[event.job]
                yield notice(
                    Kind.FAILED, known[event.job], self._of(event.job), event.at_s, why=why
                )
        for settled in self._telling.missed():
            if settled.job in known:
                yield notice(
                    Kind.PROMISE_MISSED,
                    known[settled.job],
                    self._of(settled.job),
                    events[-1].at_s,
                    by_s=settled.by_s,
                )

    def _notice_of_run(
        self, event: Started | Evicted | Finished, record: JobRecord
    ) -> Iterator[Write]:
        handed, words = self._of(event.job), self.past(event.job).words
        more: dict[str, object] = {"attempt": event.attempt}
        if record.started_s is not None and not isinstance(event, Started):
            more["ran_s"] = max(event.at_s - record.started_s, 0.0)
        match event:
            case Started():
                yield notice(Kind.STARTED, record, handed, event.at_s, **more)
            case Evicted() if event.job in self.ended_by_health:
                why = self.ended_by_health.pop(event.job)
                yield notice(Kind.ENDED, record, handed, event.at_s, why=why, **more)
            case Evicted():
                more["saved_s"] = event.saved_s
                yield notice(Kind.EVICTED, record, handed, event.at_s, why=words, **more)
            case Finished(outcome=Outcome.SUCCEEDED):
                yield notice(Kind.FINISHED, record, handed, event.at_s, **more)
            case Finished() if event.job in self.ended_by_health:
                why = self.ended_by_health[event.job]
                yield notice(Kind.ENDED, record, handed, event.at_s, why=why, **more)
            case Finished(outcome=Outcome.FAILED | Outcome.LIMIT):
                yield notice(Kind.FAILED, record, handed, event.at_s, why=words, **more)
            case _:
                pass  # Whoever has cancelled it knows.

    def _of(self, job: JobId) -> Handed | None:
        return self.handed.get(naming.base_of(job))

    # --- After the commit ---

    def _settle(self, events: Sequence[Event], changed: Sequence[JobRecord]) -> None:
        """Bring the books up to date, let go who waited for this, and answer who asked."""
        self.batches += 1
        for record in changed:
            if record.ended_s is None:
                self.records[JobId(record.job)] = record
            else:
                self._close(record)
        for event in events:
            if isinstance(event, Submitted):
                admission = self._admissions.pop(event.job.id, None)
                if admission is not None and not admission.written.done():
                    admission.written.set_result(None)
            asked = self._asked.pop(id(event), None)
            if asked is not None and not asked[1].done():
                asked[1].set_result(None)
        news, self.news = self.news, asyncio.Event()
        news.set()

    def _close(self, record: JobRecord) -> None:
        job = JobId(record.job)
        self.records.pop(job, None)
        self.recent.append((record, self.pasts.pop(job, NO_PAST)))
        self.ended_by_health.pop(job, None)
        self._in_vain.pop(job, None)
        for key in [key for key in self._endings if key[0] == job]:
            del self._endings[key]
        self.turn(self.waits.ended(job, well=record.state == Stand.SUCCEEDED))
        base = naming.base_of(job)
        self._open[base] -= 1
        if not self._open[base]:
            del self._open[base]
            self.handed.pop(base, None)


def _of_job(kind: type[Cancelled | Released], job: JobId, at_s: float) -> Event:
    return kind(at_s=at_s, job=job)


def _from(run: Run, at_s: float) -> Run:
    return Run(attempt=run.attempt, gpus=run.gpus, guest=run.guest, begun_s=at_s)


def _until(run: Run, at_s: float, way: str) -> Run:
    return Run(
        attempt=run.attempt,
        gpus=run.gpus,
        guest=run.guest,
        begun_s=run.begun_s,
        ended_s=at_s,
        way=way,
    )
