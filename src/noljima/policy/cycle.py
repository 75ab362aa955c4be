"""One planning of main line and guests: the copy that it is made on, and what it has planned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

from noljima.model.placements import Placement
from noljima.model.resources import NodeId
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.reservation import earliest
from noljima.policy.state import Plan, Planned, Reservation, SchedulerState
from noljima.policy.ticket import Ticket


class Rules(Protocol):
    """What a policy says of single jobs while it plans."""

    def gives_way(self, other: Ticket, ticket: Ticket) -> bool:
        """Say whether a running job gives way to a waiting one that is not due."""
        ...

    def count(self, ticket: Ticket) -> None:
        """Take note that a start was planned, or a place kept for one."""
        ...


class Cycle:
    """One planning: the copy of the space that it plans on, and what it has planned so far."""

    def __init__(self, state: SchedulerState, rules: Rules) -> None:
        self.state = state
        self._rules = rules
        self.plan = Plan()
        self.trial = state.space.copy()
        # What will be free once everybody who was told to go has gone.
        self.soon: Space | None = None
        self.settled: set[Ticket] = set()
        # Waiting jobs whose place is being cleared, in the order in which they get it.
        self.kept: list[Ticket] = []
        self.going: set[Ticket] = set()
        if state.stopping:
            self.soon = self.trial.copy()
            for ticket in state.stopping.values():
                self.soon.give_back(ticket.demand, ticket.placement)

    def start(self, ticket: Ticket, *, guest: bool = False) -> None:
        """Plan a start that fits now."""
        placement = self.trial.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        self._planned(ticket, placement, guest=guest)

    def start_at(self, ticket: Ticket, nodes: Sequence[NodeId]) -> bool:
        """Plan a start on these nodes; False where it does not fit there now."""
        placement = self.trial.take_at(ticket.demand, nodes)
        if placement is None:
            return False
        self._planned(ticket, placement)
        return True

    def start_beside(self, ticket: Ticket, beside: Space) -> bool:
        """Plan a start that fits now and in `beside` too; False where it does not."""
        both = self.trial.overlap(beside)
        if not both.fits(ticket.demand):
            return False
        placement = both.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        self.trial.hold(ticket.demand, placement)
        beside.hold(ticket.demand, placement)
        self._planned(ticket, placement)
        return True

    def _planned(self, ticket: Ticket, placement: Placement, *, guest: bool = False) -> None:
        if self.soon is not None:
            self.soon.hold(ticket.demand, placement)
        self.plan.starts.append(Planned(ticket, placement, guest=guest))
        self.settled.add(ticket)
        self._rules.count(ticket)

    def keep_for(self, ticket: Ticket) -> bool:
        """Keep from others the place that the job will have soon; False where it has none soon."""
        if self.soon is None or not self.soon.fits(ticket.demand):
            return False
        placement = self.soon.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        self._keep(ticket, self.soon)
        return True

    def keep_at(self, ticket: Ticket, nodes: Sequence[NodeId]) -> bool:
        """Keep these nodes from others for the job; False where it will not fit there soon."""
        if self.soon is None or self.soon.take_at(ticket.demand, nodes) is None:
            return False
        self._keep(ticket, self.soon)
        return True

    def _keep(self, ticket: Ticket, soon: Space) -> None:
        # Others may have what is free now and will still be free beside the job.
        self.trial = self.trial.overlap(soon)
        self.settled.add(ticket)
        self.kept.append(ticket)
        self._rules.count(ticket)

    def evictable(self, ticket: Ticket) -> bool:
        """Say whether a running job can be told to go in this plan."""
        return (
            ticket.evictable
            and ticket.job.id not in self.state.stopping
            and ticket not in self.going
        )

    @cached_property
    def _loose(self) -> list[Ticket]:
        """Who may be told to go and does not run where the strict queue has it."""
        stopping = self.state.stopping
        return [
            ticket
            for job, ticket in self.state.running.items()
            if ticket.evictable and not ticket.anchored and job not in stopping
        ]

    def hopeless(self, ticket: Ticket) -> bool:
        """Say whether a job that is not due would not fit even without all who could be evicted.

        Cheap, and mostly so of a head that waits; False does not say that it would fit.
        """
        firm = self.state.firm
        if firm is None or any(other.firm for other in self.going):
            return False
        return not firm.fits(ticket.demand)

    def candidates(self, ticket: Ticket) -> list[Ticket]:
        """Return who could be evicted for a job that is not due."""
        gives_way, going = self._rules.gives_way, self.going
        return [other for other in self._loose if other not in going and gives_way(other, ticket)]

    def in_the_way(self, ticket: Ticket, nodes: Sequence[NodeId]) -> list[Ticket]:
        """Return who can be evicted from these nodes, or from anywhere in a pool, for a due job."""
        others = self.state.residents.on(nodes) if nodes else self._loose
        return [
            other
            for other in others
            if other is not ticket and not other.anchored and self.evictable(other)
        ]

    def choose(
        self,
        ticket: Ticket,
        candidates: list[Ticket],
        nodes: Sequence[NodeId] | None = None,
        *,
        loss_max_milli_s: float = math.inf,
    ) -> list[Ticket]:
        """Choose whom to evict so that the job fits, on `nodes` if they are given; [] for nobody.

        Those who lose least go first, and the latest among equals. Whoever then turns out not to
        be in the way stays. Nobody goes where more GPU time would be lost than allowed.
        """
        space = self.soon or self.trial
        missing_milli = ticket.gpu_milli - space.gpu_milli_free
        if sum(c.gpu_milli for c in candidates) < missing_milli:
            return []
        # 1. The least loss first.
        now_s = self.state.now_s
        loss_s = {candidate: candidate.loss_s(now_s) for candidate in candidates}
        candidates.sort(key=lambda candidate: (loss_s[candidate], -candidate.number))
        # 2. Mostly the GPUs alone tell that it would be too much, before any node is looked at.
        rising = ((candidate, loss_s[candidate]) for candidate in candidates)
        if _least_loss_milli_s(missing_milli, rising) > loss_max_milli_s:
            return []
        # 3. As many as it takes, then without those who are not in the way.
        chosen, space = _enough(space, ticket.demand, candidates, nodes)
        needed: list[Ticket] = []
        for other in sorted(chosen, key=lambda o: (-loss_s[o] * o.gpu_milli, o.number)):
            space.hold(other.demand, other.placement)
            if not _fits(space, ticket.demand, nodes):
                space.give_back(other.demand, other.placement)
                needed.append(other)
        lost_milli_s = sum(loss_s[other] * other.gpu_milli for other in needed)
        return needed if lost_milli_s <= loss_max_milli_s else []

    def evict(self, victims: list[Ticket], ticket: Ticket) -> None:
        """Plan evictions for the job."""
        self.soon = self.soon or self.trial.copy()
        for victim in victims:
            self.soon.give_back(victim.demand, victim.placement)
            self.plan.evictions.append((victim, ticket))
            self.going.add(victim)


def _fits(space: Space, demand: Demand, nodes: Sequence[NodeId] | None) -> bool:
    if demand.gpu_milli > space.gpu_milli_free:
        return False
    if nodes is None:
        return space.fits(demand)
    return space.copy().take_at(demand, nodes) is not None


def _least_loss_milli_s(missing_milli: int, loss_s: Iterable[tuple[Ticket, float]]) -> float:
    """Say how much any choice that frees so many GPUs loses at least; the least loss comes first.

    Rounded down, so that it never says more than the sum over a choice does.
    """
    lost_milli_s = 0.0
    for ticket, seconds in loss_s:
        if missing_milli <= 0:
            break
        lost_milli_s += seconds * min(ticket.gpu_milli, missing_milli)
        missing_milli -= ticket.gpu_milli
    return lost_milli_s * (1.0 - 1e-9)


def _enough(
    space: Space, demand: Demand, candidates: Sequence[Ticket], nodes: Sequence[NodeId] | None
) -> tuple[Sequence[Ticket], Space]:
    """Find the fewest candidates from the front without whom the gang fits, and the space then.

    Nobody where it does not fit without all of them. The more is free the better it fits, so that
    halving finds them.
    """
    if not _fits(_without(space, candidates), demand, nodes):
        return (), space
    few, many = 0, len(candidates)
    while many - few > 1:
        middle = (few + many) // 2
        trial = _without(space, candidates[few:middle])
        if _fits(trial, demand, nodes):
            many = middle
        else:
            few, space = middle, trial
    return candidates[:many], _without(space, candidates[few:many])


def _without(space: Space, tickets: Sequence[Ticket]) -> Space:
    space = space.copy()
    for ticket in tickets:
        space.give_back(ticket.demand, ticket.placement)
    return space


class Backfill:
    """The head's reservation, for jobs that cannot be evicted and so must not stand in its way."""

    def __init__(self, cycle: Cycle, head: Ticket) -> None:
        state = cycle.state
        base = (cycle.soon or cycle.trial).copy()
        gone = {t.number for t in state.stopping.values()} | {t.number for t in cycle.going}
        for other in cycle.candidates(head):
            base.give_back(other.demand, other.placement)
            gone.add(other.number)
        # The guests of this very plan give way to the head like those that run.
        main: list[Planned] = []
        for planned in cycle.plan.starts:
            if planned.guest:
                base.give_back(planned.ticket.demand, planned.placement)
            else:
                main.append(planned)
        releases = [r for r in state.ends.with_starts(state.now_s, main) if r[1] not in gone]
        if base.fits(head.demand):
            self._start_s = state.now_s
        else:
            self._start_s, base = earliest(base, releases, head.demand)
        base.take(head.demand)
        self._beside = base
        # What does not fit beside it does not fit later in this plan either: starts only take.
        self._refused: set[Demand] = set()
        self._cycle = cycle
        cycle.plan.reservation = Reservation(head, self._start_s)

    def consider(self, ticket: Ticket) -> None:
        """Plan the start of a job that ends before the reservation or fits beside it."""
        if self._cycle.state.now_s + ticket.remaining_s() <= self._start_s:
            self._cycle.start(ticket)
        elif ticket.demand in self._refused:
            pass
        elif not self._cycle.start_beside(ticket, self._beside):
            self._refused.add(ticket.demand)
