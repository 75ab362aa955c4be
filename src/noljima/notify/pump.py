"""Sends what is in the outbox: each notice at least once through each channel that takes it.

It only reads what is committed, so that nothing is told before it is true for good. Channels do not
wait for each other, and in a channel notices go one after the other in the order in which they are
due. Killed between sending and writing that down it sends once more, under the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from noljima.notify.channel import Channel, ChannelError
from noljima.notify.message import Leg, Message, UnreadableNoticeError, decoded, legs
from noljima.notify.outbox import Due, Noted, Outbox, OutboxUnavailableError

T = TypeVar("T")

IDLE_S: Final = 30.0
"""It looks at the outbox at least this often, also where nobody has nudged it."""
BUSY_S: Final = 1.0
"""And this often while a channel is at work or the outbox cannot be written to."""
LOOK: Final = 1000
LOOK_MAX: Final = 100_000


class Clock(Protocol):
    """Seconds since 1970, and waiting for them to pass."""

    def now_s(self) -> float:
        """Return the time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Counts(msgspec.Struct):
    """What the pump has done since it was made, for the metrics."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


class _Tried(NamedTuple):
    """An attempt that could not be written down yet."""

    at_s: float
    error: str


class _Order(NamedTuple):
    """A leg that is due, with how often it was tried."""

    leg: Leg
    key: str
    attempts: int


class Pump:
    """Sends from an outbox through channels, for as long as `run` runs."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Iterable[Channel],
        clock: Clock,
        *,
        warn: Callable[[str], None],
    ) -> None:
        self.counts = Counts()
        """What was done."""
        self._outbox = outbox
        self._channels: Mapping[str, Channel] = {each.name: each for each in channels}
        self._clock = clock
        self._warn = warn
        self._news = asyncio.Event()
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._unwritten: dict[str, _Tried] = {}
        self.troubles: dict[str, str] = {}
        """What fails at present, by channel, in words; the outbox itself has an empty name."""
        self._full = False

    def nudge(self) -> None:
        """Say that there may be something new in the outbox."""
        self._news.set()

    async def run(self) -> None:
        """Send whatever becomes due, until cancelled."""
        try:
            while True:
                self._news.clear()
                await self.turn()
                await self._pause()
        finally:
            await self._stop()

    async def settle(self) -> None:
        """Wait until no channel is at work."""
        while self._at_work:
            await asyncio.wait(self._at_work.values())
            self._reap()

    async def turn(self) -> None:
        """Look once at what is due, and set every channel to work that has something to send."""
        # 1. Take note of channels that are done, and write down what could not be written.
        self._reap()
        if not await self._catch_up():
            return
        # 2. Split what is new into one leg for each channel, and look again.
        now_s = self._clock.now_s()
        orders = await self._look(now_s)
        # 3. Give every channel that is free what is for it.
        for name, ordered in orders.items():
            if name not in self._at_work:
                task = asyncio.create_task(self._work(name, ordered))
                task.add_done_callback(lambda _: self.nudge())
                self._at_work[name] = task

    # --- Looking ---

    async def _look(self, now_s: float) -> dict[str, list[_Order]]:
        """Return what is due, by channel: so much that no busy channel hides another's notices."""
        limit = LOOK
        while True:
            due = await self._outbox.due(now_s, limit)
            if await self._split_all(due, now_s):
                continue
            orders = self._sorted(due)
            hidden = len(due) >= limit and all(name in self._at_work for name in orders)
            if not hidden or limit >= LOOK_MAX:
                return orders
            limit *= 4

    async def _split_all(self, due: Sequence[Due], now_s: float) -> bool:
        """Split every notice among these that is not a leg; say whether there was any."""
        found = False
        for each in due:
            if each.notice.key in self._unwritten:
                continue
            if self._full:
                break
            try:
                content = decoded(each.notice.body)
            except UnreadableNoticeError as error:
                found = True
                self._warn(f"notice {each.notice.key}: {error}")
                await self._note(each.notice.key, _Tried(now_s, str(error)))
                continue
            if isinstance(content, Message):
                found = await self._split(each.notice, content, now_s) or found
        return found

    async def _split(self, notice: Noted, message: Message, now_s: float) -> bool:
        takers = [name for name, each in self._channels.items() if each.route.takes(message)]
        try:
            await self._outbox.split(notice, legs(notice.key, message, takers), now_s)
        except OutboxUnavailableError as error:
            self._note_full(error)
            return False
        return True

    def _sorted(self, due: Sequence[Due]) -> dict[str, list[_Order]]:
        orders: dict[str, list[_Order]] = {}
        for each in due:
            if each.notice.key in self._unwritten:
                continue
            with contextlib.suppress(UnreadableNoticeError):  # told of where it was split
                content = decoded(each.notice.body)
                if isinstance(content, Leg):
                    order = _Order(content, each.notice.key, each.attempts)
                    orders.setdefault(content.channel, []).append(order)
        return orders

    # --- Sending ---

    async def _work(self, name: str, orders: Sequence[_Order]) -> None:
        """Try everything that is due for a channel, once each."""
        for order in orders:
            if self._full:
                return
            error = await self._try(name, order)
            self._count(name, order, error)
            await self._note(order.key, _Tried(self._clock.now_s(), error))

    async def _try(self, name: str, order: _Order) -> str:
        """Send one message; return what went wrong, or nothing."""
        channel = self._channels.get(name)
        if channel is None:
            return f"there is no channel {name} any more"
        try:
            async with asyncio.timeout(channel.timeout_s):
                await channel.send(order.leg.message, order.leg.notice, self._clock.now_s())
        except ChannelError as error:
            return str(error) or type(error).__name__
        except TimeoutError:
            return f"no answer within {channel.timeout_s:g} s"
        except Exception as error:  # noqa: BLE001 - a broken channel harms no other
            # Without its words, which may hold what is secret.
            return f"the channel broke with {type(error).__name__}"
        return ""

    def _count(self, name: str, order: _Order, error: str) -> None:
        """Count an attempt, and tell the operator what changes."""
        if not error:
            self.counts.sent += 1
            if self.troubles.pop(name, None) is not None:
                self._warn(f"channel {name} works again")
            return
        self.counts.failed += 1
        attempts = order.attempts + 1
        known = name in self.troubles
        self.troubles[name] = error
        if attempts >= self._outbox.attempts_max:
            self.counts.given_up += 1
            notice = order.leg.notice
            self._warn(f"channel {name}: {notice} is given up after {attempts} attempts: {error}")
        elif not known:
            self._warn(f"channel {name}: {error}; it will be tried later")

    # --- Writing down ---

    async def _note(self, key: str, tried: _Tried) -> None:
        """Write an attempt down; what cannot be written now is kept, and not sent again for it."""
        self._unwritten[key] = tried
        try:
            await self._outbox.tried(key, tried.at_s, tried.error)
        except OutboxUnavailableError as error:
            self._note_full(error)
            return
        del self._unwritten[key]

    async def _catch_up(self) -> bool:
        """Write down what could not be; say whether that worked."""
        if not self._full:
            return True
        for key, tried in list(self._unwritten.items()):
            try:
                await self._outbox.tried(key, tried.at_s, tried.error)
            except OutboxUnavailableError:
                return False
            self._unwritten.pop(key, None)
        self._full = False
        self.troubles.pop("", None)
        self._warn("the outbox can be written to again")
        return True

    def _note_full(self, error: OutboxUnavailableError) -> None:
        if not self._full:
            self._full = True
            self.troubles[""] = f"the outbox cannot be written to, and sending waits: {error}"
            self._warn(self.troubles[""])

    # --- Waiting ---

    async def _pause(self) -> None:
        """Wait for news, for a channel to be done, or for the time of the next notice."""
        pause_s = BUSY_S
        if not self._at_work and not self._full:
            next_s = await self._outbox.next_due_s()
            wait_s = IDLE_S if next_s is None else next_s - self._clock.now_s()
            pause_s = min(max(wait_s, 0.0), IDLE_S)
        waits = [
            asyncio.ensure_future(self._news.wait()),
            asyncio.ensure_future(self._clock.sleep(pause_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(waits)

    def _reap(self) -> None:
        """Forget channels that are done; what broke in one of them is ours, and not hidden."""
        for name in [name for name, task in self._at_work.items() if task.done()]:
            self._at_work.pop(name).result()

    async def _stop(self) -> None:
        await _cancelled(self._at_work.values())
        self._at_work.clear()


async def _cancelled(tasks: Iterable[asyncio.Future[T]]) -> None:
    """Cancel tasks and wait until they have gone."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
