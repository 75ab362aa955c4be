"""What follows from what health finds: a notice, an end, a GPU that takes nothing new.

Nothing is ended before the reason for it is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from noljima.health.findings import (
    ENDS,
    Act,
    Doubt,
    Drain,
    Finding,
    Notice,
    Postmortem,
    Refusal,
    Requeue,
    Rung,
    Verdict,
)
from noljima.model.resources import JobId
from noljima.notify.kinds import Kind
from noljima.service import naming, shelves, whereabouts
from noljima.service.office import Office
from noljima.service.tidings import notice
from noljima.store.faults import StateError
from noljima.store.records import JobRecord
from noljima.store.writes import PutItem, Write

ENDS_KEY: Final = "ends"
ASKED: Final = "Its stacks are written down and it is asked to save its state"
NOTED: Final = "Where its processes wait is written down"
"""What is done here of what health asks for. A job is not asked to save its state before it is told
to go: one that answers by ending with 0, as it may, would be taken for one that is done."""
_HOUR_S: Final = 3600.0


class AutomaticEnd(msgspec.Struct, frozen=True, array_like=True):
    """A job that was ended for hanging: the budget of such ends outlives the scheduler."""

    user: str
    at_s: float


class Remedies:
    """Acts on findings."""

    def __init__(self, office: Office) -> None:
        self._office = office
        body = office.reader.item(shelves.SERVICE, ENDS_KEY)
        self._ends = [] if body is None else msgspec.json.decode(body, type=list[AutomaticEnd])

    def ends_before(self) -> Iterator[tuple[str, float]]:
        """Give the automatic ends of the last hour, whichever scheduler ordered them: who, when."""
        now_s = self._office.now_s
        for end in self._ends:
            if now_s - end.at_s < _HOUR_S:
                yield end.user, max(now_s - end.at_s, 0.0)

    async def act(self, finding: Finding) -> None:
        """Do what a finding asks for."""
        match finding:
            case Verdict():
                await self._verdict(finding)
            case Drain():
                await self._drain(finding)
            case Requeue():
                await self._requeue(finding)
            case Postmortem():
                await self._keep(finding.job, finding.words)
            case Doubt() | Notice() | Refusal():
                self._warn(finding)

    async def _verdict(self, verdict: Verdict) -> None:
        verdict = replace(verdict, words=verdict.words.replace(ASKED, NOTED))
        office, job = self._office, verdict.job
        if verdict.rung is Rung.OK:
            office.verdicts.pop(job, None)
            return
        held_back = f" (not acted on: {verdict.held_back})" if verdict.held_back else ""
        office.verdicts[job] = f"{verdict.rung}: {verdict.words}{held_back}"
        record = office.ledger.records.get(job)
        if record is None:
            return
        ends = bool(ENDS & set(verdict.acts))
        # On the disk before it is done: nothing is ended without a recorded reason.
        if await self._write(*self._writes(verdict, record)) and ends:
            office.ledger.ended_by_health[job] = verdict.words
            kind = "evict" if Act.END_REQUEUE in verdict.acts else "fail"
            office.driver.end(job, kind, verdict.words)

    def _writes(self, verdict: Verdict, record: JobRecord) -> Iterator[Write]:
        ledger, job = self._office.ledger, verdict.job
        yield ledger.keep_evidence(job, f"{verdict.rung}: {verdict.words}")
        if Act.DUMP_STACKS in verdict.acts:
            folder = self._office.driver.folders.of(job, verdict.attempt)
            places = whereabouts.of_run(folder)
            if places:
                yield ledger.keep_evidence(job, places)
        if Act.NOTIFY in verdict.acts:
            handed = ledger.handed.get(naming.base_of(job))
            more = {"why": verdict.words, "attempt": verdict.attempt}
            yield notice(Kind.SUSPECTED, record, handed, verdict.at_s, **more)
        if ENDS & set(verdict.acts):
            self._ends = [end for end in self._ends if verdict.at_s - end.at_s < _HOUR_S]
            self._ends.append(AutomaticEnd(record.user, verdict.at_s))
            yield PutItem(shelves.SERVICE, ENDS_KEY, msgspec.json.encode(self._ends))

    async def _drain(self, drain: Drain) -> None:
        self._office.warnings[f"GPU {drain.gpu}"] = f"GPU {drain.gpu}: {drain.words}"
        if not drain.held_back:
            self._office.driver.drain(drain.gpu, drain.words)
            await self._write(PutItem(shelves.DRAINED, str(drain.gpu), drain.words.encode()))

    async def _requeue(self, requeue: Requeue) -> None:
        await self._keep(requeue.job, requeue.words)
        if not requeue.held_back:
            self._office.driver.end(requeue.job, "evict", requeue.words)

    def _warn(self, finding: Doubt | Notice | Refusal) -> None:
        warnings = self._office.warnings
        match finding:
            case Doubt(doubted=False):
                warnings.pop("health", None)
            case Doubt():
                warnings["health"] = finding.words
            case Notice():
                warnings[f"GPU {finding.gpu}"] = finding.words
            case Refusal():
                warnings["what health was told"] = finding.words

    async def _keep(self, job: JobId, words: str) -> None:
        if job in self._office.ledger.records:
            await self._write(self._office.ledger.keep_evidence(job, words))

    async def _write(self, *writes: Write) -> bool:
        """Write, and say whether it is on the disk; on a full one it is shown and not kept."""
        try:
            await self._office.state.write(*writes)
        except StateError as error:
            self._office.warnings["disk"] = str(error)
            return False
        self._office.warnings.pop("disk", None)
        return True
