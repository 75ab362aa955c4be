"""When waiting jobs would start one after the other, counted in GPUs.

A strict queue played forward with today's beliefs: no backfill, no nodes, only numbers, so that a
line of ten thousand takes milliseconds. It is an estimate and is never called anything else.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from noljima.model.resources import JobId
from noljima.policy.shadow import Shadow
from noljima.policy.ticket import NEVER_S, Ticket


class Forecast:
    """A strict queue: each job starts once it fits, and none before the one ahead of it."""

    def __init__(self, now_s: float, free_milli: int, ends: Iterable[tuple[float, int]]) -> None:
        self._now_s = now_s
        self._free_milli = free_milli
        self._ends = [(max(end_s, now_s), milli) for end_s, milli in ends]
        heapq.heapify(self._ends)

    def start(self, gpu_milli: int, run_s: float, not_before_s: float = 0.0) -> float:
        """Let the next job start, and say when; infinite where it never fits, for all after it."""
        self._now_s = max(self._now_s, not_before_s)
        while self._ends and self._ends[0][0] <= self._now_s:
            self._free_milli += heapq.heappop(self._ends)[1]
        while self._free_milli < gpu_milli:
            if not self._ends:
                self._now_s = NEVER_S
                return NEVER_S
            end_s, milli = heapq.heappop(self._ends)
            self._now_s = max(self._now_s, end_s)
            self._free_milli += milli
        self._free_milli -= gpu_milli
        heapq.heappush(self._ends, (self._now_s + run_s, gpu_milli))
        return self._now_s


def strict_starts(
    shadow: Shadow, tickets: Iterable[Ticket], now_s: float
) -> Iterator[tuple[JobId, float]]:
    """Play the strict queue forward: jobs and when it starts them, in its order.

    Of a job that has ended in reality its run time is known, of the others it is believed.
    """
    known = [(end_s, ticket) for end_s, _, ticket in shadow._ends]  # noqa: SLF001 - only read
    ends = [(end_s, ticket.gpu_milli) for end_s, ticket in known]
    ends += [(t.due_s + t.fill_s, t.gpu_milli) for t in tickets if t.due_s < NEVER_S]
    forecast = Forecast(now_s, shadow.space.gpu_milli_free, ends)
    gone = set(shadow._gone)  # noqa: SLF001 - only read
    for _, number, ticket in sorted(shadow._waiting):  # noqa: SLF001 - only read
        if number in gone:
            continue
        gone.add(number)  # A job that was held and released may stand there twice.
        run_s = min(ticket.run_s, ticket.fill_s)
        yield ticket.job.id, forecast.start(ticket.gpu_milli, run_s)
