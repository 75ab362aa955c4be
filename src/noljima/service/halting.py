"""A driver that can be let go of between two batches, so that a scheduler ends in good order."""

from __future__ import annotations

from collections.abc import Sequence

from noljima.drivers.local.driver import ProcessDriver
from noljima.model.commands import Command
from noljima.model.events import Event, Ticked


class Halting:
    """The same driver, until it is halted: then nothing happens any more."""

    def __init__(self, driver: ProcessDriver) -> None:
        self._driver = driver
        self.halted = False
        """Whether nothing is to happen any more."""

    def halt(self) -> None:
        """Let the loop come to its end after the batch that it is at.

        What has happened and was not handled is told to the next scheduler: ends are in their
        folders, and whoever asked for something has no answer yet.
        """
        self.halted = True
        self._driver.happened(lambda at_s: Ticked(at_s=at_s))

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what has happened, or wait for it; nothing once it is halted."""
        events = () if self.halted else await self._driver.wait(until_s)
        return () if self.halted else events

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Carry out commands."""
        await self._driver.do(at_s, commands)
