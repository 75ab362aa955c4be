"""What the loop needs from the outside: a driver, a journal and sinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from noljima.model.commands import Command
from noljima.model.events import Event


class Driver(Protocol):
    """A world that jobs run in: a simulated one, this machine, or a Kubernetes cluster."""

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what happened next, in order and in one moment.

        When nothing happens before `until_s`, return a `Ticked` at that time. An empty tuple
        means that nothing will ever happen again.
        """
        ...

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Carry out commands given at a moment; their outcomes come back as events."""
        ...


class Journal(Protocol):
    """Where every batch is written before anything is done about it."""

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Write the batch, whole or not at all."""
        ...


class Sink(Protocol):
    """Something that looks on: a recorder, a progress bar, a metrics page."""

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take note of a batch of events and of what the engine made of it."""
        ...
