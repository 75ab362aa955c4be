"""The loop run to its end in one call: without an event loop, with every batch checked and kept."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Final, TypeVar

import msgspec

from noljima.engine import Engine
from noljima.model.commands import Command, Evict, Refuse, Start
from noljima.model.events import Event, Evicted, Finished
from noljima.model.resources import JobId
from noljima.runtime.loop import run
from noljima.runtime.ports import Driver, Sink

T = TypeVar("T")

BATCHES_MAX: Final = 20_000
"""A rehearsal with more batches than this goes round in circles."""

Batch = tuple[tuple[Event, ...], tuple[Command, ...]]
"""What happened in one moment, and what the engine said to it."""


def complete(coroutine: Coroutine[object, None, T]) -> T:
    """Run a coroutine to its end where nothing in it really waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError("the coroutine waits for something outside of it")


class EndlessError(AssertionError):
    """A rehearsal does not come to an end."""


class Record:
    """A journal that keeps every batch, and tells what became of each job."""

    def __init__(self, batches_max: int = BATCHES_MAX) -> None:
        self.batches: list[Batch] = []
        self._batches_max = batches_max

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Keep a batch."""
        self.batches.append((tuple(events), tuple(commands)))
        if len(self.batches) > self._batches_max:
            raise EndlessError(f"no end after {self._batches_max} batches; last {events}")

    def starts(self) -> list[tuple[float, Start]]:
        """Return every start in order, with its moment."""
        return [
            (events[-1].at_s, command)
            for events, commands in self.batches
            for command in commands
            if isinstance(command, Start)
        ]

    def last_start_s(self) -> dict[JobId, float]:
        """Return when each job started for the last time: the start that counts."""
        return {start.job: at_s for at_s, start in self.starts()}

    def end_s(self) -> dict[JobId, float]:
        """Return when each job ended."""
        return {event.job: event.at_s for event in self.events() if isinstance(event, Finished)}

    def evictions(self) -> dict[JobId, int]:
        """Return how often each job was stopped before its end; jobs that never were are absent."""
        counts: dict[JobId, int] = {}
        for event in self.events():
            if isinstance(event, Evicted):
                counts[event.job] = counts.get(event.job, 0) + 1
        return counts

    def told_to_go(self) -> list[Evict]:
        """Return every eviction that was asked for, in order."""
        return [command for command in self.commands() if isinstance(command, Evict)]

    def refused(self) -> dict[JobId, str]:
        """Return the jobs whose owners were told that they cannot run, and why."""
        refusals = [command for command in self.commands() if isinstance(command, Refuse)]
        return {refusal.job: refusal.reason for refusal in refusals}

    def events(self) -> list[Event]:
        """Return every event in order."""
        return [event for events, _ in self.batches for event in events]

    def commands(self) -> list[Command]:
        """Return every command in order."""
        return [command for _, commands in self.batches for command in commands]

    def as_bytes(self) -> bytes:
        """Return everything that was decided, byte for byte: equal runs have equal bytes."""
        return msgspec.json.encode([commands for _, commands in self.batches])


class Validation:
    """A sink that checks the engine's books after every batch."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        """Check all books."""
        self._engine.validate()


def rehearse(
    engine: Engine, driver: Driver, watches: Sequence[Sink] = (), batches_max: int = BATCHES_MAX
) -> Record:
    """Run until the driver has nothing more to tell, and return what happened."""
    record = Record(batches_max)
    complete(run(engine, driver, record, [Validation(engine), *watches]))
    return record


def replay(engine: Engine, batches: Sequence[Batch]) -> list[tuple[Command, ...]]:
    """Feed recorded events to another engine and return what it says to each batch."""
    said: list[tuple[Command, ...]] = []
    for events, _ in batches:
        said.append(tuple(engine.handle(*events)))
        engine.validate()
    return said
