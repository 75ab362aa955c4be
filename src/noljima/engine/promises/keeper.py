"""Follows the engine and sees to it that every waiting job has a promise that is up to date.

It only looks on: no decision depends on a promise, so that an engine with promises and one without
give the same commands. After each moment it settles the promises of those who have started, makes
one for each who has begun to wait, and looks again at the first of the line and at some of the rest
in turn, so that the cost of a moment does not grow with the line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from noljima.engine.forecast import limit_s, strict_starts
from noljima.engine.promises.book import Promise, PromiseBook
from noljima.engine.promises.crowds import Crowds
from noljima.engine.promises.lives import Lives
from noljima.engine.promises.play import PLACED_MAX, Play, Tail
from noljima.engine.promises.settled import Settled
from noljima.model.commands import Command
from noljima.model.events import Event, NodeLost, NodeSeen, Submitted, Ticked
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.policy.state import Policy, SchedulerState
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.templates import template_of

_STRIDE: Final = 4
"""The line is played forward in every such moment, and whenever somebody has begun to wait."""
_TAIL_STRIDE: Final = 64
_TAIL_SHARE: Final = 64
"""The tail of the line is added up anew after so many plays; of a long one, its jobs / this."""
_TURN: Final = 32
"""So many jobs of the tail are looked at in one play."""
_SETTLED_MAX: Final = 1 << 16
_GRACE_S: Final = 60.0
"""Added to what limits promise: whoever makes way saves its state first."""
_STARTED: Final = (State.RUNNING, State.STOPPING, State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Books(Protocol):
    """What is read of an engine; a protocol because the engine knows this module."""

    @property
    def policy(self) -> Policy:
        """Who decides."""
        ...

    @property
    def state(self) -> SchedulerState:
        """What policies read."""
        ...

    @property
    def tickets(self) -> Mapping[JobId, Ticket]:
        """Every job that has not ended."""
        ...


class Promises:
    """What every waiting job was told, kept up to date."""

    def __init__(self) -> None:
        self.book = PromiseBook()
        self._lives = Lives()
        self._crowds = Crowds()
        self._known: dict[JobId, Ticket] = {}
        self._weights: dict[JobId, float] = {}
        self._unpromised: dict[JobId, Ticket] = {}
        self._settled: deque[Settled] = deque(maxlen=_SETTLED_MAX)
        self._begun = False
        self._idle = 0
        self._tail: Tail | None = None
        self._tail_age = 0
        self._turn = 0

    def of(self, job: JobId) -> Promise | None:
        """Return what a waiting job was told; None where it does not wait for GPUs."""
        return self.book.of(job)

    def take_settled(self) -> list[Settled]:
        """Return what became of promises since this was asked last, and forget it."""
        settled = list(self._settled)
        self._settled.clear()
        return settled

    def follow(self, books: Books, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take note of a moment that the engine has just handled."""
        self.book.pass_time(books.state.now_s)
        for job in self._touched(books, events, commands):
            self._look(books, job)
        self._idle += 1
        due = self._idle >= _STRIDE and len(self.book) > 0
        if self._unpromised or due:
            self._idle = 0
            self._play(books)

    def _touched(
        self, books: Books, events: Sequence[Event], commands: Sequence[Command]
    ) -> Iterable[JobId]:
        """Name the jobs that may be in another state than before this moment, each once."""
        touched: dict[JobId, None] = {}
        begun, self._begun = self._begun, True
        for event in events:
            if not begun or isinstance(event, NodeSeen | NodeLost):
                # Jobs may have come before anybody followed, and what did not fit may fit now.
                return dict.fromkeys([*self._known, *books.tickets])
            if isinstance(event, Submitted):
                touched[event.job.id] = None
            elif not isinstance(event, Ticked):
                touched[event.job] = None
        touched.update(dict.fromkeys(command.job for command in commands))
        return touched

    def _look(self, books: Books, job: JobId) -> None:
        ticket = books.tickets.get(job)
        if ticket is not None:
            if job not in self._known:
                self._known[job] = ticket
                self._weights[job] = self._crowds.weight(_kind(ticket), books.state.now_s)
        else:
            ticket = self._known.pop(job, None)
            if ticket is None:
                return
            weight = self._weights.pop(job)
            if ticket.state in (State.SUCCEEDED, State.FAILED):
                self._lives.learn(ticket, weight)
            self._lives.forget(ticket)
        self._unpromised.pop(job, None)
        if ticket.state is State.QUEUED:
            if self.book.of(job) is None:
                self._unpromised[job] = ticket
        elif ticket.state in _STARTED and ticket.start_s < NEVER_S:
            settled = self.book.started(job, ticket.start_s)
            if settled is not None:
                self._settled.append(settled)
        elif ticket.state is not State.STARTING:
            # Held, infeasible or cancelled: it waits for something else, or for nothing.
            self.book.withdraw(job)

    def _play(self, books: Books) -> None:
        state, book = books.state, self.book
        play = Play(state, books.policy, self._lives)
        told: set[JobId] = set()
        latest_s = self._latest_s(books)
        for ticket, forecast in play.first():
            job = ticket.job.id
            book.tell(job, state.now_s, forecast, self._weights[job], latest_s.get(job, NEVER_S))
            told.add(job)
        behind = [ticket for job, ticket in self._unpromised.items() if job not in told]
        self._unpromised.clear()
        if len(state.line) <= PLACED_MAX:
            self._tail = None
            return
        tail = self._fresh_tail(state)
        # Some of the tail have started since it was added up; nobody moves their promise any more.
        behind += [t for t in self._next(tail) if t.state is State.QUEUED]
        first = next(islice(state.line, PLACED_MAX, None))
        for ticket, forecast in play.behind(tail, first, behind):
            book.tell(ticket.job.id, state.now_s, forecast, self._weights[ticket.job.id])

    def _latest_s(self, books: Books) -> Mapping[JobId, float]:
        """Say when those who have begun to wait start at the latest, where limits decide it.

        No job starts later than in the strict queue (T3), and there none later than if all ran to
        their limits. Looked at in short lines only: in long ones it costs more than it says.
        """
        state = books.state
        if state.shadow is None or not self._unpromised or len(state.line) > PLACED_MAX:
            return {}
        starts = strict_starts(state.shadow, books.tickets.values(), state.now_s, limit_s)
        return {
            ticket.job.id: start_s + _GRACE_S
            for ticket, start_s in islice(starts, PLACED_MAX)
            if ticket.job.id in self._unpromised
        }

    def _fresh_tail(self, state: SchedulerState) -> Tail:
        self._tail_age += 1
        stride = max(_TAIL_STRIDE, len(state.line) // _TAIL_SHARE)
        if self._tail is None or self._tail_age >= stride:
            self._tail = Tail(list(islice(state.line, PLACED_MAX, None)), self._lives)
            self._tail_age = 0
        return self._tail

    def _next(self, tail: Tail) -> Sequence[Ticket]:
        """Return those of the tail whose turn it is to be looked at."""
        self._turn = self._turn + _TURN if self._turn + _TURN < len(tail.tickets) else 0
        return tail.tickets[self._turn : self._turn + _TURN]


def _kind(ticket: Ticket) -> Hashable:
    return (ticket.job.user, template_of(ticket.job.name), ticket.gpu_milli)
