"""Which job was, is and is to be on which GPU."""

from __future__ import annotations

from collections.abc import Iterator

from noljima.control.messages import Bar, Bars, Gantt
from noljima.model.resources import GPU
from noljima.policy.ticket import NEVER_S
from noljima.service import shelves
from noljima.service.office import Office
from noljima.service.past import Run, read_past
from noljima.service.rows import Rows
from noljima.store.reading import Question
from noljima.store.records import JobRecord

_RECORDS_MAX = 2000


def bars(office: Office, rows: Rows, question: Gantt) -> Bars:
    """Draw the time around now."""
    now_s = office.now_s
    since_s = now_s - max(question.back_s, 0.0)
    found = [*_past(office, since_s), *_present(office), *_future(rows, now_s + question.ahead_s)]
    return Bars(now_s=now_s, gpus=office.driver.node.gpus, bars=tuple(found))


def _past(office: Office, since_s: float) -> Iterator[Bar]:
    """Draw runs that have ended since."""
    wanted = Question(since_s=since_s, limit=_RECORDS_MAX)
    for _, record in office.reader.records(wanted):
        for run in read_past(office.reader.item(shelves.PASTS, record.job)).runs:
            if run.ended_s is not None and run.ended_s >= since_s:
                yield from _run(record, run, run.ended_s)


def _run(record: JobRecord, run: Run, end_s: float) -> Iterator[Bar]:
    milli = min(record.gpu_milli // max(record.workers, 1), GPU)
    for gpu in run.gpus:
        yield Bar(
            job=record.job,
            user=record.user,
            name=record.name,
            gpu=gpu,
            gpu_milli=milli,
            begin_s=run.begun_s,
            end_s=end_s,
            kind="ran",
        )


def _present(office: Office) -> Iterator[Bar]:
    """Draw what is on GPUs now, up to when it is expected to end."""
    for ticket in office.engine.state.running.values():
        job = ticket.job
        milli = min(ticket.gpu_milli // max(ticket.demand.workers, 1), GPU)
        guest = ticket.guest and ticket.due_s == NEVER_S
        gpus = (gpu for worker in ticket.placement.workers for gpu in worker.gpus)
        for gpu in dict.fromkeys(gpus):
            yield Bar(
                job=job.id,
                user=job.user,
                name=job.name,
                gpu=gpu,
                gpu_milli=milli,
                begin_s=ticket.start_s,
                end_s=max(ticket.expected_end_s, office.now_s),
                kind="guest" if guest else "runs",
            )


def _future(rows: Rows, until_s: float) -> Iterator[Bar]:
    """Draw when those who wait are expected; where, is not decided before they start."""
    for row in rows.present():
        if row.position and row.about_s is not None and row.about_s <= until_s:
            run_s = row.estimate[0] if row.estimate is not None else 0.0
            yield Bar(
                job=row.job,
                user=row.user,
                name=row.name,
                gpu_milli=row.gpu_milli,
                begin_s=row.about_s,
                end_s=row.about_s + run_s,
                kind="reserved" if row.reserved else "expected",
            )
