"""The line played forward through what comes free, in every draw at once.

The first jobs of the line are placed one by one, by the rule that the policy has for holes. Those
behind them are taken together: each starts when the work ahead of it has flowed through what the
first ones leave free. So a line of ten thousand costs little more than a line of fifty.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Final

import numpy as np

from noljima.engine.promises.book import Forecast
from noljima.engine.promises.horizon import Horizon, Rule, flowing
from noljima.engine.promises.lives import DRAWS, Lives
from noljima.model.resources import GPU
from noljima.policy.conservative import Conservative
from noljima.policy.guests import GuestPolicy
from noljima.policy.queueing import QueuePolicy
from noljima.policy.state import Policy, SchedulerState
from noljima.policy.ticket import Ticket
from noljima.prediction.distribution import Floats

PLACED_MAX: Final = 48
"""So many jobs from the front of the line are placed one by one."""
_HIGH: Final = 0.95


class Tail:
    """The line behind the first jobs, with the work ahead of each. Good for a while."""

    def __init__(self, tickets: Sequence[Ticket], lives: Lives) -> None:
        self.tickets = tickets
        self._keys = [ticket.key for ticket in tickets]
        self._keyed = all(one <= other for one, other in pairwise(self._keys))
        self._places = {ticket: place for place, ticket in enumerate(tickets)}
        work = lives.next_s(tickets) * lives.gpus(tickets)[:, None]
        self._ahead: Floats = np.concatenate((np.zeros((1, DRAWS)), np.cumsum(work, axis=0)))

    def place(self, ticket: Ticket) -> int:
        """Return a job's place in the tail, or the place that it would have."""
        found = self._places.get(ticket)
        if found is not None:
            return found
        return bisect_left(self._keys, ticket.key) if self._keyed else len(self.tickets)

    def ahead(self, places: Sequence[int], first: int) -> Floats:
        """Return the GPU-seconds between the place `first` and each of these."""
        between: Floats = np.maximum(self._ahead[list(places)] - self._ahead[first], 0.0)
        return between


class Play:
    """One moment's line, played forward."""

    def __init__(self, state: SchedulerState, policy: Policy, lives: Lives) -> None:
        running = list(state.running.values())
        self._horizon = Horizon(
            state.space.gpu_milli_free / GPU,
            lives.gpus(running),
            lives.left_s(running, state.now_s),
        )
        self._first = list(islice(state.line, PLACED_MAX))
        run_s, gpus = lives.next_s(self._first), lives.gpus(self._first).tolist()
        self._waits_s = [
            self._horizon.place(gpus[place], run_s[place], rule_of(policy, ticket))
            for place, ticket in enumerate(self._first)
        ]

    def first(self) -> Iterator[tuple[Ticket, Forecast]]:
        """Forecast the first jobs of the line, in its order."""
        if self._first:
            yield from _forecasts(self._first, np.array(self._waits_s), range(len(self._first)))

    def behind(
        self, tail: Tail, first: Ticket, tickets: Sequence[Ticket]
    ) -> Iterator[tuple[Ticket, Forecast]]:
        """Forecast jobs of the tail; `first` is the job that is now next behind the first ones."""
        if not tickets:
            return
        base = tail.place(first)
        places = [max(tail.place(ticket), base) for ticket in tickets]
        waits_s = flowing(tail.ahead(places, base), self._horizon.flow())
        yield from _forecasts(tickets, waits_s, [PLACED_MAX + place - base for place in places])


def rule_of(policy: Policy, ticket: Ticket) -> Rule:
    """Say which holes a waiting job may take under a policy."""
    match policy:
        case GuestPolicy():
            guest = ticket.evictable and ticket.evictions < policy.terms.evictions_max
            return Rule.HOLE if guest else Rule.WINDOW
        case QueuePolicy():
            return Rule.WINDOW if policy.backfills else Rule.STRICT
        case Conservative():
            return Rule.WINDOW
        case _:
            return Rule.HOLE


def _forecasts(
    tickets: Sequence[Ticket], waits_s: Floats, places: Sequence[int]
) -> Iterator[tuple[Ticket, Forecast]]:
    waits_s = np.sort(waits_s, axis=1)
    mids_s = 0.5 * (waits_s[:, (DRAWS - 1) // 2] + waits_s[:, DRAWS // 2])
    # Each draw stands for the middle of its share of the probability.
    low, share = divmod(_HIGH * DRAWS - 0.5, 1.0)
    highs_s = waits_s[:, int(low)] * (1.0 - share) + waits_s[:, int(low) + 1] * share
    rows = zip(tickets, mids_s.tolist(), highs_s.tolist(), places, strict=True)
    for ticket, mid_s, high_s, place in rows:
        yield ticket, Forecast(mid_s, high_s, place)
