"""The outbox in the state on disk, as `notify` sends from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec.structs import replace

from noljima.drivers.local.clock import Clock
from noljima.notify.channel import Channel
from noljima.notify.message import Leg
from noljima.notify.outbox import Noted, OutboxUnavailableError
from noljima.notify.pump import Pump
from noljima.service.office import Office
from noljima.store.faults import StateError
from noljima.store.notices import ATTEMPTS_MAX, Notice, Outgoing
from noljima.store.reading import Reader
from noljima.store.state import State
from noljima.store.writes import AddNotice, NoticeTried, Write

_FAILING: Final = "notices "
_AGAIN_S: Final = 600.0
"""The same is not said again before."""


class StateOutbox:
    """A `notify.outbox.Outbox` that is the state's own."""

    attempts_max = ATTEMPTS_MAX

    def __init__(self, state: State, reader: Reader) -> None:
        self._state, self._reader = state, reader

    async def due(self, now_s: float, limit: int) -> Sequence[Outgoing]:
        """Return what is to be sent now, the longest due first."""
        return self._reader.due(now_s, limit)

    async def next_due_s(self) -> float | None:
        """Return when the next notice is due; None where none waits."""
        return self._reader.next_due_s()

    async def split(self, notice: Noted, legs: Sequence[Leg], at_s: float) -> None:
        """Put a notice's legs in its place, in one commit."""
        assert isinstance(notice, Notice)
        adds = [AddNotice(replace(notice, key=leg.key, body=leg.encoded())) for leg in legs]
        await self._write(*adds, NoticeTried(notice.key, at_s))

    async def tried(self, key: str, at_s: float, error: str) -> None:
        """Note an attempt; an empty error means that it was sent."""
        await self._write(NoticeTried(key, at_s, error))

    async def _write(self, *writes: Write) -> None:
        try:
            await self._state.write(*writes)
        except StateError as error:
            raise OutboxUnavailableError(str(error)) from None


class _WallClock:
    """The driver's clock, with waiting."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_s(self) -> float:
        """Return the time."""
        return self._clock.now_s()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Postal:
    """Sends notices for as long as the scheduler runs."""

    def __init__(
        self, office: Office, channels: Sequence[Channel], say: Callable[[str], None]
    ) -> None:
        self._office = office
        self._say = say
        self._said_s: dict[str, float] = {}
        outbox = StateOutbox(office.state, office.reader)
        self.pump = Pump(outbox, channels, _WallClock(office.driver.clock), warn=self._warn)

    async def run(self) -> None:
        """Send whatever becomes due, until cancelled."""
        async with self._nudged():
            await self.pump.run()

    @asynccontextmanager
    async def _nudged(self) -> AsyncIterator[None]:
        """Let the pump look whenever something is on the disk."""
        nudging = asyncio.create_task(self._nudge())
        try:
            yield
        finally:
            nudging.cancel()
            await asyncio.gather(nudging, return_exceptions=True)

    async def _nudge(self) -> None:
        while True:
            await self._office.ledger.news.wait()
            # Not with each batch of a busy moment.
            await asyncio.sleep(1.0)
            self.pump.nudge()

    def _warn(self, words: str) -> None:
        """Say what has changed, and show what fails at present."""
        now_s = self._office.now_s
        if now_s - self._said_s.get(words, -_AGAIN_S) >= _AGAIN_S:
            # A disk that is full and nearly full in turn would fill the log with it.
            self._said_s = {w: s for w, s in self._said_s.items() if now_s - s < _AGAIN_S}
            self._said_s[words] = now_s
            self._say(words)
        warnings = self._office.warnings
        for name in [name for name in warnings if name.startswith(_FAILING)]:
            del warnings[name]
        for channel, trouble in self.pump.troubles.items():
            where = f"channel {channel}: " if channel else ""
            warnings[f"{_FAILING}{channel}"] = f"notices do not go out: {where}{trouble}"
