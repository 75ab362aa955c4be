"""When waiting jobs would start one after the other: a strict queue played forward.

No backfill, no guests, and everything runs as long as is believed today: an estimate, and never
called anything else. The first jobs are really placed; after `PLACED_MAX` of them only GPUs are
counted, so that a line of ten thousand takes milliseconds on a large cluster too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from noljima.model.placements import IN_POOL, Placement
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.shadow import Shadow
from noljima.policy.ticket import NEVER_S, Ticket

PLACED_MAX: Final = 500

End = tuple[float, Demand, Placement]
"""When something is given back, what, and where it was."""


class Forecast:
    """A strict queue: each job starts once it fits, and none before the one ahead of it."""

    def __init__(self, now_s: float, space: Space, ends: Iterable[End]) -> None:
        self._now_s = now_s
        self._space = space.copy()
        self._free_milli = space.gpu_milli_free
        self._placed = 0
        # The number keeps the heap from comparing demands.
        self._ends = [(max(end[0], now_s), number, *end[1:]) for number, end in enumerate(ends)]
        self._pushed = len(self._ends)
        heapq.heapify(self._ends)

    def start(self, demand: Demand, run_s: float) -> float:
        """Let the next job start, and say when; infinite where it never fits, for all after it."""
        self._end_all()
        while not self._fits(demand):
            if not self._ends:
                self._now_s = NEVER_S
                return NEVER_S
            self._now_s = self._ends[0][0]
            self._end_all()
        placement = IN_POOL
        if self._placed < PLACED_MAX:
            self._placed += 1
            taken = self._space.take(demand)
            assert not isinstance(taken, Refusal)
            placement = taken
        self._free_milli -= demand.gpu_milli
        self._pushed += 1
        heapq.heappush(self._ends, (self._now_s + run_s, self._pushed, demand, placement))
        return self._now_s

    def _fits(self, demand: Demand) -> bool:
        if self._now_s == NEVER_S or demand.gpu_milli > self._free_milli:
            return False
        return self._placed >= PLACED_MAX or self._space.fits(demand)

    def _end_all(self) -> None:
        """Give back whatever ends by now, all of it before anything is placed anew."""
        while self._ends and self._ends[0][0] <= self._now_s:
            _, _, demand, placement = heapq.heappop(self._ends)
            self._free_milli += demand.gpu_milli
            if self._placed < PLACED_MAX:
                self._space.give_back(demand, placement)
                # On nodes that were lost nothing comes free.
                self._free_milli = self._space.gpu_milli_free


def believed_s(ticket: Ticket) -> float:
    """Say how long a job is believed to run."""
    return ticket.fill_s


def limit_s(ticket: Ticket) -> float:
    """Say how long a job runs at the most; infinite where nobody has said."""
    limit = ticket.job.limit_s
    return NEVER_S if limit is None else limit


def strict_starts(
    shadow: Shadow,
    tickets: Iterable[Ticket],
    now_s: float,
    lasting_s: Callable[[Ticket], float] = believed_s,
) -> Iterator[tuple[Ticket, float]]:
    """Play the strict queue forward: jobs and when it starts them, in its order.

    Of a job that has ended in reality its run time is known, of the others `lasting_s` says it.
    Shorter runs start nobody later there: with limits that are enforced, the times are the latest.
    """
    held = shadow.held
    running = [(t.due_s + lasting_s(t), t) for t in tickets if t.due_s < NEVER_S]
    ends = [
        (end_s, ticket.demand, held[ticket.job.id])
        for end_s, ticket in [*shadow.ends(), *running]
        if ticket.job.id in held
    ]
    forecast = Forecast(now_s, shadow.space, ends)
    for ticket in shadow.waiting():
        run_s = min(ticket.run_s, lasting_s(ticket))
        yield ticket, forecast.start(ticket.demand, run_s)
