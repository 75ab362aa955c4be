"""What jobs have written, as it is kept and as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from noljima.control.askers import Asker
from noljima.control.messages import LogPart, Logs, Why
from noljima.control.server import RefusalError
from noljima.drivers.local import logs
from noljima.drivers.local.endings import read_ending
from noljima.model.resources import JobId
from noljima.service.office import Office
from noljima.service.rights import may

LOOK_S: Final = 0.2
_PIECE: Final = 1 << 18


async def read(office: Office, asker: Asker, question: Logs) -> AsyncIterator[LogPart]:
    """Give what a job has written; with `follow`, until it has ended."""
    job = JobId(question.job)
    _refuse_others(office, asker, job)
    attempt = await _begun(office, question)
    while True:
        folder = office.driver.folders.of(job, attempt)
        async for part in _of_attempt(folder, question):
            yield part
        if not question.follow or question.attempt:
            return
        # It may come back: evicted, or its start has failed.
        following = await _begun(office, question, after=attempt)
        if following <= attempt:
            return
        attempt = following


def _refuse_others(office: Office, asker: Asker, job: JobId) -> None:
    record = office.ledger.records.get(job) or office.reader.record(job)
    if record is None:
        hint = ": say which job of the array, as in 7_0" if job in office.ledger.handed else ""
        raise RefusalError(Why.UNKNOWN, f"there is no job {job[:64]}{hint}")
    if not may(asker, record.user):
        words = f"job {job} is {record.user}'s; its output is not for others"
        raise RefusalError(Why.FORBIDDEN, words)


async def _begun(office: Office, question: Logs, after: int = 0) -> int:
    """Return the attempt that is meant; with `follow`, wait for it where the job waits."""
    job = JobId(question.job)
    while True:
        attempts = office.driver.folders.attempts(job)
        if question.attempt:
            if question.attempt in attempts:
                return question.attempt
            words = f"of job {job}, attempt {question.attempt} has left nothing"
            raise RefusalError(Why.UNKNOWN, words)
        if attempts and attempts[0] > after:
            return attempts[0]
        if job not in office.engine.tickets:
            if after:
                return after
            raise RefusalError(Why.UNKNOWN, f"job {job} has never run, or its output is gone")
        if not question.follow:
            raise RefusalError(Why.UNKNOWN, f"job {job} has not started yet")
        await asyncio.sleep(LOOK_S)


async def _of_attempt(folder: Path, question: Logs) -> AsyncIterator[LogPart]:
    """Give the output of one attempt, workers in turn."""
    places: dict[int, int] = {}
    while True:
        ended = read_ending(folder) is not None
        more = False
        for worker in sorted({part.worker for part in logs.parts(folder, question.worker)}):
            start = places.get(worker)
            if start is None:
                start = _beginning(folder, worker, question.tail_bytes)
            piece = logs.read(folder, worker, start, _PIECE)
            places[worker] = piece.end if piece.text else start
            if piece.text:
                more = True
                yield LogPart(worker=worker, content=piece.text, skipped=piece.start - start)
        if more:
            await asyncio.sleep(0)
        elif ended or not question.follow:
            return
        else:
            await asyncio.sleep(LOOK_S)


def _beginning(folder: Path, worker: int, tail_bytes: int | None) -> int:
    if tail_bytes is None:
        return 0
    return max(logs.length(folder, worker) - max(tail_bytes, 0), 0)
