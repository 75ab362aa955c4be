"""What is left of a job whose shim was killed: found by whatever still tells it apart, and killed.

With a control group that is certain. Without one, a process is found by the mark in its
environment, by the session that a worker began, by descent from such a one, or as an orphan that
came to the zygote; one that has hidden from all of these at once is not found.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Final

from noljima.drivers.local.endings import Running
from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.orders import Group
from noljima.drivers.local.shim.proc import Stat

_FIRST_S: Final = 0.002
_LOOKS: Final = 2
_LAST_S: Final = 0.25


class Leftover:
    """The processes of one attempt, seen from outside."""

    def __init__(self, token: str, group: Group, running: Running | None, zygote: int) -> None:
        self._mark = f"NOLJIMA_RUN={token}".encode()
        self._group = group
        self._workers = dict(running.workers) if running is not None else {}
        self._zygote = zygote

    def find(self) -> list[Stat]:
        """Return what is left, zombies left out: those hold nothing."""
        processes = proc.table()
        alive = {pid: stat for pid, stat in processes.items() if stat.state not in "ZX"}
        members = set(groups.members(self._group.path)) if self._group.kind != "none" else set()
        found = {pid for pid, stat in alive.items() if pid in members or self._ours(stat, alive)}
        found |= {stat.pid for stat in proc.below(found, alive)}
        return [alive[pid] for pid in sorted(found)]

    def _ours(self, stat: Stat, alive: dict[int, Stat]) -> bool:
        if stat.session in self._workers:
            leader = alive.get(stat.session)
            # The number of a session is not given to anybody else while the session lasts.
            if leader is None or leader.began_ticks == self._workers[stat.session]:
                return True
        if stat.parent == self._zygote and stat.name not in {"noljima-shim", "noljima-zygote"}:
            return True
        return proc.marked(stat.pid, self._mark)

    async def kill(self, patience_s: float) -> list[Stat]:
        """Kill until nothing is left, or until patience ends; return what is left.

        Nothing has to be found twice: a process that is just going over to another program has no
        environment for a moment.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        pause_s = _FIRST_S
        looks = 0
        while looks < _LOOKS:
            left = self.find()
            looks = 0 if left else looks + 1
            if left and loop.time() > until_s:
                return left
            self._kill(left)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LAST_S) if left else _FIRST_S
        with contextlib.suppress(OSError):
            groups.remove(self._group)
        return []

    def _kill(self, left: list[Stat]) -> None:
        if left and self._group.kind != "none":
            groups.kill(self._group)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for stat in left:
                proc.send(stat, number)
