"""Conservative backfilling: every waiting job has a reservation, and nobody may delay any of them.

Mu'alem and Feitelson, "Utilization, Predictability, Workloads, and User Runtime Estimates in
Scheduling the IBM SP2 with Backfilling", IEEE TPDS 12(6), 2001. When a job ends early, the
reservations move up one by one, in their order, each to the earliest time that the others leave.
"""

from __future__ import annotations

from noljima.model.placements import Placement
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.profile import Profile
from noljima.policy.state import Plan, Planned, Reservation, SchedulerState
from noljima.policy.ticket import FILL_TAU, NEVER_S, Ticket


class Conservative:
    """Reserves for everybody in order of arrival; starts whoever's reservation begins now."""

    each_event = True
    keeps_shadow = False
    fill_tau = FILL_TAU
    name = "conservative"

    def __init__(self) -> None:
        self._start_s: dict[Ticket, float] = {}
        self._profile: Profile | None = None

    def new_line(self) -> Line:
        """Return an empty line in order of arrival."""
        return KeyedLine()

    def enrol(self, ticket: Ticket) -> None:
        """Give a job its place by arrival."""
        ticket.key = key_of(Order.SUBMIT, ticket)

    def reserved_s(self, ticket: Ticket) -> float:
        """Say from when on capacity is kept for a waiting job; infinite for never."""
        return self._start_s.get(ticket, NEVER_S)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:
        """Reserve for the newcomer, or move everybody up; start whoever begins now."""
        plan = Plan()
        if arrived is not None and self._profile is not None:
            self._profile.forget_before(state.now_s)
            self._reserve(state, plan, self._profile, arrived)
        else:
            self._profile = self._moved_up(state, plan)
        waiting = [t for t in state.line if t in self._start_s]
        if waiting:
            first = min(waiting, key=lambda t: (self._start_s[t], t.number))
            plan.reservation = Reservation(first, self._start_s[first])
            plan.wake_s = self._start_s[first]
        return plan

    def _moved_up(self, state: SchedulerState, plan: Plan) -> Profile:
        profile = Profile(state.now_s, state.space, list(state.ends))
        old = {t: self._start_s[t] for t in state.line if t in self._start_s}
        self._start_s = {}
        # 1. Everybody keeps what they have, where it still is to be had.
        kept: dict[Ticket, Placement] = {}
        order = sorted(state.line, key=lambda t: (old.get(t, NEVER_S), t.number))
        for ticket in order:
            placement = (
                profile.reserve_at(
                    ticket.demand, max(old.get(ticket, NEVER_S), state.now_s), ticket.remaining_s()
                )
                if ticket in old
                else None
            )
            if placement is not None:
                kept[ticket] = placement
        # 2. One by one, each moves to the earliest time that the others leave.
        for ticket in order:
            if ticket in kept:
                start_s = max(old[ticket], state.now_s)
                profile.release(ticket.demand, kept[ticket], start_s, ticket.remaining_s())
            self._reserve(state, plan, profile, ticket)
        return profile

    def _reserve(self, state: SchedulerState, plan: Plan, profile: Profile, ticket: Ticket) -> None:
        slot = profile.reserve(ticket.demand, ticket.remaining_s())
        if slot is None:
            return
        if slot[0] <= state.now_s:
            plan.starts.append(Planned(ticket, slot[1]))
        else:
            self._start_s[ticket] = slot[0]
