"""Queues written a second time, slowly and from their published definitions, to compare with.

They share no code with the scheduler: a cluster is one number, a job four, and time goes from one
moment to the next. At each moment capacity comes free first, then the jobs of that moment join.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

NEVER_S: Final = math.inf

# Tsafrir, Etsion and Feitelson 2007: how an estimate grows that was too short.
_GROWTH_S: Final = tuple(
    60.0 * minutes for minutes in (1, 5, 15, 30, 60, 120, 300, 600, 1200, 3000, 6000)
)


class Request(NamedTuple):
    """A job as a queue sees it."""

    name: str
    submit_s: float
    size: int
    run_s: float
    rank: int = 1
    """Requests of a smaller rank go first."""
    estimate_s: float = NEVER_S
    limit_s: float = NEVER_S


def strict_starts(capacity: int, requests: Sequence[Request]) -> dict[str, float]:
    """Start requests strictly in order of rank and arrival: nobody overtakes the first in line.

    A request that is larger than the whole cluster is left out.
    """
    coming = [request for request in requests if request.size <= capacity]
    coming.sort(key=lambda request: request.submit_s)
    places = {request.name: place for place, request in enumerate(coming)}
    line: list[Request] = []
    running: list[tuple[float, int]] = []
    starts: dict[str, float] = {}
    free, now_s = capacity, 0.0
    while coming or running:
        now_s = min([end_s for end_s, _ in running] + [request.submit_s for request in coming[:1]])
        while coming and coming[0].submit_s == now_s:
            line.append(coming.pop(0))
        line.sort(key=lambda request: (request.rank, places[request.name]))
        # Requests that take no time start and end in one moment, so again until nothing ends.
        while any(end_s <= now_s for end_s, _ in running) or (line and line[0].size <= free):
            free += sum(size for end_s, size in running if end_s <= now_s)
            running = [(end_s, size) for end_s, size in running if end_s > now_s]
            while line and line[0].size <= free:
                first = line.pop(0)
                starts[first.name] = now_s
                free -= first.size
                running.append((now_s + first.run_s, first.size))
    return starts


class _Running:
    def __init__(self, request: Request, now_s: float) -> None:
        self.request = request
        self.start_s = now_s
        self.end_s = now_s + min(request.run_s, request.limit_s)
        self.expected_s = now_s + request.estimate_s
        self.growths = 0

    def grow(self, now_s: float) -> None:
        """Believe in the next longer run time that does not end before now."""
        while self.expected_s <= now_s:
            if self.growths == len(_GROWTH_S) or self.request.limit_s <= now_s - self.start_s:
                self.expected_s = self.start_s + max(2.0 * (now_s - self.start_s), 60.0)
                return
            longer_s = self.request.estimate_s + _GROWTH_S[self.growths]
            self.expected_s = self.start_s + min(longer_s, self.request.limit_s)
            self.growths += 1


class Easy:
    """FCFS with one reservation, for the first in line, and backfilling behind it (Lifka 1995).

    One decision after each submission and each end, as published. In one moment, what was expected
    to end then is free first; then come the submissions, then the ends in the order of their
    starts. Run times and estimates are above 0.
    """

    def __init__(
        self, capacity: int, requests: Sequence[Request], *, shortest_first: bool = False
    ) -> None:
        self._capacity = capacity
        self._coming = sorted(
            (request for request in requests if request.size <= capacity),
            key=lambda request: request.submit_s,
        )
        self._by_length: Callable[[Request], float] | None = (
            (lambda request: request.estimate_s) if shortest_first else None
        )
        self._line: list[Request] = []
        self._running: list[_Running] = []
        self.starts: dict[str, float] = {}
        while self._coming or self._running:
            self._moment()

    def _moment(self) -> None:
        arrivals_s = [request.submit_s for request in self._coming[:1]]
        now_s = min([run.end_s for run in self._running] + arrivals_s)
        for run in self._running:
            if run.expected_s < now_s or (run.expected_s == now_s and run.end_s > now_s):
                run.grow(now_s if run.end_s > now_s else math.nextafter(now_s, 0.0))
        ending = [run for run in self._running if run.end_s <= now_s]
        self._running = [
            run for run in self._running if run not in ending or run.expected_s > now_s
        ]
        while self._coming and self._coming[0].submit_s == now_s:
            self._line.append(self._coming.pop(0))
            self._decide(now_s)
        for run in ending:
            if run in self._running:
                self._running.remove(run)
            self._decide(now_s)

    def _decide(self, now_s: float) -> None:
        # 1. Start from the front while it fits.
        while self._line and self._line[0].size <= self._free():
            self._start(self._line.pop(0), now_s)
        if not self._line:
            return
        # 2. When does the first fit, if all runs end as expected, and what is over then?
        head = self._line[0]
        shadow_s, extra = self._reservation(head)
        # 3. Whoever fits now, and is gone by then or fits into what is over, starts.
        behind = self._line[1:]
        if self._by_length is not None:
            behind.sort(key=self._by_length)
        for request in behind:
            if request.size > self._free():
                continue
            if now_s + request.estimate_s > shadow_s:
                if request.size > extra:
                    continue
                extra -= request.size
            self._line.remove(request)
            self._start(request, now_s)

    def _reservation(self, head: Request) -> tuple[float, int]:
        free = self._free()
        ends_s = sorted({run.expected_s for run in self._running})
        for end_s in ends_s:
            free += sum(run.request.size for run in self._running if run.expected_s == end_s)
            if free >= head.size:
                return end_s, free - head.size
        raise AssertionError("the head never fits")

    def _free(self) -> int:
        return self._capacity - sum(run.request.size for run in self._running)

    def _start(self, request: Request, now_s: float) -> None:
        self.starts[request.name] = now_s
        self._running.append(_Running(request, now_s))
