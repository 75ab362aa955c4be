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
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.reservation import earliest
from noljima.policy.state import Plan, Planned, Reservation, SchedulerState
from noljima.policy.ticket import NEVER_S, Ticket


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


class Cycle:
    """One planning: the copy of the space that it plans on, and what it has planned so far."""

    def __init__(self, state: SchedulerState) -> None:
        self.state = state
        self.plan = Plan()
        self.trial = state.space.copy()
        # What will be free once everybody who was told to go has gone.
        self.soon: Space | None = None
        self.settled: set[Ticket] = set()
        self.going: set[Ticket] = set()
        if state.stopping:
            self.soon = self.trial.copy()
            for ticket in state.stopping.values():
                self.soon.give_back(ticket.demand, ticket.placement)

    def start(self, ticket: Ticket, *, guest: bool = False) -> None:
        """Plan a start that fits now."""
        placement = self.trial.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        if self.soon is not None:
            self.soon.hold(ticket.demand, placement)
        self.plan.starts.append(Planned(ticket, placement, guest=guest))
        self.settled.add(ticket)

    def keep_for(self, ticket: Ticket, soon: Space) -> None:
        """Keep the place that the job will have in `soon` from being given to anybody else."""
        placement = soon.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        self.trial.withhold(ticket.demand, [worker.node for worker in placement.workers])
        self.soon = soon
        self.settled.add(ticket)

    def evictable(self, ticket: Ticket) -> bool:
        """Say whether a running job can be told to go in this plan."""
        return (
            ticket.evictable
            and ticket.job.id not in self.state.stopping
            and ticket not in self.going
        )


class GuestPolicy:
    """Starts jobs in order, fills every hole with guests, and lets the shadow keep the order."""

    each_event = False
    keeps_shadow = True

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
        self._terms = terms or GuestTerms()
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
        cycle = Cycle(state)
        # 2. Whoever the strict queue has started starts now, at anybody's cost.
        for ticket in state.due.values():
            self._secure(cycle, ticket, must=True)
        # 3. The line in order, as far as it fits or is worth an eviction.
        head = self._main_line(cycle)
        # 4. Guests and backfill behind the first that has to wait.
        if head is not None:
            self._fill(cycle, head)
        if self._young:
            cycle.plan.wake_s = self._young[0].submit_s + self._age_cap_s
        return cycle.plan

    def _age(self, state: SchedulerState) -> None:
        while self._young and self._young[0].submit_s + self._age_cap_s <= state.now_s:
            ticket = self._young.popleft()
            waiting = ticket.state is State.QUEUED
            if waiting:
                state.line.remove(ticket)
            ticket.key = (ticket.key[0], 0, 0.0, ticket.number)
            if waiting:
                state.line.add(ticket)

    def _main_line(self, cycle: Cycle) -> Ticket | None:
        for ticket in cycle.state.line:
            if ticket in cycle.settled:
                continue
            if not self._secure(cycle, ticket, must=False):
                return ticket
        return None

    def _secure(self, cycle: Cycle, ticket: Ticket, *, must: bool) -> bool:
        """Start the job, or make sure that it can as soon as others have gone; False if neither."""
        if cycle.trial.fits(ticket.demand):
            cycle.start(ticket)
            return True
        if cycle.soon is not None and cycle.soon.fits(ticket.demand):
            cycle.keep_for(ticket, cycle.soon)
            return True
        victims = self._victims(cycle, ticket, must=must)
        if not victims:
            return False
        soon = (cycle.soon or cycle.trial).copy()
        for victim in victims:
            soon.give_back(victim.demand, victim.placement)
            cycle.plan.evictions.append((victim, ticket))
            cycle.going.add(victim)
        cycle.keep_for(ticket, soon)
        return True

    def _victims(self, cycle: Cycle, ticket: Ticket, *, must: bool) -> list[Ticket]:
        """Choose whom to evict for the job: least lost work first, then the latest; [] for nobody."""
        state = cycle.state
        candidates = [
            other
            for other in state.running.values()
            if other.due_s == NEVER_S
            and (must or other.key > ticket.key)
            and cycle.evictable(other)
        ]
        space = (cycle.soon or cycle.trial).copy()
        total = space.gpu_milli_free + sum(other.gpu_milli for other in candidates)
        if total < ticket.gpu_milli:
            return []
        now_s = state.now_s
        loss_s = {other: other.loss_s(now_s) for other in candidates}
        candidates.sort(key=lambda other: (loss_s[other], -other.number))
        chosen = _enough(space, ticket.demand, candidates)
        chosen = _spare(space, ticket.demand, chosen, loss_s)
        if must or self._worth_it(state, ticket, sum(loss_s[o] * o.gpu_milli for o in chosen)):
            return chosen
        return []

    def _worth_it(self, state: SchedulerState, ticket: Ticket, lost_milli_s: float) -> bool:
        if lost_milli_s == 0.0:
            return True
        if state.lost_milli_s > self._terms.lost_share_max * state.held_milli_s:
            return False
        waited_milli_s = ticket.gpu_milli * (state.now_s - ticket.submit_s)
        return lost_milli_s <= self._terms.loss_per_wait * waited_milli_s

    def _fill(self, cycle: Cycle, head: Ticket) -> None:
        refused: set[Demand] = set()
        backfill: _Backfill | None = None
        for ticket in self._behind(cycle, head):
            if cycle.trial.gpu_milli_free <= 0:
                break
            if ticket.demand in refused:
                continue
            if not cycle.trial.fits(ticket.demand):
                refused.add(ticket.demand)
            elif ticket.evictable:
                if ticket.evictions < self._terms.evictions_max:
                    cycle.start(ticket, guest=True)
            else:
                backfill = backfill or _Backfill(cycle, head)
                backfill.consider(ticket)

    def _behind(self, cycle: Cycle, head: Ticket) -> Iterable[Ticket]:
        free = cycle.trial.gpu_milli_free
        return [
            ticket
            for ticket in cycle.state.line
            if ticket.gpu_milli <= free and ticket is not head and ticket not in cycle.settled
        ]


