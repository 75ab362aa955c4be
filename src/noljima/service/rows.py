"""Jobs as people see them: one row of what the engine, the records and the driver know of each."""

from __future__ import annotations

from collections.abc import Iterable

from noljima.control.messages import JobRow
from noljima.engine.explain import Explainer
from noljima.model.estimate import Estimate
from noljima.model.lifecycle import State
from noljima.model.reasons import Basis, Code, Reason
from noljima.model.reasons import sentence as sentence_of
from noljima.model.resources import JobId
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.service import shelves
from noljima.service.office import Office
from noljima.service.past import Past, read_past
from noljima.store.records import JobRecord

_AT_WORK = (State.STARTING, State.RUNNING, State.STOPPING)


class Rows:
    """Makes rows; reasons are worked out once for all of one moment."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._made_for = -1
        self._made_s = 0.0
        self._reasons: dict[JobId, Reason] = {}
        self._explainer: Explainer | None = None

    def present(self, jobs: Iterable[JobId] | None = None) -> list[JobRow]:
        """Return the rows of jobs that have not ended: those at work, the line, the others."""
        self._look()
        tickets, records = self._office.engine.tickets, self._office.ledger.records
        if jobs is None:
            leaving = [self.leaving(job) for job in records if job not in tickets]
            return [*leaving, *(self.row(ticket) for ticket in self.ordered())]
        return [
            self.row(tickets[job]) if job in tickets else self.leaving(job)
            for job in jobs
            if job in records
        ]

    def row(self, ticket: Ticket) -> JobRow:
        """Return the row of a job that has not ended, with its reason."""
        reason = self.reason(ticket)
        fields = self._plain(ticket)
        if ticket.state not in _AT_WORK:
            about_s, by_s = self._office.telling.of(ticket.job.id)
            fields["about_s"] = reason.expected_s if about_s is None else about_s
            fields["by_s"] = by_s
            fields["position"] = reason.position
            fields["reserved"] = reason.basis is Basis.RESERVED
        return JobRow(
            **fields,  # type: ignore[arg-type]  # fields of a row
            code=str(reason.code),
            reason=sentence_of(reason),
        )

    def leaving(self, job: JobId) -> JobRow:
        """Return the row of a job whose end is on its way to the disk: nobody is told it yet."""
        return of_record(self._office.ledger.records[job], self._office.ledger.past(job))

    def fresh(self, job: JobId) -> JobRow:
        """Return the row of a job that was just handed in; nobody waits for its reason."""
        ticket = self._office.engine.tickets.get(job)
        if ticket is None:
            return self.ended(job) or JobRow(job=job, state="", submitted_s=0.0)
        fields = self._plain(ticket)
        if ticket.state not in _AT_WORK:
            fields["about_s"], fields["by_s"] = self._office.telling.of(job)
        kept = self._office.ledger.waits.why(job) if ticket.state is State.HELD else None
        if kept is not None:
            fields["code"], fields["reason"] = str(kept[0]), kept[1]
        return JobRow(**fields)  # type: ignore[arg-type]  # fields of a row

    def reason(self, ticket: Ticket) -> Reason:
        """Say why a job does not run, or how it runs."""
        self._look()
        job = ticket.job.id
        reason = self._reasons.get(job)
        if reason is None:
            assert self._explainer is not None
            reason = self._reasons[job] = self._kept_back(ticket, self._explainer.reason(ticket))
        return reason

    def ended(self, job: str) -> JobRow | None:
        """Return the row of a job that has ended; None where there is none of this name."""
        record = self._office.reader.record(job)
        return None if record is None else self.of_record(record)

    def of_record(self, record: JobRecord) -> JobRow:
        """Return the row of a record of a job that has ended."""
        past = read_past(self._office.reader.item(shelves.PASTS, record.job))
        return of_record(record, past)

    # --- Parts ---

    def _look(self) -> None:
        """Begin anew where something has happened since, or time has passed."""
        office = self._office
        if self._made_for != office.ledger.handled or office.now_s - self._made_s > 1.0:
            self._made_for, self._made_s = office.ledger.handled, office.now_s
            self._reasons.clear()
            self._explainer = Explainer(office.engine)

    def ordered(self) -> Iterable[Ticket]:
        """Go through all jobs that have not ended: those at work, the line, the others.

        Without those that are on their way to the disk: nobody is told of them yet.
        """
        known = self._office.ledger.records
        yield from (ticket for ticket in self._all() if ticket.job.id in known)

    def _all(self) -> Iterable[Ticket]:
        engine = self._office.engine
        yield from sorted(engine.state.running.values(), key=lambda t: (t.start_s, t.number))
        yield from engine.state.line
        for ticket in engine.tickets.values():
            if ticket.state in (State.HELD, State.INFEASIBLE):
                yield ticket

    def _kept_back(self, ticket: Ticket, reason: Reason) -> Reason:
        """Put the service's own word in the place of the engine's for a job that it keeps back."""
        kept = self._office.ledger.waits.why(ticket.job.id)
        if ticket.state is not State.HELD or kept is None or kept[0] is Code.HELD:
            return reason
        return Reason(
            code=kept[0],
            job=reason.job,
            at_s=reason.at_s,
            detail=kept[1],
            workers=reason.workers,
            needed_milli=reason.needed_milli,
            free_milli=reason.free_milli,
        )

    def _plain(self, ticket: Ticket) -> dict[str, object]:
        """Return what is known of a job without asking why."""
        office, job, state = self._office, ticket.job, ticket.state
        record = office.ledger.records.get(job.id)
        at_work = state in _AT_WORK and ticket.start_s < NEVER_S
        workers = ticket.placement.workers if at_work else ()
        past = office.ledger.past(job.id)
        words = record.words if record is not None else ""
        return {
            "job": job.id,
            "user": job.user,
            "name": job.name,
            "queue": job.queue,
            "state": state.value,
            "gpu_milli": ticket.gpu_milli,
            "workers": ticket.demand.workers,
            "priority": int(job.priority),
            "evictable": ticket.evictable,
            "limit_s": job.limit_s,
            "submitted_s": ticket.submit_s,
            "started_s": ticket.start_s if at_work else None,
            "first_started_s": record.first_started_s if record is not None else None,
            "attempt": ticket.attempt,
            "evictions": ticket.evictions,
            "estimate": _quantiles(ticket.estimate),
            "source": office.telling.source,
            "about_s": ticket.expected_end_s if at_work else None,
            "guest": ticket.guest and at_work and ticket.due_s == NEVER_S,
            "nodes": tuple(dict.fromkeys(str(worker.node) for worker in workers)),
            "gpus": tuple(dict.fromkeys(gpu for worker in workers for gpu in worker.gpus)),
            "progress": office.shares.get(job.id) if at_work else None,
            "verdict": office.verdicts.get(job.id, "") if at_work else "",
            "words": words or (past.words if not at_work else ""),
            "after": office.ledger.waits.after(job.id),
        }


def of_record(record: JobRecord, past: Past) -> JobRow:
    """Return the row of a job that has ended."""
    last = past.runs[-1] if past.runs else None
    return JobRow(
        job=record.job,
        user=record.user,
        name=record.name,
        queue=record.queue,
        state=record.state,
        gpu_milli=record.gpu_milli,
        workers=record.workers,
        submitted_s=record.submitted_s,
        started_s=record.started_s,
        first_started_s=record.first_started_s,
        ended_s=record.ended_s,
        outcome=record.outcome,
        exit_codes=tuple(-1 if code is None else code for code in past.codes),
        attempt=last.attempt if last is not None else 0,
        evictions=record.evictions,
        estimate=record.estimate,
        source=record.told.source,
        guest=record.guest,
        nodes=record.nodes,
        gpus=last.gpus if last is not None else (),
        words=past.words or record.words,
    )


def _quantiles(estimate: Estimate) -> tuple[float, float, float]:
    return (float(estimate.q50_s), float(estimate.q80_s), float(estimate.q95_s))
