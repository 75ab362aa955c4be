"""What a user could do so that a waiting job starts now: only what was tried and works.

A change means handing the job in anew, which puts it at the end of the line. So nothing is
promised that depends on its old place, nothing to the job that all others wait for (without it the
others would move up, and the place might be theirs), and nothing while somebody else might be next.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec

from noljima.engine.outlook import Outlook
from noljima.model.lifecycle import State
from noljima.model.reasons import Change, Step
from noljima.model.resources import Gang
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.ticket import NEVER_S, Ticket

_LIMIT_S_MIN: Final = 60.0
_WAITING: Final = frozenset({State.QUEUED, State.STARTING, State.RUNNING, State.STOPPING})


class Advice:
    """Tries changes on the copies of an outlook."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._demands: dict[Gang, Demand] = {}
        self._fewer: dict[Demand, int] = {}

    def to_start(self, ticket: Ticket) -> tuple[Change, ...]:
        """Return what would let a waiting job start now, the smallest change first."""
        if not self._may_jump(ticket):
            return ()
        outlook = self._outlook
        changes: list[Change] = []
        fits = outlook.fits(outlook.trial, ticket.demand)
        if fits and not ticket.evictable and self._starts(ticket.demand, None, evictable=True):
            changes.append(Change(Step.EVICTABLE))
        limit_s = outlook.hole_s
        if fits and limit_s >= _LIMIT_S_MIN and self._shorter(ticket, limit_s):
            changes.append(Change(Step.LIMIT, limit_s=_rounded_down(limit_s)))
        if not fits:
            changes += self._other_gangs(ticket)
        return tuple(changes)

    def to_run(self, ticket: Ticket) -> tuple[Change, ...]:
        """Return what would let an infeasible job run on this cluster at all."""
        space = self._outlook.free
        refusal = space.ever_fits(ticket.demand)
        if refusal is None:
            return ()
        changes: list[Change] = []
        any_type = self._any_type(ticket.demand)
        if any_type is not None and space.ever_fits(any_type) is None:
            changes.append(Change(Step.GPU_TYPE))
        fewer = self._with_workers(ticket.demand, refusal.fitting)
        if fewer is not None and space.ever_fits(fewer) is None:
            changes.append(Change(Step.WORKERS, workers=refusal.fitting))
        return tuple(changes)

    def _may_jump(self, ticket: Ticket) -> bool:
        """Say whether a newcomer like this may start before others, who do not move up for it."""
        outlook = self._outlook
        if not outlook.fills or outlook.reserved is None or ticket.due_s < NEVER_S:
            return False
        first = (outlook.head, outlook.reserved, self._first_not_due)
        return ticket not in first and not outlook.undecided

    @cached_property
    def _first_not_due(self) -> Ticket | None:
        """The first that the strict queue has not started: without it, others would be due."""
        if self._outlook.state.shadow is None:
            return None
        waiting = [
            ticket
            for ticket in self._outlook.tickets.values()
            if ticket.due_s == NEVER_S and ticket.state in _WAITING
        ]
        return min(waiting, key=lambda t: (t.job.priority, t.number), default=None)

    def _starts(self, demand: Demand, run_s: float | None, *, evictable: bool) -> bool:
        """Say whether a newcomer like this would start now; `run_s` is its limit, if it has one."""
        outlook = self._outlook
        if not outlook.fits(outlook.trial, demand):
            return False
        if outlook.guests is not None and evictable:
            return outlook.trial.gpu_milli_free > 0
        in_time = run_s is not None and run_s <= outlook.hole_s
        return in_time or outlook.fits(outlook.both, demand)

    def _shorter(self, ticket: Ticket, limit_s: float) -> bool:
        if ticket.evictable and self._outlook.guests is not None:
            return False
        old_s = ticket.job.limit_s
        return (old_s is None or limit_s < old_s) and ticket.remaining_s() > limit_s

    def _other_gangs(self, ticket: Ticket) -> list[Change]:
        changes: list[Change] = []
        limit_s, evictable = ticket.job.limit_s, ticket.evictable
        any_type = self._any_type(ticket.demand)
        if any_type is not None and self._starts(any_type, limit_s, evictable=evictable):
            changes.append(Change(Step.GPU_TYPE))
        workers = self._fitting(ticket.demand)
        fewer = self._with_workers(ticket.demand, workers)
        if fewer is not None and self._starts(fewer, limit_s, evictable=evictable):
            changes.append(Change(Step.WORKERS, workers=workers))
        return changes

    def _fitting(self, demand: Demand) -> int:
        """Count the workers of a gang that fit into what is not kept for others."""
        fitting = self._fewer.get(demand)
        if fitting is None:
            fitting = self._fewer[demand] = _fitting(self._outlook.trial, demand)
        return fitting

    def _any_type(self, demand: Demand) -> Demand | None:
        """Return the same gang on any GPU type; None where it does not mind."""
        groups = demand.gang.groups
        if not any(group.gpu_types for group in groups):
            return None
        return self._demand(
            Gang(tuple(msgspec.structs.replace(group, gpu_types=()) for group in groups))
        )

    def _with_workers(self, demand: Demand, workers: int) -> Demand | None:
        """Return a gang of fewer workers; None where that is none, or which are meant is open."""
        groups = demand.gang.groups
        if len(groups) > 1 or not 0 < workers < demand.workers:
            return None
        return self._demand(Gang((msgspec.structs.replace(groups[0], workers=workers),)))

    def _demand(self, gang: Gang) -> Demand:
        demand = self._demands.get(gang)
        if demand is None:
            demand = self._demands[gang] = Demand(gang)
        return demand


def _rounded_down(seconds: float) -> float:
    """Leave out what a duration in words does not show, so that the words are not too long."""
    unit_s = 3600.0 if seconds >= 86_400.0 else _LIMIT_S_MIN
    return seconds // unit_s * unit_s


def _fitting(space: Space, demand: Demand) -> int:
    taken = space.copy().take(demand)
    return taken.fitting if isinstance(taken, Refusal) else 0
