"""Where jobs are handed in: looked at once, named, and acknowledged when they are on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from noljima.control.askers import Asker
from noljima.control.messages import Accepted, Submit, Why
from noljima.control.server import RefusalError
from noljima.drivers.local import identity
from noljima.drivers.local.identity import RefusedError
from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Event, Submitted
from noljima.model.job import Priority
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.notify.kinds import chosen
from noljima.service import naming, shelves
from noljima.service.admission import Admission, Key, digest, read_key
from noljima.service.handed import Handed, read_handed
from noljima.service.office import Office
from noljima.service.rows import Rows
from noljima.submission.nouns import After, Submission, When

JOBS_MAX: Final = 100_000
"""So many jobs may wait and run at a time."""
JOBS_EACH_MAX: Final = 20_000
"""And of them so many of one user who is no operator, so that there is room for the others."""
LOG_BYTES_MAX: Final = 1 << 30
"""Of each worker's log, where its owner is no operator: it is kept on the scheduler's disk."""
PENDING_BYTES_MAX: Final = 64 << 20
"""What is on its way to the disk may not be more: a row of the journal has its limit, too."""
KEY_MAX: Final = 200


class Door:
    """Takes submissions."""

    def __init__(self, office: Office, rows: Rows, next_name: int) -> None:
        self._office = office
        self._rows = rows
        self._next = next_name
        self._pending: dict[str, Admission] = {}
        self._pending_bytes = 0

    async def submit(self, asker: Asker, question: Submit) -> Accepted:
        """Take jobs, and return when nothing can lose them any more."""
        # 1. The same once more is answered as the first time.
        key = self._key(asker, question)
        again = await self._again(key, question)
        if again is not None:
            return self._accepted(again)
        # 2. What cannot be is refused before anything has happened.
        self.look_at(asker, question.submissions)
        self._look_at_room(asker, question.submissions)
        # 3. It has its names from here on.
        admission = self._admit(asker, question.submissions, key)
        size_bytes = admission.size_bytes
        self._pending_bytes += size_bytes
        try:
            await asyncio.shield(admission.written)
        finally:
            self._pending_bytes -= size_bytes
            self._pending.pop(_pending_name(admission), None)
        return self._accepted(each.base for each in admission.handed)

    def look_at(self, asker: Asker, submissions: tuple[Submission, ...]) -> None:
        """Refuse what nobody may hand in, or cannot be run here."""
        if not submissions:
            raise RefusalError(Why.BAD, "nothing was handed in")
        for given in submissions:
            try:
                self._look_at(asker, given)
            except (InvalidFieldError, RefusedError) as error:
                raise RefusalError(Why.BAD, str(error)) from None

    def handed(self, asker: Asker, given: Submission, base: str) -> Handed:
        """Give a submission its name and its owner."""
        return Handed(base=base, user=asker.user, uid=asker.uid, gid=asker.gid, submission=given)

    def fate(self, name: str) -> bool | None:
        """Say whether a job, or all of an array, ended well; None where it has not ended."""
        ledger, reader = self._office.ledger, self._office.reader
        if name in ledger.handed or name in ledger.records:
            return None
        body = reader.item(shelves.SPECS, name) if naming.plausible(name) else None
        jobs: tuple[JobId, ...] = (JobId(name),) if body is None else read_handed(body).jobs()
        records = [reader.record(job) for job in jobs]
        if not all(records):
            raise RefusalError(Why.UNKNOWN, f"there is no job {name} that it could wait for")
        return all(record is not None and record.state == State.SUCCEEDED for record in records)

    # --- Looking ---

    def _look_at(self, asker: Asker, given: Submission) -> None:
        handed = self.handed(asker, given, "1")
        job = handed.jobs()[0]
        handed.job(job)
        identity.who(handed.spec(job))
        if given.priority is Priority.URGENT and not asker.operator:
            limit = "is for operators: it goes before everybody else's"
            raise InvalidFieldError("priority", "urgent", limit)
        queues = [queue.name for queue in self._office.settings.engine.queues]
        if given.queue and queues and given.queue not in queues:
            raise InvalidFieldError("queue", given.queue, f"is not one of {', '.join(queues)}")
        if given.log_bytes > LOG_BYTES_MAX and not asker.operator:
            limit = f"is more than {LOG_BYTES_MAX:,}, the most for who is no operator"
            raise InvalidFieldError("log_bytes", given.log_bytes, limit)
        chosen("notify", given.notify)
        for after in given.after:
            self._look_at_wait(after)

    def _look_at_wait(self, after: After) -> None:
        well = self.fate(after.job)
        if well is not None and after.when is not When.ANY and (after.when is When.OK) != well:
            how = "succeeded" if well else "failed"
            raise InvalidFieldError("after", after.job, f"has {how} already, and not otherwise")

    def _look_at_room(self, asker: Asker, submissions: Iterable[Submission]) -> None:
        office = self._office
        refusal = office.closing or office.ledger.full or office.state.refusal()
        if refusal:
            raise RefusalError(Why.BUSY, refusal)
        count = sum(len(given.array) or 1 for given in submissions)
        known = len(office.engine.tickets) + sum(
            len(handed.jobs()) for each in self._pending.values() for handed in each.handed
        )
        if count + known > JOBS_MAX:
            words = f"{known:,} jobs wait or run, and {JOBS_MAX:,} is the most"
            raise RefusalError(Why.BUSY, words)
        if not asker.operator and count + known > JOBS_EACH_MAX:
            self._look_at_own(asker, count)
        if self._pending_bytes > PENDING_BYTES_MAX:
            raise RefusalError(Why.BUSY, "too much is being handed in at once; try again")

    def _look_at_own(self, asker: Asker, count: int) -> None:
        """Refuse what is more than one user may have; asked only where that could be."""
        tickets = self._office.engine.tickets.values()
        own = sum(ticket.job.user == asker.user for ticket in tickets)
        if own + count > JOBS_EACH_MAX:
            words = f"{own:,} of your jobs wait or run, and {JOBS_EACH_MAX:,} is the most"
            raise RefusalError(Why.BUSY, words)

    # --- Taking ---

    def _admit(self, asker: Asker, submissions: tuple[Submission, ...], key: str) -> Admission:
        """Name the jobs and send them on their way, all in one moment."""
        office = self._office
        handed = tuple(
            self.handed(asker, given, str(self._next + number))
            for number, given in enumerate(submissions)
        )
        self._next += len(handed)
        admission = Admission(handed, self._next, key, office.now_s)
        self._pending[_pending_name(admission)] = admission
        office.ledger.admit(admission)
        for each in handed:
            held = each.jobs() if each.submission.held else ()
            turns = office.ledger.waits.take(each, self.fate, held=held)
            going = {turn.job for turn in turns}
            for job in each.jobs():
                office.driver.happened(_submitted(each, job, held=job not in going))
        return admission

    def _accepted(self, bases: Iterable[str]) -> Accepted:
        rows = [self._rows.fresh(job) for base in bases for job in self._jobs(base)]
        return Accepted(now_s=self._office.now_s, rows=tuple(rows))

    def _jobs(self, base: str) -> tuple[JobId, ...]:
        handed = self._office.ledger.handed.get(base)
        if handed is None:
            body = self._office.reader.item(shelves.SPECS, base)
            handed = None if body is None else read_handed(body)
        return (JobId(base),) if handed is None else handed.jobs()

    # --- The same again ---

    def _key(self, asker: Asker, question: Submit) -> str:
        if not question.key:
            return ""
        bounds.text("key", question.key, high=KEY_MAX)
        return f"{asker.uid}/{question.key}"

    async def _again(self, key: str, question: Submit) -> tuple[str, ...] | None:
        """Return what was handed in with this key before, once it is on the disk."""
        if not key:
            return None
        pending = self._pending.get(key)
        if pending is not None:
            what: Key = pending.what
            # Who gives up waiting does not stop it for the others.
            await asyncio.shield(pending.written)
        else:
            body = self._office.reader.item(shelves.KEYS, key)
            if body is None:
                return None
            what = read_key(body)
        if what.digest != digest(question.submissions):
            words = f"key {question.key} was used for something else that was handed in"
            raise RefusalError(Why.BAD, words)
        return what.bases


def _pending_name(admission: Admission) -> str:
    # No key has a space in front: one begins with the number of a user.
    return admission.key or f" {admission.first}"


def _submitted(handed: Handed, job: JobId, *, held: bool) -> Callable[[float], Event]:
    def make(at_s: float) -> Event:
        return Submitted(at_s=at_s, job=handed.job(job), held=held)

    return make
