"""How long decisions take: from what has happened to what is to be written of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.runtime.ports import Driver, Journal
from noljima.telemetry.metrics_counting import Timing


class Stopwatch:
    """Stands between the loop and its driver and journal: what the loop does in between, it times.

    The loop decides between being told what has happened and having it written down, and does
    nothing else there.
    """

    def __init__(
        self, driver: Driver, journal: Journal, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.timing = Timing()
        self._driver, self._journal, self._clock = driver, journal, clock
        self._since_s: float | None = None

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what has happened, or wait for it, and begin to count."""
        events = await self._driver.wait(until_s)
        self._since_s = self._clock()
        return events

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take the time, and write the batch."""
        if self._since_s is not None:
            self.timing.note(max(self._clock() - self._since_s, 0.0))
            self._since_s = None
        await self._journal.append(events, commands)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Carry out commands."""
        await self._driver.do(at_s, commands)
