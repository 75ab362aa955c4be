"""Policies that start jobs in order and never stop them: with backfill, or without.

EASY is Lifka's: "The ANL/IBM SP Scheduling System", JSSPP 1995. The variant that backfills the
shortest job first is Tsafrir, Etsion and Feitelson's, IEEE TPDS 18(6), 2007.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.reservation import earliest
from noljima.policy.state import Plan, Planned, Reservation, SchedulerState
from noljima.policy.ticket import FILL_TAU, Ticket


@dataclass(frozen=True, slots=True)
class _Blocked:
    """The first job that does not fit, when it will, and what is free then beside it."""

    ticket: Ticket
    start_s: float
    beside: Space


class QueuePolicy:
    """Starts jobs in order; with `backfill`, later ones too, behind the first one's reservation."""

    keeps_shadow = False
    fill_tau = FILL_TAU

    def __init__(
        self, name: str, order: Order, *, backfill: bool = False, shortest_fill: bool = False
    ) -> None:
        self.name = name
        self._order = order
        self.backfills = backfill
        self._shortest_fill = shortest_fill
        # Backfilling is published as one decision after each event; without it nothing differs,
        # and one plan for all events of a moment is what the shadow does.
        self.each_event = backfill
        self._blocked: _Blocked | None = None
        self._line = KeyedLine()

    def new_line(self) -> Line:
        """Return the line, sorted by key."""
        return self._line

    def enrol(self, ticket: Ticket) -> None:
        """Give a job its key."""
        ticket.key = key_of(self._order, ticket)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:
        """Start what fits in order, reserve for the first that does not, fill the hole before it.

        Where a job has arrived and nothing else has changed, the others still cannot start: no
        capacity came free, the reservation stands, and time makes it no easier to end before it.
        """
        plan = Plan()
        trial = state.space.copy()
        blocked = self._blocked
        if arrived is not None and blocked is not None and state.line.head is blocked.ticket:
            plan.reservation = Reservation(blocked.ticket, blocked.start_s)
            _fill(state, plan, trial, blocked, (arrived,))
            return plan
        self._blocked = None
        head = start_in_order(state, plan, trial)
        if head is None or not self.backfills:
            return plan
        releases = state.ends.with_starts(state.now_s, plan.starts)
        start_s, future = earliest(trial, releases, head.demand)
        future.take(head.demand)
        self._blocked = blocked = _Blocked(head, start_s, future)
        plan.reservation = Reservation(head, start_s)
        started = {planned.ticket for planned in plan.starts}
        _fill(state, plan, trial, blocked, self._candidates(state, trial, blocked, started))
        return plan

    def _candidates(
        self, state: SchedulerState, trial: Space, blocked: _Blocked, started: set[Ticket]
    ) -> Iterable[Ticket]:
        fitting = (
            ticket
            for ticket in self._fitting(state, trial, blocked)
            if ticket is not blocked.ticket and ticket not in started
        )
        if self._shortest_fill:
            return sorted(fitting, key=lambda ticket: (ticket.estimate.q50_s, ticket.number))
        return fitting

    def _fitting(self, state: SchedulerState, trial: Space, blocked: _Blocked) -> Iterator[Ticket]:
        """Give those who may start, by the totals of what is free when each of them is given.

        Where somebody has started, less is free, and who comes behind is looked at anew.
        """
        hole_s = blocked.start_s - state.now_s
        # Rounding may tell apart what `_fill` finds equal, which is to decide.
        hole_s += 1e-6 + 1e-9 * abs(state.now_s)
        line, begin = self._line, 0
        while begin < len(line):
            free, beside = trial.gpu_milli_free, blocked.beside.gpu_milli_free
            for place in line.fitting(begin, free, hole_s, beside):
                yield line[place]
                if trial.gpu_milli_free != free:
                    begin = place + 1
                    break
            else:
                return


def start_in_order(state: SchedulerState, plan: Plan, trial: Space) -> Ticket | None:
    """Plan the start of jobs in order while they fit; return the first that does not."""
    for ticket in state.line:
        if not trial.fits(ticket.demand):
            return ticket
        placement = trial.take(ticket.demand)
        assert not isinstance(placement, Refusal)
        plan.starts.append(Planned(ticket, placement))
    return None


def _fill(
    state: SchedulerState, plan: Plan, trial: Space, blocked: _Blocked, candidates: Iterable[Ticket]
) -> None:
    """Plan the start of candidates that end before the reservation or fit beside it."""
    # What does not fit does not fit later in this plan either: starts only take.
    refused: set[Demand] = set()
    refused_beside: set[Demand] = set()
    both: Space | None = None
    for ticket in candidates:
        demand = ticket.demand
        if demand in refused:
            continue
        ends_before = state.now_s + ticket.remaining_s() <= blocked.start_s
        if not ends_before and demand in refused_beside:
            continue
        if not trial.fits(demand):
            refused.add(demand)
            continue
        if ends_before:
            placement = trial.take(demand)
            both = None
        else:
            both = both or trial.overlap(blocked.beside)
            if not both.fits(demand):
                refused_beside.add(demand)
                continue
            placement = both.take(demand)
            assert not isinstance(placement, Refusal)
            trial.hold(demand, placement)
            blocked.beside.hold(demand, placement)
        assert not isinstance(placement, Refusal)
        plan.starts.append(Planned(ticket, placement))
