"""A simulated world for measuring single decisions: its queue never gets shorter.

At first everybody is there at once; from then on, whenever a job ends, the next one comes. For a
while events are gathered, so that the cluster soon is as it would be after days: long jobs run,
large ones wait. Then they come one at a time, so that each decision has one cause.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, assert_never

from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import Event, Evicted, Finished, NodeSeen, Started, Submitted, Ticked
from noljima.model.node import Node
from noljima.model.resources import JobId
from noljima.workload.trace import TraceJob

_GAP_S: Final = 0.5


class _Run:
    """A job that runs: since when, from which saved state on, and until when."""

    def __init__(self, began_s: float, saved_s: float, end_s: float) -> None:
        self.began_s = began_s
        self.saved_s = saved_s
        self.end_s = end_s


class Backlog:
    """A `Driver` that keeps as many jobs in the system as there were at first.

    Until `single_from_s`, what ends within one `window_s` ends at its end, together.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Iterator[TraceJob],
        backlog: int,
        *,
        enough: Callable[[], bool],
        window_s: float,
        single_from_s: float,
    ) -> None:
        self._jobs = jobs
        self._enough = enough
        self._window_s = window_s
        self._single_from_s = single_from_s
        self._entries: dict[JobId, TraceJob] = {}
        self._runs: dict[JobId, _Run] = {}
        self._saved_s: dict[JobId, float] = {}
        self._pushed = 0
        self._heap: list[tuple[float, int, JobId | None]] = []
        first = [self._submitted(0.0) for _ in range(backlog)]
        self._soon: list[tuple[Event, ...]] = [
            tuple(NodeSeen(at_s=0.0, node=node) for node in nodes),
            tuple(first),
        ]

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what happens next; nothing once it is enough."""
        if self._soon:
            return self._soon.pop(0)
        if self._enough():
            return ()
        at_s = self._heap[0][0]
        if until_s is not None and until_s < at_s:
            return (Ticked(at_s=until_s),)
        happened: list[Event] = []
        while self._heap[0][0] == at_s and (not happened or at_s < self._single_from_s):
            happened += self._happening()
        return tuple(happened) or await self.wait(until_s)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Start and evict at once."""
        told: list[Event] = []
        for command in commands:
            match command:
                case Start(job=job):
                    saved_s = self._saved_s.get(job, 0.0)
                    end_s = self._push(at_s + self._entries[job].run_s - saved_s, job)
                    self._runs[job] = _Run(at_s, saved_s, end_s)
                    told.append(Started(at_s=at_s, job=job))
                case Evict(job=job):
                    told.append(self._evicted(at_s, job))
                case Refuse():
                    self._push(at_s + _GAP_S, None)
                case Stop():
                    raise AssertionError("nobody cancels a job here")
                case _:
                    assert_never(command)
        if told:
            self._soon.append(tuple(told))

    def _happening(self) -> list[Event]:
        at_s, _, job = heapq.heappop(self._heap)
        if job is None:
            return [self._submitted(at_s)]
        run = self._runs.get(job)
        if run is None or run.end_s != at_s:
            return []  # that run was evicted
        del self._runs[job]
        self._push(at_s + _GAP_S, None)
        return [Finished(at_s=at_s, job=job)]

    def _evicted(self, at_s: float, job: JobId) -> Evicted:
        run = self._runs.pop(job)
        entry = self._entries[job]
        # Ends that are gathered come late: until then a job may hold its place with nothing to do.
        worked_s = min(run.saved_s + at_s - run.began_s, entry.run_s)
        checkpoint = entry.job.checkpoint
        saved_s = self._saved_s[job] = max(checkpoint.saved_of(worked_s), run.saved_s)
        return Evicted(at_s=at_s, job=job, saved_s=saved_s)

    def _submitted(self, at_s: float) -> Submitted:
        entry = next(self._jobs)
        self._entries[entry.job.id] = entry
        return Submitted(at_s=at_s, job=entry.job, oracle_s=entry.run_s)

    def _push(self, at_s: float, job: JobId | None) -> float:
        if at_s < self._single_from_s:
            at_s = math.ceil(at_s / self._window_s) * self._window_s
        self._pushed += 1
        heapq.heappush(self._heap, (at_s, self._pushed, job))
        return at_s
