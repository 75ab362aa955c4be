"""`python -m noljima.testing.mortal MOMENT OPTIONS`: a scheduler that is killed at a moment.

A moment is a place in the program and how often it is passed before: `append.before:3`. The process
is killed there as by `kill -9`, with nothing tidied up.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from noljima.app import workstation
from noljima.drivers.local.driver import ProcessDriver
from noljima.drivers.local.launcher import Launcher
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.service.ledger import Ledger
from noljima.service.settings import settings_of
from noljima.store.state import State

PLACES: Final = (
    "append.before",
    "append.during",
    "append.after",
    "settle.after",
    "do.before",
    "do.after",
    "start.before",
    "launch.before",
    "launch.after",
    "end.before",
    "end.after",
    "adopt.before",
    "adopt.after",
)
"""Where a scheduler can be killed."""


class Reaper:
    """Kills this process when it comes to its moment."""

    def __init__(self, moment: str) -> None:
        place, _, count = moment.partition(":")
        if moment and place not in PLACES:
            raise ValueError(f"{place} is none of {', '.join(PLACES)}")
        self._place, self._count = place, int(count or 1)
        self._passed: Counter[str] = Counter()

    def at(self, place: str) -> None:
        """Pass a place, or die there."""
        self._passed[place] += 1
        if place == self._place and self._passed[place] == self._count:
            os.kill(os.getpid(), signal.SIGKILL)


def haunt(reaper: Reaper) -> None:
    """Let the reaper stand at all places of this program."""
    _around_append(reaper)
    _around_commands(reaper)
    _around_starts(reaper)


def _around_append(reaper: Reaper) -> None:
    append, put, settle = State.append, State._put, Ledger._settle  # noqa: SLF001 - it is what breaks them

    async def deadly(
        self: State,
        events: Sequence[Event],
        commands: Sequence[Command],
        writes: Any = (),  # noqa: ANN401
    ) -> None:
        reaper.at("append.before")
        await append(self, events, commands, writes)
        reaper.at("append.after")

    def deadly_put(self: State, entry: Any) -> Any:  # noqa: ANN401 - passed on as it is
        future = put(self, entry)
        reaper.at("append.during")
        return future

    def deadly_settle(self: Ledger, *arguments: Any) -> None:  # noqa: ANN401
        settle(self, *arguments)
        reaper.at("settle.after")

    State.append = deadly  # type: ignore[method-assign]
    State._put = deadly_put  # type: ignore[method-assign]  # noqa: SLF001
    Ledger._settle = deadly_settle  # type: ignore[method-assign, assignment]  # noqa: SLF001


def _around_commands(reaper: Reaper) -> None:
    do, end, adopt = ProcessDriver.do, ProcessDriver.end, ProcessDriver.adopt

    async def deadly_do(self: ProcessDriver, at_s: float, commands: Sequence[Command]) -> None:
        reaper.at("do.before")
        await do(self, at_s, commands)
        reaper.at("do.after")

    def deadly_end(self: ProcessDriver, *arguments: Any) -> bool:  # noqa: ANN401
        reaper.at("end.before")
        ended = end(self, *arguments)
        reaper.at("end.after")
        return ended

    async def deadly_adopt(self: ProcessDriver, commands: Any) -> None:  # noqa: ANN401
        reaper.at("adopt.before")
        await adopt(self, commands)
        reaper.at("adopt.after")

    ProcessDriver.do = deadly_do  # type: ignore[method-assign]
    ProcessDriver.end = deadly_end  # type: ignore[method-assign, assignment]
    ProcessDriver.adopt = deadly_adopt  # type: ignore[method-assign]


def _around_starts(reaper: Reaper) -> None:
    start, launch = ProcessDriver._start, Launcher.start  # noqa: SLF001

    def deadly_start(self: ProcessDriver, command: Any) -> None:  # noqa: ANN401
        reaper.at("start.before")
        start(self, command)

    def deadly_launch(self: Launcher, folder: str) -> None:
        reaper.at("launch.before")
        launch(self, folder)
        reaper.at("launch.after")

    ProcessDriver._start = deadly_start  # type: ignore[method-assign, assignment]  # noqa: SLF001
    Launcher.start = deadly_launch  # type: ignore[method-assign]


def main() -> None:
    """Bring a scheduler up that is to die."""
    parser = argparse.ArgumentParser(prog="python -m noljima.testing.mortal")
    parser.add_argument("moment")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--gpus", type=int)
    parser.add_argument("--policy")
    given = vars(parser.parse_args())
    haunt(Reaper(given.pop("moment")))
    workstation(settings_of(given.pop("state"), None, given), print)


if __name__ == "__main__":
    main()
