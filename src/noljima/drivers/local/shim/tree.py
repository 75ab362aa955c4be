"""All that a job has started: told, asked, killed and counted, however it hides.

Whatever a worker starts stays below the shim, because orphans become children of their nearest
subreaper. So the shim has nothing below it exactly when it has no children.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.orders import Group
from noljima.drivers.local.shim.proc import Stat


class Tree:
    """The processes below this one."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._self = os.getpid()

    def members(self) -> list[Stat]:
        """Return all that live, parents first; the dead that nobody has buried are left out."""
        return [stat for stat in proc.below({self._self}, proc.table()) if stat.state not in "ZX"]

    def tell(self, number: int, roots: Sequence[int]) -> list[Stat]:
        """Send a signal to the first of each branch that handles it; return whom."""
        told = proc.listeners(roots, number, proc.table())
        return [stat for stat in told if proc.send(stat, number)]

    def tell_all(self, number: int) -> None:
        """Send a signal to everything."""
        for stat in self.members():
            proc.send(stat, number)

    def kill(self, *, again: bool) -> None:
        """Kill everything that is there now. What is started meanwhile is there the next time."""
        if self._group.kind != "none":
            groups.kill(self._group)
            if not again:
                return  # Nothing leaves a group, unless it may and wants to.
        # Stopped first, all of them, so that few are left that could start another.
        found = self.members()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for stat in found:
                proc.send(stat, number)

    def bury(self) -> tuple[list[tuple[int, int]], bool]:
        """Take leave of the dead: their numbers and codes, and whether nothing is left at all.

        A code is as `subprocess` has it: below zero for the signal that ended it.
        """
        dead: list[tuple[int, int]] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return dead, groups.empty(self._group)
            except InterruptedError:
                continue
            if not pid:
                return dead, False
            with contextlib.suppress(ValueError):
                dead.append((pid, os.waitstatus_to_exitcode(status)))
