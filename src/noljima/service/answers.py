"""The answer to each question that people ask over the socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime

from noljima import __version__
from noljima.control.askers import Asker
from noljima.control.messages import (
    Answered,
    Asked,
    Bars,
    Compared,
    Detail,
    Done,
    Down,
    Drain,
    End,
    Gantt,
    Hello,
    History,
    Hold,
    JobRow,
    JobRows,
    Jobs,
    Logs,
    NodeRows,
    Nodes,
    Planned,
    Release,
    Restore,
    Scene,
    Show,
    Submit,
    Watch,
    Welcome,
    WhatIf,
    Why,
)
from noljima.control.server import RefusalError
from noljima.model.bounds import InvalidFieldError
from noljima.model.lifecycle import State
from noljima.model.reasons import words as words_of
from noljima.model.resources import JobId
from noljima.service import gantt, logbook, machine, naming, shelves
from noljima.service.door import Door
from noljima.service.handed import Handed, read_handed
from noljima.service.office import Office
from noljima.service.orders import Orders
from noljima.service.past import read_past
from noljima.service.rights import absent, jobs_named, operators_only
from noljima.service.rows import Rows, of_record
from noljima.service.stopping import Stopping
from noljima.service.trial import Trial
from noljima.store.faults import StateError
from noljima.store.reading import Question as Wanted

HISTORY_MAX = 10_000
_LAST = 10
_EVERY_S_MIN = 0.2


class Answers:
    """A `control.server.Host`."""

    def __init__(self, office: Office, next_name: int, stopping: Stopping) -> None:
        self._office = office
        self._stopping = stopping
        self._rows = Rows(office)
        self._door = Door(office, self._rows, next_name)
        self._orders = Orders(office)
        self._trial = Trial(office, self._door)

    async def answers(self, asker: Asker, question: Asked) -> AsyncIterator[Answered]:
        """Give the answers to a question."""
        try:
            async for answer in self._answers(asker, question):
                yield answer
        except InvalidFieldError as error:
            raise RefusalError(Why.BAD, str(error)) from None
        except StateError as error:
            raise RefusalError(Why.BUSY, str(error)) from None

    async def _answers(self, asker: Asker, question: Asked) -> AsyncIterator[Answered]:
        match question:
            case Logs():
                async for part in logbook.read(self._office, asker, question):
                    yield part
            case Watch():
                async for scene in self._watched(asker, question):
                    yield scene
            case Submit() | WhatIf() | Gantt():
                yield await self._planned(asker, question)
            case End() | Hold() | Release() | Drain() | Restore() | Down():
                yield await self._ordered(asker, question)
            case _:
                yield await self._told(asker, question)

    async def _told(
        self, asker: Asker, question: Hello | Jobs | Show | Nodes | History
    ) -> Answered:
        match question:
            case Hello():
                return self.welcome(asker)
            case Jobs():
                return self._jobs(question)
            case Show():
                return self._shown(question.job)
            case Nodes():
                rows = (await machine.node_row(self._office),)
                return NodeRows(now_s=self._office.now_s, rows=rows)
            case History():
                return self._history(question)

    async def _planned(
        self, asker: Asker, question: Submit | WhatIf | Gantt
    ) -> Planned | Compared | Bars | Answered:
        match question:
            case Submit(dry_run=True):
                return await self._trial.planned(asker, question.submissions)
            case Submit():
                return await self._door.submit(asker, question)
            case WhatIf():
                return await self._trial.compared(asker, question)
            case Gantt():
                return gantt.bars(self._office, self._rows, question)

    async def _ordered(
        self, asker: Asker, question: End | Hold | Release | Drain | Restore | Down
    ) -> Done:
        match question:
            case End():
                return await self._orders.end(asker, question)
            case Hold():
                return await self._orders.hold(asker, question)
            case Release():
                return await self._orders.release(asker, question)
            case Drain():
                return await self._orders.drain(asker, question)
            case Restore():
                return await self._orders.restore(asker, question)
            case Down():
                operators_only(asker, self._office, "ending the scheduler")
                return self._stopping.ask(stop_jobs=question.stop_jobs)

    def fate(self, name: str) -> bool | None:
        """Say whether a job, or all of an array, ended well; None where it has not ended."""
        return self._door.fate(name)

    def ended_well(self, job: JobId) -> bool:
        """Say whether a job that has ended did so well."""
        record = self._office.reader.record(job)
        return record is not None and record.state == State.SUCCEEDED

    # --- Who is there ---

    def welcome(self, asker: Asker) -> Welcome:
        """Say who answers, and who is taken to ask."""
        office = self._office
        warnings = list(office.warnings.values())
        full = office.ledger.full or office.state.refusal()
        if full:
            warnings.append(full)
        return Welcome(
            noljima=__version__,
            pid=os.getpid(),
            began_s=office.began_s,
            now_s=office.now_s,
            policy=office.engine.policy.name,
            node=office.driver.node.id,
            user=asker.user,
            operator=asker.operator,
            words=tuple(office.driver.words()),
            warnings=tuple(warnings),
        )

    # --- Jobs ---

    def _jobs(self, question: Jobs) -> JobRows:
        office = self._office
        if question.jobs:
            jobs, unknown = jobs_named(office, question.jobs)
            if unknown and not jobs:
                raise RefusalError(Why.UNKNOWN, absent(office, unknown[0]))
            rows = self._rows.present(jobs)
        elif question.users or question.states:
            rows = self._rows.present(self._chosen(question))
        else:
            rows = self._rows.present()
        shown = rows if question.limit is None else rows[: max(question.limit, 0)]
        return JobRows(now_s=office.now_s, rows=tuple(shown), more=len(rows) - len(shown))

    def _chosen(self, question: Jobs) -> list[JobId]:
        """Return the jobs of some users or in some states, in the order of all."""
        tickets = self._rows.ordered()
        return [
            ticket.job.id
            for ticket in tickets
            if (not question.users or ticket.job.user in question.users)
            and (not question.states or ticket.state in question.states)
        ]

    def _shown(self, name: str) -> Detail:
        office = self._office
        ticket = office.engine.tickets.get(JobId(name))
        record = office.ledger.records.get(JobId(name))
        if record is not None and ticket is None:
            past = office.ledger.past(JobId(name))
            row, reason = self._rows.leaving(JobId(name)), ""
        elif ticket is None or record is None:
            record = office.reader.record(name) if naming.plausible(name) else None
            if record is None:
                raise RefusalError(Why.UNKNOWN, self._unknown(name))
            past = read_past(office.reader.item(shelves.PASTS, name))
            row, reason = of_record(record, past), ""
        else:
            past = office.ledger.past(JobId(name))
            reason = words_of(self._rows.reason(ticket), _clock)
            row = self._rows.row(ticket)
        handed = self._handed(naming.base_of(name))
        return Detail(
            now_s=office.now_s,
            row=row,
            reason=reason,
            folder=handed.submission.folder if handed is not None else "",
            command=_command(handed),
            logs=self._logs(row),
            evidence=past.evidence,
            told_about_s=record.told.start_s,
            told_by_s=record.told.by_s,
            predicted_s=record.estimate,
        )

    def _unknown(self, name: str) -> str:
        handed = self._office.ledger.handed.get(name)
        if handed is not None:
            first = handed.jobs()[0]
            return f"{name} is an array; say which of its jobs, as in {first}"
        return f"there is no job {name[:64]}"

    def _handed(self, base: str) -> Handed | None:
        handed = self._office.ledger.handed.get(base)
        if handed is None:
            body = self._office.reader.item(shelves.SPECS, base)
            handed = None if body is None else read_handed(body)
        return handed

    def _logs(self, row: JobRow) -> tuple[str, ...]:
        folders = self._office.driver.folders
        attempts = folders.attempts(JobId(row.job))
        if not attempts:
            return ()
        folder = folders.of(JobId(row.job), attempts[0])
        return tuple(str(path) for path in sorted(folder.glob("worker-*.log")))

    def _history(self, question: History) -> JobRows:
        office = self._office
        limit = min(max(question.limit, 0), HISTORY_MAX)
        found: list[JobRow] = []
        users = question.users or (None,)
        for user in users:
            before: int | None = None
            while len(found) < limit * len(users):
                wanted = Wanted(user=user, since_s=question.since_s, before=before, limit=500)
                page = office.reader.records(wanted)
                found += [
                    self._rows.of_record(each.record)
                    for each in page
                    if each.record.ended_s is not None
                ]
                if len(page) < wanted.limit:
                    break
                before = page[-1].number
        found.sort(key=lambda row: row.ended_s or 0.0, reverse=True)
        return JobRows(
            now_s=office.now_s, rows=tuple(found[:limit]), more=max(len(found) - limit, 0)
        )

    # --- Everything, again and again ---

    async def _watched(self, asker: Asker, question: Watch) -> AsyncIterator[Scene]:
        office = self._office
        while True:
            news = office.ledger.news
            yield Scene(
                now_s=office.now_s,
                welcome=self.welcome(asker),
                jobs=tuple(self._rows.present()),
                nodes=(await machine.node_row(office),),
                ended=tuple(
                    of_record(*each) for each in [*office.ledger.recent][: -_LAST - 1 : -1]
                ),
            )
            await asyncio.sleep(min(max(question.every_s, _EVERY_S_MIN), 3600.0))
            await news.wait()


def _clock(moment_s: float) -> str:
    # Seconds since 1970 become the words of this machine's zone; no clock is read for it.
    return datetime.fromtimestamp(moment_s).astimezone().strftime("%H:%M")


def _command(handed: Handed | None) -> tuple[str, ...]:
    if handed is None:
        return ()
    given = handed.submission
    return given.argv if not given.script else ("(script)", *given.argv)
