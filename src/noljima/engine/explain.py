"""Why each job does not run, worked out from the books when somebody asks.

Nothing is noted while the engine decides, so that reasons cost nothing until they are wanted and
are never out of date. `Explainer` works out once what all answers share; it belongs to one moment
and is thrown away with it.

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from noljima.engine.advice import Advice
from noljima.engine.forecast import Forecast, strict_starts
from noljima.engine.outlook import Books, Outlook
from noljima.model.lifecycle import State
from noljima.model.reasons import BLOCKING_MAX, Basis, Change, Code, Reason, Step
from noljima.model.resources import JobId
from noljima.policy.conservative import Conservative
from noljima.policy.queueing import QueuePolicy
from noljima.policy.share import SharePolicy
from noljima.policy.ticket import NEVER_S, Ticket


class UnknownJobError(KeyError):
    """Nobody can say anything of a job that the engine does not have."""

    def __init__(self, job: JobId) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        """Say it in words; a `KeyError` shows its key alone."""
        return f"there is no job {self.job}: it has ended, or was never handed in"


def explain(books: Books, job: JobId) -> Reason:
    """Say why a job does not run, or how it runs; refuse a job that is not there."""
    ticket = books.tickets.get(job)
    if ticket is None:
        raise UnknownJobError(job)
    return Explainer(books).reason(ticket)


def explain_all(books: Books, limit: int | None = None) -> list[Reason]:
    """Explain the first `limit` waiting jobs: the line in its order, then who stands beside it."""
    explainer = Explainer(books)
    return [explainer.reason(ticket) for ticket in islice(explainer.waiting(), limit)]


class Place(NamedTuple):
    """Where a job is in the line, and when it would start in its order."""

    position: int
    ahead_milli: int
    start_s: float


NOWHERE = Place(0, 0, NEVER_S)


class Explainer:
    """Answers for any number of jobs at one moment."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._state = books.state
        self._policy = books.policy
        self._outlook = Outlook(books)
        self._advice = Advice(self._outlook)
        self._places: dict[Ticket, Place] = {}
        self._next_places = self._walk()
        self._strict: dict[JobId, float] = {}
        self._next_strict: Iterator[tuple[JobId, float]] = iter(())
        if self._state.shadow is not None:
            self._next_strict = strict_starts(
                self._state.shadow, books.tickets.values(), self._state.now_s
            )

    def waiting(self) -> Iterator[Ticket]:
        """Go through the line, then through held and infeasible jobs as they came."""
        yield from self._state.line
        for ticket in self._books.tickets.values():
            if ticket.state in (State.HELD, State.INFEASIBLE):
                yield ticket

    def reason(self, ticket: Ticket) -> Reason:
        """Say why a job does not run, or how it runs or ended."""
        match ticket.state:
            case State.HELD:
                return self._reason(ticket, Code.HELD, changes=(Change(Step.RELEASE),))
            case State.INFEASIBLE:
                return self._infeasible(ticket)
            case State.QUEUED:
                return self._queued(ticket)
            case State.STARTING | State.RUNNING:
                return self._running(ticket)
            case State.STOPPING:
                return self._stopping(ticket)
            case State.SUCCEEDED | State.FAILED | State.CANCELLED:
                run_s = ticket.run_s if ticket.run_s < NEVER_S else None
                words = "been cancelled" if ticket.state is State.CANCELLED else str(ticket.state)
                return self._reason(ticket, Code.ENDED, detail=words, run_s=run_s)

    # --- Jobs that wait ---

    def _infeasible(self, ticket: Ticket) -> Reason:
        words = self._books.infeasible[ticket.job.id]
        changes = self._advice.to_run(ticket)
        return self._reason(ticket, Code.INFEASIBLE, detail=words, changes=changes)

    def _queued(self, ticket: Ticket) -> Reason:
        outlook = self._outlook
        place = self._place(ticket)
        # 1. Its place is being cleared.
        leaving = outlook.cleared.get(ticket)
        if leaving is not None:
            return self._waiting(ticket, place, Code.CLEARING, **_made_way(leaving))
        # 2. Its queue has used up what it may hold.
        quota = outlook.quota_words(ticket)
        if quota is not None:
            return self._waiting(ticket, place, Code.QUOTA, detail=quota)
        # 3. It would fit, but must not.
        if outlook.fits(outlook.free, ticket.demand):
            return self._forbidden(ticket, place)
        # 4. It does not fit; in a strict queue that is the head's reason alone.
        strict = isinstance(self._policy, QueuePolicy) and outlook.reservation is None
        if strict and place.position > 1 and ticket is not outlook.head:
            return self._behind(ticket, place)
        return self._lacking(ticket, place)

    def _forbidden(self, ticket: Ticket, place: Place) -> Reason:
        """Say why a job waits that would fit into what is free."""
        outlook = self._outlook
        # 1. What is free is kept for jobs whose place is being cleared.
        if not outlook.fits(outlook.trial, ticket.demand):
            kept = next(iter(outlook.cleared))
            return self._reserved(ticket, place, kept, None)
