"""What would be: submissions and changes tried on a copy of the engine, which is thrown away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from noljima.control.askers import Asker
from noljima.control.messages import Compared, Plan, Planned, Shift, WhatIf, Why
from noljima.control.server import RefusalError
from noljima.engine import Engine
from noljima.engine.explain import Explainer
from noljima.engine.succession import succeed
from noljima.model.amounts import gpus as gpus_in_words
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Cancelled, Event, NodeSeen, Submitted
from noljima.model.job import Job
from noljima.model.lifecycle import State
from noljima.model.reasons import Basis, duration
from noljima.model.reasons import sentence as sentence_of
from noljima.model.resources import Gang, JobId
from noljima.policy.ticket import Ticket
from noljima.runtime import snapshot
from noljima.runtime.whatif import Forward, Played
from noljima.service import naming
from noljima.service.door import Door
from noljima.service.office import Office
from noljima.submission.nouns import Submission

_TRIED: Final = "0"
"""Names of what is only tried begin with this, which no job's does."""
_BEGUN: Final = (State.STARTING, State.RUNNING)
SHIFTS_MAX: Final = 10_000


class Trial:
    """Tries what people ask about."""

    def __init__(self, office: Office, door: Door) -> None:
        self._office = office
        self._door = door

    async def planned(self, asker: Asker, submissions: tuple[Submission, ...]) -> Planned:
        """Say what would become of submissions if they came now."""
        self._door.look_at(asker, submissions)
        now_s = self._office.now_s
        jobs = self._jobs(asker, submissions)
        content = snapshot.save(self._office.engine)
        source = self._office.telling.source
        plans = await asyncio.to_thread(_plans, content, now_s, jobs, submissions, source)
        return Planned(now_s=now_s, plans=tuple(plans))

    async def compared(self, asker: Asker, question: WhatIf) -> Compared:
        """Say what a change would change."""
        if question.submissions:
            self._door.look_at(asker, question.submissions)
        now_s = self._office.now_s
        change = _in_words(question)
        # The engine may be a moment ahead, when it has just been told of something.
        events = self._events(asker, question, max(now_s, self._office.engine.state.now_s))
        content = snapshot.save(self._office.engine)
        other = self._under(question.policy)
        is_so = await asyncio.to_thread(_played, content, [], None)
        would = await asyncio.to_thread(_played, content, events, other)
        tickets = self._office.engine.tickets
        return _compare(now_s, change, tickets, is_so, would)

    # --- Parts ---

    def _jobs(self, asker: Asker, submissions: tuple[Submission, ...]) -> list[Job]:
        """Return one job for each submission; of an array the first."""
        jobs: list[Job] = []
        for number, given in enumerate(submissions):
            handed = self._door.handed(asker, given, f"{_TRIED}{number}")
            jobs.append(handed.job(handed.jobs()[0]))
        return jobs

    def _events(self, asker: Asker, question: WhatIf, now_s: float) -> list[Event]:
        events: list[Event] = []
        if question.drain:
            node = self._office.driver.node
            out = tuple(sorted({*node.gpus_out, *question.drain}))
            events.append(NodeSeen(at_s=now_s, node=replace(node, gpus_out=out)))
        if question.job:
            job = self._changed(question)
            events.append(Cancelled(at_s=now_s, job=JobId(question.job)))
            events.append(Submitted(at_s=now_s, job=job))
        for number, given in enumerate(question.submissions):
            handed = self._door.handed(asker, given, f"{_TRIED}{number}")
            events += [Submitted(at_s=now_s, job=handed.job(job)) for job in handed.jobs()]
        return events

    def _changed(self, question: WhatIf) -> Job:
        """Return a waiting job as it would be: handed in anew, at the end of the line."""
        ticket = self._office.engine.tickets.get(JobId(question.job))
        if ticket is None:
            raise RefusalError(Why.UNKNOWN, f"there is no job {question.job[:64]} that waits")
        if ticket.state is not State.QUEUED:
            words = f"job {question.job} is {ticket.state}; only one that waits can be changed"
            raise RefusalError(Why.BAD, words)
        groups = ticket.job.gang.groups
        if len(groups) > 1 and (question.workers is not None or question.gpu_milli is not None):
            words = f"job {question.job} has several groups of workers; which is meant is open"
            raise RefusalError(Why.BAD, words)
        each = groups[0].each
        if question.gpu_milli is not None:
            each = replace(each, gpu_milli=question.gpu_milli)
        group = replace(groups[0], each=each, workers=question.workers or groups[0].workers)
        limit_s = ticket.job.limit_s if question.limit_s is None else question.limit_s
        name = JobId(f"{_TRIED}-{question.job}")
        return replace(ticket.job, id=name, gang=Gang((group, *groups[1:])), limit_s=limit_s)

    def _under(self, policy: str) -> Callable[[Engine], Engine] | None:
        """Return what lets another policy take over; None where it stays as it is."""
        office = self._office
        if not policy or policy == office.engine.policy.name:
            return None
        other = office.build({**office.header, "policy": policy, "promises": False})
        node = office.driver.node
        return lambda engine: succeed(other, engine, [node])


