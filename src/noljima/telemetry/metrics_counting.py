"""Counting what goes by, for the metrics: events and commands, decisions, and idle GPUs."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from noljima.model.commands import Command, Start
from noljima.model.events import Event, Evicted, Finished, StartFailed
from noljima.telemetry.metrics import Durations

BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Counting:
    """A sink that counts; what a driver tells twice it counts twice."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.starts: Counter[bool] = Counter({False: 0, True: 0})
        self.start_failures = 0
        self.evictions = 0

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Count a batch."""
        for event in events:
            self.events[type(event).__name__] += 1
            match event:
                case Finished():
                    self.ends[event.outcome.value] += 1
                case Evicted():
                    self.evictions += 1
                case StartFailed():
                    self.start_failures += 1
                case _:
                    pass
        for command in commands:
            if isinstance(command, Start):
                self.starts[command.guest] += 1


class Timing:
    """A histogram of durations."""

    def __init__(self, bounds_s: Sequence[float] = BOUNDS_S) -> None:
        self._bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self._bounds_s) + 1)
        self._sum_s = 0.0

    def note(self, seconds: float) -> None:
        """Add one."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def durations(self) -> Durations:
        """Return what was noted so far."""
        up_to = tuple(accumulate(self._counts))
        return Durations(bounds_s=self._bounds_s, up_to=up_to, sum_s=self._sum_s)


class IdleTime:
    """Adds up the time that GPUs were idle while any job waited."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._idle = 0.0
        self._total_s = 0.0

    def note(self, at_s: float, gpus_idle: float, *, waiting: bool) -> None:
        """Say how it is from now on: to be called after each decision."""
        self._total_s = self.total_s(at_s)
        self._since_s = at_s
        self._idle = gpus_idle if waiting else 0.0

    def total_s(self, at_s: float) -> float:
        """Return GPU-seconds up to a moment."""
        if self._since_s is None:
            return 0.0
        return self._total_s + self._idle * max(at_s - self._since_s, 0.0)
