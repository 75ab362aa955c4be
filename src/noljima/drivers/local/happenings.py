"""Events on their way to the loop, in order and stamped: their time never goes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from noljima.drivers.local.clock import Clock
from noljima.model.events import Event, Ticked


class Happenings:
    """What has happened and was not fetched yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._soon: list[Event] = []
        self._news = asyncio.Event()
        self._closed = False
        self._of_the_past = False
        # The time of the last event that was queued, and of the last that was handed over.
        self._last_s = self._told_s = clock.floor_s

    def put(self, make: Callable[[float], Event], known_s: float | None = None) -> Event:
        """Queue an event of now, or of a known time; never before the last that was queued."""
        now_s = self._clock.now_s()
        after_s = self._told_s if self._of_the_past else self._last_s
        at_s = now_s if known_s is None else min(max(known_s, after_s), now_s)
        self._last_s = max(self._last_s, at_s)
        event = make(at_s)
        self._soon.append(event)
        self._news.set()
        return event

    @contextlib.contextmanager
    def of_the_past(self) -> Iterator[None]:
        """Let events be put in that were before those that are queued; they are sorted at the end.

        None goes before what was handed over already.
        """
        self._of_the_past = True
        try:
            yield
        finally:
            self._of_the_past = False
            self._soon.sort(key=lambda event: event.at_s)

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what has happened, or wait for it; nothing once this is closed."""
        while not self._soon and not self._closed:
            self._news.clear()
            now_s = self._clock.now_s()
            if until_s is not None and now_s >= until_s:
                self._last_s = self._told_s = now_s
                return (Ticked(at_s=now_s),)
            patience_s = None if until_s is None else until_s - now_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
        events, self._soon = tuple(self._soon), []
        self._told_s = self._last_s
        return events

    def close(self) -> None:
        """Let whoever waits go."""
        self._closed = True
        self._news.set()
