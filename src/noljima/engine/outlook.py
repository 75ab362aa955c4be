"""What everybody's reason rests on: whose place is being cleared, who is next, and from when on.

Derived from the engine's books once for a question, on copies, and thrown away after it. Policies
are read through what they tell in public; of one that is not known here, only the books count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from noljima.model.lifecycle import State
from noljima.model.placements import Placement
from noljima.model.resources import JobId, NodeId
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.conservative import Conservative
from noljima.policy.guests import GuestPolicy
from noljima.policy.preemptive import PreemptivePolicy
from noljima.policy.queueing import QueuePolicy
from noljima.policy.reservation import earliest
from noljima.policy.share import SharePolicy
from noljima.policy.state import Policy, Reservation, SchedulerState
from noljima.policy.ticket import Ticket

if TYPE_CHECKING:
    from noljima.engine.promises import Promises


class Books(Protocol):
    """What is read of an engine; a protocol because the engine imports this module."""

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

    @property
    def infeasible(self) -> Mapping[JobId, str]:
        """Jobs that cannot run on the cluster as it is, and why."""
        ...

    @property
    def reservation(self) -> Reservation | None:
        """What the last plan keeps for the first job that has to wait."""
        ...

    @property
    def promises(self) -> Promises | None:
        """What waiting jobs were told of their start, where that is done."""
        ...


class Outlook:
    """What the next plan would find if nothing happened until then."""

    def __init__(self, books: Books) -> None:
        self.state = books.state
        self.policy = books.policy
        self.reservation = books.reservation
        self.guests = self.policy if isinstance(self.policy, GuestPolicy) else None
        self.tickets = books.tickets
        self.free = self.state.space.copy()
        # What is left of that for jobs whose place is not being cleared.
        self.trial = self.state.space.copy()
        self.cleared: dict[Ticket, tuple[Ticket, ...]] = {}
        """Waiting jobs whose place is being cleared, and who is leaving it."""
        self._soon = self._without_stopping()
        self._fits: dict[tuple[int, Demand], bool] = {}
        self._refusals: dict[Demand, Refusal] = {}
        self._settle_due()
        self.head = self._first_unsettled()
        """The first in the line whose place is not being cleared either."""

    def fits(self, space: Space, demand: Demand) -> bool:
        """Say whether a gang fits into a space of this outlook, which stays as it is."""
        key = (id(space), demand)
        known = self._fits.get(key)
        if known is None:
            known = self._fits[key] = space.fits(demand)
        return known

    def refusal(self, demand: Demand) -> Refusal:
        """Say why a gang does not fit into what is free now."""
        refusal = self._refusals.get(demand)
        if refusal is None:
            # A refused gang holds nothing, so that one copy serves all.
            taken = self.free.take(demand)
            assert isinstance(taken, Refusal)
            refusal = self._refusals[demand] = taken
        return refusal

    def quota_words(self, ticket: Ticket) -> str | None:
        """Say which quota keeps a waiting job out; None where none does."""
        if not isinstance(self.policy, SharePolicy):
            return None
        return self.policy.shares.quota_words(ticket)

    def guests_of(self, ticket: Ticket) -> list[Ticket]:
        """Return the running guests that give way to a waiting job."""
        if self.guests is None:
            return []
        return [
            other
            for other in self.state.running.values()
            if other.evictable
            and other.state is not State.STOPPING
            and self.guests.gives_way(other, ticket)
        ]

    @property
    def fills(self) -> bool:
        """Whether jobs behind the first that has to wait may start as well."""
        by_plan = isinstance(self.policy, QueuePolicy) and self.reservation is not None
        return self.guests is not None or by_plan

    def barred(self, ticket: Ticket) -> bool:
        """Say whether a job was evicted too often to be a guest again."""
        if self.guests is None:
            return False
        return ticket.evictions >= self.guests.terms.evictions_max

    @property
    def reserved(self) -> Ticket | None:
        """The job whose start nobody may delay."""
        return self.head if self.reservation is None else self.reservation.ticket

    @cached_property
    def beside(self) -> tuple[float, Space]:
        """When the reserved job can start by today's beliefs, and what is free beside it then."""
        ticket = self.reserved
        assert ticket is not None
        base = self.free.copy()
        gone: set[Ticket] = set()
        if self.guests is not None:
            base = (self._soon or self.trial).copy()
            gone.update(self.state.stopping.values())
            for guest in self.guests_of(ticket):
                base.give_back(guest.demand, guest.placement)
                gone.add(guest)
        start_s = self.state.now_s
        if not base.fits(ticket.demand):
            releases = [release for release in self.state.ends if release[2] not in gone]
            start_s, base = earliest(base, releases, ticket.demand)
        self._rooms = _nodes_of(base.take(ticket.demand))
        return start_s, base

    @property
    def rooms(self) -> tuple[NodeId, ...]:
        """The nodes that the reserved job has then, each once; none in a pool."""
        assert self.beside
        return self._rooms

    @property
    def reserved_s(self) -> float:
        """When the reserved job is to start: as planned where all have a time, or by beliefs.

        The last plan's own time may be from before somebody outlived an estimate.
        """
        if isinstance(self.policy, Conservative) and self.reservation is not None:
            return self.reservation.start_s
        return self.beside[0]

    @property
    def hole_s(self) -> float:
        """How long whoever starts now may run without delaying the reserved job, at the least."""
        start_s = self.beside[0]
        if self.reservation is not None:
            start_s = min(start_s, self.reservation.start_s)
        return start_s - self.state.now_s

    @cached_property
    def both(self) -> Space:
        """What is free now and will still be free beside the reserved job."""
        return self.trial.overlap(self.beside[1])

    def holds_up(self, ticket: Ticket) -> bool:
        """Say whether starting a waiting job now, which fits now, would delay the reserved one."""
        if self.guests is None and self.reservation is None:
            return False
        if self.reserved is None or self.reserved is ticket:
            return False
        return self.delays(ticket.demand, ticket.remaining_s())

    def delays(self, demand: Demand, run_s: float) -> bool:
        """Say whether starting a gang now that fits now would delay the reserved job."""
        if self.state.now_s + run_s <= self.beside[0]:
            return False
        return not self.fits(self.both, demand)

    @cached_property
    def undecided(self) -> bool:
        """Whether a waiting job could start by these rules, and the last plan passed it over."""
        return any(self._could_start(ticket) for ticket in self.state.line)

    def _could_start(self, ticket: Ticket) -> bool:
        if ticket in self.cleared or not self.fits(self.trial, ticket.demand):
            return False
        if self.quota_words(ticket) is not None:
            return False
        if self.guests is not None and ticket.evictable:
            return not self.barred(ticket)
        return not self.holds_up(ticket)

    def _without_stopping(self) -> Space | None:
        # Jobs that a preemptive policy stops make way for ranks, which the line does not tell.
        if not self.state.stopping or isinstance(self.policy, PreemptivePolicy):
            return None
        soon = self.state.space.copy()
        for ticket in self.state.stopping.values():
            soon.give_back(ticket.demand, ticket.placement)
        return soon

    def _settle_due(self) -> None:
        shadow = self.state.shadow
        if shadow is None or self._soon is None:
            return
        for ticket in self.state.due.values():
            nodes = shadow.claim(ticket)
            if self._soon.take_at(ticket.demand, nodes) is not None:
                self._keep(ticket, nodes)

    def _first_unsettled(self) -> Ticket | None:
        for ticket in self.state.line:
            if ticket in self.cleared or self.quota_words(ticket) is not None:
                continue
            if self._soon is None or self.trial.fits(ticket.demand):
                return ticket
            placement = self._soon.take(ticket.demand)
            if isinstance(placement, Refusal):
                return ticket
            self._keep(ticket, [worker.node for worker in placement.workers])
        return None

    def _keep(self, ticket: Ticket, nodes: Sequence[NodeId]) -> None:
        """Note that a job gets this place; where guests run, it is kept from them."""
        places = set(nodes)
        self.cleared[ticket] = tuple(
            other
            for other in self.state.stopping.values()
            if not places or any(worker.node in places for worker in other.placement.workers)
        )
        if self.guests is not None:
            assert self._soon is not None
            self.trial = self.trial.overlap(self._soon)


def _nodes_of(placement: Placement | Refusal) -> tuple[NodeId, ...]:
    if isinstance(placement, Refusal):
        return ()
    return tuple(dict.fromkeys(worker.node for worker in placement.workers))
