"""Why each job does not run, worked out from the books when somebody asks.

Nothing is noted while the engine decides, so that reasons cost nothing until they are wanted and
are never out of date. An `Explainer` works out once what all answers share; it belongs to one
moment and is thrown away with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from noljima.engine.advice import Advice
from noljima.engine.forecast import Forecast, strict_starts
from noljima.engine.outlook import Books, Outlook
from noljima.model.lifecycle import State
from noljima.model.reasons import BLOCKING_MAX, Basis, Change, Code, Reason, Step
from noljima.model.resources import JobId, NodeId
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
        """Say it in words; a `KeyError` would show its key alone."""
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


_NOWHERE = Place(0, 0, NEVER_S)


class Explainer:
    """Answers for any number of jobs at one moment."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._state = books.state
        self._policy = books.policy
        # Both are filled as far as somebody asks, so that one answer need not see the whole line.
        self._places: dict[Ticket, Place] = {}
        self._coming_places = self._walk()
        self._strict_s: dict[Ticket, float] = {}
        self._coming_strict = self._play_strict()

    @cached_property
    def _outlook(self) -> Outlook:
        # Whoever runs is answered without it.
        return Outlook(self._books)

    @cached_property
    def _advice(self) -> Advice:
        return Advice(self._outlook)

    def waiting(self) -> Iterator[Ticket]:
        """Go through the line, then through held and infeasible jobs as they came."""
        yield from self._state.line
        for ticket in self._books.tickets.values():
            if ticket.state in (State.HELD, State.INFEASIBLE):
                yield ticket

    def reason(self, ticket: Ticket) -> Reason:
        """Say why a job does not run, or how it runs or has ended."""
        match ticket.state:
            case State.HELD:
                release = (Change(Step.RELEASE),)
                return replace(self._blank(ticket, Code.HELD), changes=release)
            case State.INFEASIBLE:
                return self._infeasible(ticket)
            case State.QUEUED:
                return self._queued(ticket)
            case State.STARTING | State.RUNNING:
                return self._running(ticket)
            case State.STOPPING:
                return self._stopping(ticket)
            case State.SUCCEEDED | State.FAILED | State.CANCELLED:
                return self._ended(ticket)

    # --- Jobs that wait ---

    def _infeasible(self, ticket: Ticket) -> Reason:
        return replace(
            self._blank(ticket, Code.INFEASIBLE),
            detail=self._books.infeasible[ticket.job.id],
            changes=self._advice.to_run(ticket),
        )

    def _queued(self, ticket: Ticket) -> Reason:
        outlook = self._outlook
        place = self._place(ticket)
        # 1. Its place is being cleared.
        leaving = outlook.cleared.get(ticket)
        if leaving is not None:
            saving = all(_saves(other) for other in leaving)
            reason = self._in_line(ticket, place, Code.CLEARING, leaving)
            return replace(reason, saving=saving)
        # 2. Its queue holds all that it may.
        quota = outlook.quota_words(ticket)
        if quota is not None:
            return replace(self._in_line(ticket, place, Code.QUOTA), detail=quota)
        # 3. It would fit, but must not start.
        if outlook.fits(outlook.free, ticket.demand):
            return self._kept_out(ticket, place)
        # 4. It does not fit. In a strict queue only the first is kept back by that.
        strict = isinstance(self._policy, QueuePolicy) and not outlook.fills
        if strict and place.position > 1 and ticket is not outlook.head:
            return self._behind(ticket, place)
        return self._too_large(ticket, place)

    def _kept_out(self, ticket: Ticket, place: Place) -> Reason:
        """Say why a job waits that would fit into what is free."""
        outlook = self._outlook
        # 1. What is free is kept for jobs whose place is being cleared.
        if not outlook.fits(outlook.trial, ticket.demand):
            reason = self._in_line(ticket, place, Code.RESERVED, list(outlook.cleared))
            kept_milli = outlook.free.gpu_milli_free - outlook.trial.gpu_milli_free
            return self._timed(replace(reason, kept_milli=kept_milli), ticket, place)
        # 2. Guests start at once, unless they were evicted too often.
        if outlook.guests is not None and ticket.evictable:
            if outlook.barred(ticket):
                return self._timed(self._in_line(ticket, place, Code.EVICTED), ticket, place)
        # 3. It would delay the job that GPUs are kept for.
        elif outlook.holds_up(ticket):
            return self._reserved(ticket, place)
        # 4. It is not its turn.
        if place.position > 1 and not outlook.fills:
            return self._behind(ticket, place)
        reason = replace(self._in_line(ticket, place, Code.DECISION), detail=self._policy.name)
        return self._timed(reason, ticket, place)

    def _reserved(self, ticket: Ticket, place: Place) -> Reason:
        first = self._outlook.reserved
        assert first is not None
        reason = replace(
            self._in_line(ticket, place, Code.RESERVED, [first]),
            kept_milli=first.gpu_milli,
            kept_from_s=self._outlook.reserved_s,
            run_s=ticket.remaining_s(),
            changes=self._advice.to_start(ticket),
        )
        return self._timed(reason, ticket, place)

    def _too_large(self, ticket: Ticket, place: Place) -> Reason:
        refusal = self._outlook.refusal(ticket.demand)
        guests_milli = 0
        if ticket is self._outlook.head:
            guests_milli = sum(guest.gpu_milli for guest in self._outlook.guests_of(ticket))
        reason = replace(
            self._in_line(ticket, place, Code.RESOURCES),
            detail=refusal.words,
            fitting=refusal.fitting if len(ticket.job.gang.groups) == 1 else 0,
            guests_milli=guests_milli,
            changes=self._advice.to_start(ticket),
        )
        return self._timed(reason, ticket, place)

    def _behind(self, ticket: Ticket, place: Place) -> Reason:
        first = next(iter(self._state.line))
        reason = self._in_line(ticket, place, Code.ORDER, [first])
        return self._timed(reason, ticket, place)

    # --- Jobs that hold capacity, and those that did ---

    def _running(self, ticket: Ticket) -> Reason:
        code = Code.STARTING if ticket.state is State.STARTING else Code.RUNNING
        return replace(
            self._blank(ticket, code),
            since_s=ticket.start_s,
            ends_s=ticket.expected_end_s,
            guest=ticket.guest and ticket.due_s == NEVER_S,
        )

    def _stopping(self, ticket: Ticket) -> Reason:
        if ticket.cancelled:
            return replace(self._blank(ticket, Code.CANCELLING), since_s=ticket.start_s)
        cleared = self._outlook.cleared.items()
        waiting = [other for other, leaving in cleared if ticket in leaving]
        return replace(
            self._blank(ticket, Code.EVICTING),
            **_blocking(waiting),
            saving=_saves(ticket),
            since_s=ticket.start_s,
        )

    def _ended(self, ticket: Ticket) -> Reason:
        cancelled = ticket.state is State.CANCELLED
        return replace(
            self._blank(ticket, Code.ENDED),
            detail="been cancelled" if cancelled else str(ticket.state),
            run_s=ticket.run_s if ticket.run_s < NEVER_S else None,
        )

    # --- Parts of a reason ---

    def _blank(self, ticket: Ticket, code: Code) -> Reason:
        return Reason(
            code=code,
            job=ticket.job.id,
            at_s=self._state.now_s,
            workers=ticket.demand.workers,
            needed_milli=ticket.gpu_milli,
            free_milli=self._state.space.gpu_milli_free,
            evictions=ticket.evictions,
        )

    def _in_line(
        self, ticket: Ticket, place: Place, code: Code, blocking: Sequence[Ticket] = ()
    ) -> Reason:
        return replace(
            self._blank(ticket, code),
            position=place.position,
            ahead_milli=place.ahead_milli,
            **_blocking(blocking),
            **self._promised(ticket),
        )

    def _promised(self, ticket: Ticket) -> dict[str, float]:
        promises = self._books.promises
        promise = None if promises is None else promises.of(ticket.job.id)
        if promise is None or promise.told_by_s is None:
            return {}
        return {"about_s": promise.about_s, "by_s": promise.told_by_s}

    def _timed(self, reason: Reason, ticket: Ticket, place: Place) -> Reason:
        """Add when the job is expected to start, and when the strict queue would start it."""
        strict_s = self._strict(ticket)
        expected_s, basis = self._own_start(ticket, place)
        if strict_s is not None and (expected_s is None or strict_s <= expected_s):
            expected_s, basis = strict_s, Basis.ESTIMATE
        rooms: tuple[NodeId, ...] = ()
        if ticket is self._outlook.reserved and expected_s == self._outlook.beside[0]:
            rooms = self._outlook.rooms
        return replace(reason, strict_s=strict_s, expected_s=expected_s, basis=basis, rooms=rooms)

    def _own_start(self, ticket: Ticket, place: Place) -> tuple[float | None, Basis | None]:
        """Say when the job has its turn, by a reservation or else by the order of the line."""
        now_s, outlook = self._state.now_s, self._outlook
        kept_s = NEVER_S
        if isinstance(self._policy, Conservative):
            kept_s = self._policy.reserved_s(ticket)
        elif outlook.reservation is not None and ticket is outlook.reservation.ticket:
            kept_s = outlook.reserved_s
        if now_s < kept_s < NEVER_S:
            return kept_s, Basis.RESERVED
        if place.start_s < NEVER_S:
            return place.start_s, Basis.ESTIMATE
        return None, None

    def _place(self, ticket: Ticket) -> Place:
        while ticket not in self._places:
            found = next(self._coming_places, None)
            if found is None:
                return _NOWHERE
            self._places[found[0]] = found[1]
        return self._places[ticket]

    def _walk(self) -> Iterator[tuple[Ticket, Place]]:
        """Go down the line, adding up what is ahead and letting one job start after the other."""
        forecast = self._forecast()
        ahead_milli = 0
        for position, ticket in enumerate(self._state.line, 1):
            start_s = NEVER_S
            if forecast is not None:
                start_s = forecast.start(ticket.demand, ticket.remaining_s())
            yield ticket, Place(position, ahead_milli, start_s)
            ahead_milli += ticket.gpu_milli

    def _forecast(self) -> Forecast | None:
        """Play the line forward where its order is the order of starts and nothing else tells."""
        if not isinstance(self._policy, QueuePolicy | SharePolicy):
            return None
        state = self._state
        ends = [
            (state.now_s if ticket.state is State.STOPPING else end_s, ticket.demand, placement)
            for end_s, _, ticket, placement in state.ends
        ]
        return Forecast(state.now_s, self._outlook.free, ends)

    def _strict(self, ticket: Ticket) -> float | None:
        """Say when the strict queue would start the job, or has; None where there is none."""
        if ticket.due_s < NEVER_S:
            return ticket.due_s
        while ticket not in self._strict_s:
            found = next(self._coming_strict, None)
            if found is None:
                return None
            self._strict_s[found[0]] = found[1]
        start_s = self._strict_s[ticket]
        return start_s if start_s < NEVER_S else None

    def _play_strict(self) -> Iterator[tuple[Ticket, float]]:
        shadow = self._state.shadow
        if shadow is not None:
            yield from strict_starts(shadow, self._books.tickets.values(), self._state.now_s)


def _blocking(tickets: Sequence[Ticket]) -> dict[str, object]:
    jobs = tuple(ticket.job.id for ticket in tickets[:BLOCKING_MAX])
    return {"blocking": jobs, "blocking_count": len(tickets)}


def _saves(ticket: Ticket) -> bool:
    """Say whether a job that was told to go saves its state first."""
    return not ticket.cancelled and ticket.job.checkpoint.interval_s is not None