class _Backfill:
    """The head's reservation, for jobs that cannot be evicted and so must not stand in its way."""

    def __init__(self, cycle: Cycle, head: Ticket) -> None:
        state = cycle.state
        base = (cycle.soon or cycle.trial).copy()
        guests = set()
        for other in state.running.values():
            if other.key > head.key and other.due_s == NEVER_S and cycle.evictable(other):
                base.give_back(other.demand, other.placement)
                guests.add(other.number)
        gone = (
            guests | {t.number for t in state.stopping.values()} | {t.number for t in cycle.going}
        )
        main = [planned for planned in cycle.plan.starts if not planned.guest]
        releases = [r for r in state.ends.with_starts(state.now_s, main) if r[1] not in gone]
        if base.fits(head.demand):
            self._start_s = state.now_s
        else:
            self._start_s, base = earliest(base, releases, head.demand)
        base.take(head.demand)
        self._beside = base
        self._cycle = cycle
        cycle.plan.reservation = Reservation(head, self._start_s)

    def consider(self, ticket: Ticket) -> None:
        """Plan the start of a job that ends before the reservation or fits beside it."""
        cycle = self._cycle
        if cycle.state.now_s + ticket.remaining_s() <= self._start_s:
            cycle.start(ticket)
            return
        both = cycle.trial.overlap(self._beside)
        placement = both.take(ticket.demand) if both.fits(ticket.demand) else None
        if placement is None or isinstance(placement, Refusal):
            return
        cycle.trial.hold(ticket.demand, placement)
        if cycle.soon is not None:
            cycle.soon.hold(ticket.demand, placement)
        self._beside.hold(ticket.demand, placement)
        cycle.plan.starts.append(Planned(ticket, placement))


def _enough(space: Space, demand: Demand, candidates: list[Ticket]) -> list[Ticket]:
    """Free candidates into `space` one by one until the gang fits; [] where it never does."""
    chosen: list[Ticket] = []
    for candidate in candidates:
        space.give_back(candidate.demand, candidate.placement)
        chosen.append(candidate)
        if demand.gpu_milli <= space.gpu_milli_free and space.fits(demand):
            return chosen
    return []


def _spare(
    space: Space, demand: Demand, chosen: list[Ticket], loss_s: dict[Ticket, float]
) -> list[Ticket]:
    """Leave out of `chosen` whoever the gang does not need gone, the costliest first."""
    needed: list[Ticket] = []
    for ticket in sorted(chosen, key=lambda t: (-loss_s[t] * t.gpu_milli, t.number)):
        space.hold(ticket.demand, ticket.placement)
        if not space.fits(demand):
            space.give_back(ticket.demand, ticket.placement)
            needed.append(ticket)
    return needed