def _plans(
    content: bytes, now_s: float, jobs: list[Job], submissions: Sequence[Submission], source: str
) -> list[Plan]:
    """Hand the jobs in, one after the other as they would be, and see what becomes of each."""
    engine = snapshot.restore(content)
    at_s = max(now_s, engine.state.now_s)
    engine.handle(*(Submitted(at_s=at_s, job=job) for job in jobs))
    explainer = Explainer(engine)
    return [
        _plan(engine, explainer, engine.tickets[job.id], given, source)
        for job, given in zip(jobs, submissions, strict=True)
    ]


def _plan(
    engine: Engine, explainer: Explainer, ticket: Ticket, given: Submission, source: str
) -> Plan:
    estimate = ticket.estimate
    plan = Plan(
        name=given.name,
        jobs=max(len(given.array), 1),
        gpu_milli=ticket.gpu_milli,
        workers=ticket.demand.workers,
        evictable=ticket.evictable,
        estimate=(float(estimate.q50_s), float(estimate.q80_s), float(estimate.q95_s)),
        source=source,
    )
    if ticket.state in _BEGUN:
        gpus = (gpu for worker in ticket.placement.workers for gpu in worker.gpus)
        return replace(plan, now=True, gpus=tuple(dict.fromkeys(gpus)))
    reason = explainer.reason(ticket)
    promises = engine.promises
    promise = None if promises is None else promises.of(ticket.job.id)
    words, _, advice = sentence_of(reason).partition(". ")
    return replace(
        plan,
        about_s=reason.expected_s if promise is None else promise.about_s,
        by_s=None if promise is None else promise.told_by_s,
        reserved=reason.basis is Basis.RESERVED,
        reason=f"{reason.code}: {words}",
        advice=(advice,) if advice else (),
    )


def _played(
    content: bytes, events: Sequence[Event], under: Callable[[Engine], Engine] | None
) -> Played:
    engine = snapshot.restore(content)
    # Promises change no decision, and cost most of the time here.
    engine.promises = None
    return Forward(engine if under is None else under(engine)).play(*events)


def _compare(
    now_s: float, change: str, tickets: Mapping[JobId, Ticket], is_so: Played, would: Played
) -> Compared:
    shifts: list[Shift] = []
    waits: tuple[list[float], list[float]] = ([], [])
    for job in naming.in_order({*is_so.start_s, *would.start_s}):
        shown = JobId(job.removeprefix(f"{_TRIED}-"))
        ticket = tickets.get(shown)
        start_s, would_s = is_so.start_s.get(shown), would.start_s.get(job)
        if job != shown or job not in would.start_s:
            would_s = would.start_s.get(JobId(f"{_TRIED}-{shown}"), would_s)
        if job != shown and shown in is_so.start_s:
            continue  # Told with its own name.
        known = ticket.job if ticket is not None else None
        shifts.append(
            Shift(
                job=shown if known is not None else "(new)",
                user=known.user if known is not None else "",
                name=known.name if known is not None else "",
                start_s=start_s,
                would_s=would_s,
            )
        )
        for found, times in ((start_s, waits[0]), (would_s, waits[1])):
            if found is not None and known is not None:
                times.append(found - now_s)
    return Compared(
        now_s=now_s,
        change=change,
        shifts=tuple(shifts[:SHIFTS_MAX]),
        mean_wait_s=(_mean(waits[0]), _mean(waits[1])),
        end_s=(is_so.end_s, would.end_s),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _in_words(question: WhatIf) -> str:
    words: list[str] = []
    if question.policy:
        words.append(f"policy {question.policy}")
    if question.drain:
        words.append(f"without GPU {', '.join(map(str, question.drain))}")
    if question.job:
        words.append(f"job {question.job} handed in anew{_changes(question)}")
    if question.submissions:
        jobs = sum(len(given.array) or 1 for given in question.submissions)
        words.append(f"{jobs:,} more job{'s' * (jobs != 1)}")
    if not words:
        raise InvalidFieldError("what if", "", "changes nothing: say what is to be different")
    return ", ".join(words)


def _changes(question: WhatIf) -> str:
    words: list[str] = []
    if question.workers is not None:
        words.append(f"{question.workers} workers")
    if question.gpu_milli is not None:
        words.append(f"{gpus_in_words(question.gpu_milli)} for each")
    if question.limit_s is not None:
        words.append(f"a limit of {duration(question.limit_s)}")
    return f" with {' and '.join(words)}" if words else ""
