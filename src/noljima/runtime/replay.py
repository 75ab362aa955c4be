"""Recorded events through a new engine: it must say what the recorded one said, word for word."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.runtime.ports import Sink

_DIFF_LINES_MAX: Final = 20
_SHOWN: Final = 200
# JSON escapes the other control characters; these could give a terminal orders.
_INVISIBLE: Final = {number: f"\\x{number:02x}" for number in range(0x7F, 0xA0)}

_encode = msgspec.json.Encoder().encode


class Recorded(Protocol):
    """A batch as a journal gives it back."""

    @property
    def line(self) -> int:
        """Where in the journal it stands."""
        ...

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened."""
        ...

    @property
    def commands(self) -> tuple[Command, ...]:
        """What was decided."""
        ...


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first batch for which the engine does not say what was recorded."""

    line: int
    at_s: float
    events: tuple[Event, ...]
    recorded: tuple[Command, ...]
    now: tuple[Command, ...]
    failure: str = ""
    """What the engine broke with, where it did not get as far as saying anything."""

    def lines(self) -> list[str]:
        """Show what is recorded (-) and what is said now (+), a command a line, shortened."""
        recorded, now = ([shown(command) for command in c] for c in (self.recorded, self.now))
        diff = list(difflib.unified_diff(recorded, now, n=1, lineterm=""))[2:]
        more = len(diff) - _DIFF_LINES_MAX
        return diff if more <= 0 else [*diff[:_DIFF_LINES_MAX], f"and {more:,} lines more"]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How far a replay came, and whether all was equal."""

    batches: int
    events: int
    commands: int
    last_s: float
    digest: str
    difference: Difference | None = None


class Digest:
    """A fingerprint of decisions: equal on any machine exactly where all commands are equal."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - decisions only
        """Take in what was decided in one batch."""
        self._hash.update(_encode(commands) + b"\n")

    def hexdigest(self) -> str:
        """Return the fingerprint of all that was taken in so far."""
        return self._hash.hexdigest()


def replay(engine: Engine, batches: Iterable[Recorded], sinks: Sequence[Sink] = ()) -> Replayed:
    """Feed recorded events to a new engine, and stop at the first difference."""
    digest = Digest()
    count = events = commands = 0
    last_s = 0.0
    difference: Difference | None = None
    for batch in batches:
        said: list[Command] = []
        failure = ""
        try:
            said = engine.handle(*batch.events)
            for sink in sinks:
                sink.observe(batch.events, said)
        except Exception as error:  # noqa: BLE001 - events that the engine breaks on are a finding
            failure = f"{type(error).__name__}: {error}"
        count += 1
        events += len(batch.events)
        commands += len(said)
        last_s = batch.events[-1].at_s
        digest.observe(batch.events, said)
        if failure or tuple(said) != batch.commands:
            difference = _difference(batch, said, failure)
            break
    return Replayed(
        batches=count,
        events=events,
        commands=commands,
        last_s=last_s,
        digest=digest.hexdigest(),
        difference=difference,
    )


def _difference(batch: Recorded, said: Sequence[Command], failure: str) -> Difference:
    return Difference(
        line=batch.line,
        at_s=batch.events[-1].at_s,
        events=batch.events,
        recorded=batch.commands,
        now=tuple(said),
        failure=failure,
    )


def shown(noun: Command | Event) -> str:
    """Write an event or a command as one line for people: its JSON, shortened."""
    words = _encode(noun).decode().translate(_INVISIBLE)
    return words if len(words) <= _SHOWN else words[: _SHOWN - 3] + "..."
