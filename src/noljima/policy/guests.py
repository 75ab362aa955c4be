"""Main line and guests: the order is kept, and no GPU idles while an evictable job fits it.

The first job that does not fit (the head) holds up nobody: evictable jobs behind it fill every hole
as guests, and give way when the head can start. Beside that runs the strict queue (the shadow): a
job that it has started is *due* and starts at once, whoever has to give way, so that nobody starts
later than first come first served would have let them (`docs/guarantees.md`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from noljima.model.lifecycle import State
from noljima.placement.demand import Demand
from noljima.policy.cycle import Backfill, Cycle
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.state import Plan, SchedulerState
from noljima.policy.ticket import FILL_TAU, NEVER_S, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTerms:
    """On what terms guests run and go."""

    evictions_max: int = 3
    """A job that was evicted this often is no guest any more: it waits for its turn."""
    lost_share_max: float = 0.05
    """Once evictions have thrown away this share of all GPU time, only due jobs evict."""
    loss_per_wait: float = 0.02
    """Evict early only while the GPU time lost is at most this share of the GPU time waited for:
    the head's GPUs times the time it has waited."""


class GuestPolicy:
    """Starts jobs in order, fills every hole with guests, and lets the shadow keep the order."""

    each_event = False
    keeps_shadow = True
    fill_tau = FILL_TAU

    def __init__(
        self,
        name: str,
        order: Order,
        terms: GuestTerms | None = None,
        *,
        age_cap_s: float = NEVER_S,
    ) -> None:
        self.name = name
        self._order = order
        self.terms = terms or GuestTerms()
        """On what terms guests run and go."""
        self._age_cap_s = age_cap_s
        self._young: deque[Ticket] = deque()

    def new_line(self) -> Line:
        """Return an empty line sorted by key."""
        return KeyedLine()

    def enrol(self, ticket: Ticket) -> None:
        """Give a job its key, and note when it will be old."""
        ticket.key = key_of(self._order, ticket)
        if self._age_cap_s < NEVER_S:
            self._young.append(ticket)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:  # noqa: ARG002 - plans anew
        """Start who is due, then the line in order, then fill what is left with guests."""
        # 1. The oldest go to the front.
        self._age(state)
        cycle = Cycle(state, self)
        # 2. Whoever the strict queue has started starts now, at anybody's cost.
        for stray in state.strays.values():
            _recall(cycle, stray)
        for ticket in state.due.values():
            _secure_due(cycle, ticket)
        # 3. The line in order, as far as it fits or is worth an eviction.
        head = self.main_line(cycle)
        # 4. Guests and backfill behind the first that has to wait.
        if head is not None:
            self.fill(cycle, head)
        if self._young:
            cycle.plan.wake_s = self._young[0].submit_s + self._age_cap_s
        return cycle.plan

    def gives_way(self, other: Ticket, ticket: Ticket) -> bool:
        """Say whether a running job gives way to a waiting one that is not due."""
        return other.key > ticket.key and other.due_s == NEVER_S

    def admits(self, ticket: Ticket) -> bool:  # noqa: ARG002 - `share` has quotas
        """Say whether a job may start at all now, capacity apart."""
        return True

    def count(self, ticket: Ticket) -> None:
        """Take note of a start that is planned or kept a place for; `share` counts quotas."""

    def main_line(self, cycle: Cycle) -> Ticket | None:
        """Start jobs in order, at others' cost where that is worth it; return who must wait."""
        for ticket in cycle.state.line:
            if ticket in cycle.settled or not self.admits(ticket):
                continue
            if not self._secure(cycle, ticket):
                return ticket
        return None

    def fill(self, cycle: Cycle, head: Ticket) -> None:
        """Fill what is left with guests, and with others as far as they do not delay the head."""
        refused: set[Demand] = set()
        backfill: Backfill | None = None
        for ticket in _behind(cycle, head):
            if ticket.demand in refused:
                continue
            if not cycle.trial.fits(ticket.demand):
                refused.add(ticket.demand)
            elif not self.admits(ticket):
                continue
            elif ticket.evictable:
                if ticket.evictions < self.terms.evictions_max:
                    cycle.start(ticket, guest=True)
            else:
                backfill = backfill or Backfill(cycle, head)
                backfill.consider(ticket)

    def _age(self, state: SchedulerState) -> None:
        while self._young and self._young[0].submit_s + self._age_cap_s <= state.now_s:
            ticket = self._young.popleft()
            waiting = ticket.state is State.QUEUED
            if waiting:
                state.line.remove(ticket)
            ticket.key = (ticket.key[0], 0, 0.0, ticket.number)
            if waiting:
                state.line.add(ticket)

    def _secure(self, cycle: Cycle, ticket: Ticket) -> bool:
        """Start the job, or make sure that it can as soon as others have gone; False if neither."""
        if cycle.trial.fits(ticket.demand):
            cycle.start(ticket)
            return True
        if cycle.keep_for(ticket):
            return True
        if cycle.hopeless(ticket):
            return False
        loss_max_milli_s = self._loss_max_milli_s(cycle.state, ticket)
        candidates = cycle.candidates(ticket)
        victims = cycle.choose(ticket, candidates, loss_max_milli_s=loss_max_milli_s)
        if not victims:
            return False
        cycle.evict(victims, ticket)
        return cycle.keep_for(ticket)

    def _loss_max_milli_s(self, state: SchedulerState, ticket: Ticket) -> float:
        """Say how much GPU time evictions may throw away for a job that is not due."""
        if state.lost_milli_s > self.terms.lost_share_max * state.held_milli_s:
            return 0.0
        waited_milli_s = ticket.gpu_milli * (state.now_s - ticket.submit_s)
        return self.terms.loss_per_wait * waited_milli_s


def _behind(cycle: Cycle, head: Ticket) -> Iterable[Ticket]:
    # None is free where another copy says less than none: jobs without GPUs still fit.
    free = max(cycle.trial.gpu_milli_free, 0)
    return [
        ticket
        for ticket in cycle.state.line
        if ticket.gpu_milli <= free and ticket is not head and ticket not in cycle.settled
    ]


def _recall(cycle: Cycle, stray: Ticket) -> None:
    """Tell a due job that runs in the wrong place to go, so that it starts in its own.

    Left where it is, it could keep a later job from the nodes that the strict queue gives it. Where
    its own place cannot be cleared either, it stays.
    """
    shadow = cycle.state.shadow
    assert shadow is not None
    if not cycle.evictable(stray):
        return
    nodes = shadow.claim(stray)
    space = (cycle.soon or cycle.trial).copy()
    for other in [stray, *cycle.in_the_way(stray, nodes)]:
        space.give_back(other.demand, other.placement)
    if space.take_at(stray.demand, nodes) is not None:
        cycle.evict([stray], stray)


def _secure_due(cycle: Cycle, ticket: Ticket) -> None:
    """Start a due job where the strict queue has it, whoever has to go."""
    shadow = cycle.state.shadow
    assert shadow is not None
    nodes = shadow.claim(ticket)
    if cycle.start_at(ticket, nodes) or cycle.keep_at(ticket, nodes):
        return
    victims = cycle.choose(ticket, cycle.in_the_way(ticket, nodes), nodes)
    if victims:
        cycle.evict(victims, ticket)
        cycle.keep_at(ticket, nodes)
    elif cycle.trial.fits(ticket.demand):
        # A job that cannot be evicted stands there. Better elsewhere now than late.
        cycle.start(ticket)
