"""One attempt as the scheduler sees it: alive, ended or left behind, by its folder and its shim."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from noljima.drivers.local.endings import Ending, read_claim, read_ending
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.keeper import LOOK
from noljima.drivers.local.shim.orders import Group, Orders, decoded
from noljima.model.commands import Start


class Attempt:
    """What is known of one attempt while it runs."""

    __slots__ = ("folder", "pidfd", "start", "stranger", "sweeping", "told_started", "unkillable")

    def __init__(self, start: Start, folder: Path) -> None:
        self.start = start
        self.folder = folder
        self.pidfd = -1
        """Of its shim; below zero as long as that is not known."""
        self.told_started = False
        self.unkillable = False
        self.sweeping = False
        self.stranger = False

    @property
    def gpus(self) -> tuple[int, ...]:
        """The GPUs of all its workers."""
        gpus = (gpu for worker in self.start.placement.workers for gpu in worker.gpus)
        return tuple(dict.fromkeys(gpus))

    def orders(self) -> Orders | None:
        """Return what its shim was told; None where that cannot be read."""
        plain = files.load(str(self.folder / files.ORDERS))
        if plain is None:
            return None
        try:
            return decoded(plain)
        except ValueError:
            return None

    def group(self) -> Group:
        """Return its control groups."""
        orders = self.orders()
        return orders.group if orders is not None else Group()

    def ending(self) -> Ending | None:
        """Return how it ended; None where it has not."""
        return read_ending(self.folder)

    def of_this_boot(self) -> bool:
        """Say whether its claim is of this start of the machine; true also without a claim."""
        claim = read_claim(self.folder)
        return claim is None or claim.boot == proc.boot()

    def claimed(self) -> bool:
        """Say whether somebody has it, or had it."""
        return (self.folder / files.CLAIM).exists()

    def void(self, why: str) -> bool:
        """Take it away from any shim that may still come; false where one has it already."""
        content: dict[str, Any] = {**files.claimant(), "void": why}
        lock = files.claim(str(self.folder), content)
        if lock is None:
            return False
        os.close(lock)
        return True

    def find_shim(self) -> bool:
        """Find its shim by its claim, and hold on to it; false where it does not live."""
        claim = read_claim(self.folder)
        if claim is None or claim.boot != proc.boot():
            return False
        try:
            pidfd = os.pidfd_open(claim.pid)
        except OSError:
            return False
        # Looked at after it was opened: what the descriptor holds cannot become another process.
        stat = proc.stat_of(claim.pid)
        path = str(self.folder / files.CLAIM)
        if stat is None or stat.began_ticks != claim.began_ticks or not files.locked(path):
            os.close(pidfd)
            return False
        self.let_go()
        self.pidfd = pidfd
        return True

    def request(self, kind: str, reason: str) -> None:
        """Have it ended: written down first, so that a shim that is yet to come reads it too."""
        asked = json.dumps({"kind": kind, "reason": reason[:1000]}).encode()
        try:
            files.write(str(self.folder / files.REQUEST), asked)
        except OSError:
            # A full disk must not keep a job from being ended: the signal says it without a file.
            self._signal(signal.SIGTERM)
        self.nudge()

    def requested(self) -> str:
        """Return how it was asked to end; empty where it was not."""
        return str((files.load(str(self.folder / files.REQUEST)) or {}).get("kind", ""))

    def nudge(self) -> None:
        """Let its shim look at what is wanted."""
        self._signal(LOOK)

    def _signal(self, number: int) -> None:
        if self.pidfd >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.pidfd, number)

    def let_go(self) -> None:
        """Close what is held of its shim."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
