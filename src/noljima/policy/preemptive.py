"""Baselines that stop running jobs whenever a waiting one ranks higher, evictable or not.

SRTF is shortest remaining time first, clairvoyant with the `true` estimates. Tiresias is the
two-dimensional least-attained-service queue of Gu et al., "Tiresias: A GPU Cluster Manager for
Distributed Deep Learning", NSDI 2019: jobs that have used less GPU time than a threshold go first,
and within a queue it is first come first served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from noljima.model.resources import GPU
from noljima.placement.refusal import Refusal
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.state import Plan, Planned, SchedulerState
from noljima.policy.ticket import FILL_TAU, NEVER_S, Ticket

_TICK_S: Final = 1e-6

Standing = tuple[float, float, int]


class Rank(Protocol):
    """Says who is more important right now."""

    def of(self, ticket: Ticket, now_s: float) -> Standing:
        """Return a value that is smaller for more important jobs; ties are impossible."""
        ...

    def changes_s(self, ticket: Ticket, now_s: float) -> float:
        """Say when the rank of a running job changes although nothing happens."""
        ...


class ShortestRemaining:
    """The less time a job still needs, the more important it is."""

    def of(self, ticket: Ticket, now_s: float) -> Standing:
        """Rank by what is left of the believed run time."""
        worked_s = ticket.worked_s(now_s) if ticket.start_s < NEVER_S else ticket.saved_s
        return (float(ticket.job.priority), max(ticket.fill_s - worked_s, 0.0), ticket.number)

    def changes_s(self, ticket: Ticket, now_s: float) -> float:  # noqa: ARG002 - running only improves it
        """Never: running jobs only become more important."""
        return NEVER_S


class LeastAttained:
    """Jobs below the threshold of attained GPU time go first; within a queue, first come."""

    def __init__(self, threshold_gpu_s: tuple[float, ...] = (3600.0,)) -> None:
        self._thresholds_milli_s = tuple(sorted(t * GPU for t in threshold_gpu_s))

    def of(self, ticket: Ticket, now_s: float) -> Standing:
        """Rank by queue, then by arrival."""
        attained = ticket.attained_s(now_s) * ticket.gpu_milli
        queue = sum(attained >= threshold for threshold in self._thresholds_milli_s)
        return (float(ticket.job.priority), float(queue), ticket.number)

    def changes_s(self, ticket: Ticket, now_s: float) -> float:
        """Return when the job reaches the next threshold."""
        attained = ticket.attained_s(now_s) * ticket.gpu_milli
        above = [t for t in self._thresholds_milli_s if t > attained]
        if not above or not ticket.gpu_milli:
            return NEVER_S
        # Never this very moment again, however the division was rounded.
        return now_s + max((above[0] - attained) / ticket.gpu_milli, _TICK_S)


class PreemptivePolicy:
    """Runs the most important jobs that fit together, and evicts the others."""

    each_event = False
    keeps_shadow = False
    fill_tau = FILL_TAU

    def __init__(self, name: str, rank: Rank) -> None:
        self.name = name
        self._rank = rank

    def new_line(self) -> Line:
        """Return a line in order of arrival; the rank is looked up anew in each plan."""
        return KeyedLine()

    def enrol(self, ticket: Ticket) -> None:
        """Give a job its place by arrival."""
        ticket.key = key_of(Order.SUBMIT, ticket)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:  # noqa: ARG002 - plans anew
        """Go through all jobs by rank; keep or start what fits, evict what no longer does."""
        plan = Plan()
        # What is free, and what would be if only the higher ranks so far held anything.
        free = state.space.copy()
        left = state.space.copy()
        for ticket in state.running.values():
            left.give_back(ticket.demand, ticket.placement)
        for ticket in self._ranked(state):
            if ticket.start_s < NEVER_S:
                nodes = [worker.node for worker in ticket.placement.workers]
                if left.take_at(ticket.demand, nodes) is None:
                    plan.evictions.append((ticket, ticket))
                else:
                    changes_s = self._rank.changes_s(ticket, state.now_s)
                    plan.wake_s = min(plan.wake_s, changes_s)
                continue
            both = free.overlap(left)
            if both.fits(ticket.demand):
                placement = both.take(ticket.demand)
                assert not isinstance(placement, Refusal)
                free.hold(ticket.demand, placement)
                left.hold(ticket.demand, placement)
                plan.starts.append(Planned(ticket, placement))
                starts_s = self._rank.changes_s(ticket, state.now_s)
                plan.wake_s = min(plan.wake_s, starts_s)
            else:
                # It may fit once those below it have gone; until then its place is kept.
                left.take(ticket.demand)
        return plan

    def _ranked(self, state: SchedulerState) -> Iterable[Ticket]:
        now_s = state.now_s
        running = [t for t in state.running.values() if t.job.id not in state.stopping]
        return sorted([*running, *state.line], key=lambda ticket: self._rank.of(ticket, now_s))
