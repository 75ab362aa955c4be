"""All workers of a gang: ready first, then let go at once; or none of them."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Final

from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim import worker as workers
from noljima.drivers.local.shim.environment import compose, reserve_ports
from noljima.drivers.local.shim.orders import Orders
from noljima.drivers.local.shim.worker import READY, Ends

_STATUS_MAX: Final = 4096


class StartError(Exception):
    """A gang did not come up whole."""


class Gang:
    """The workers of one attempt, from the fork to the moment that all their programs run."""

    def __init__(self, orders: Orders, folder: str) -> None:
        self._orders = orders
        self._folder = folder
        self.pids: list[int] = []
        self.logs: list[int] = []
        """The ends that the workers' output comes out of."""
        self._statuses: list[int] = []
        self._ready: set[int] = set()
        self._gate = -1
        self.ports: list[socket.socket] = []

    @property
    def alone(self) -> bool:
        """Whether there is only one worker: it has nobody to wait for at the gate."""
        return len(self._orders.workers) == 1

    def prepare(self) -> None:
        """Start all workers up to the gate."""
        count = len(self._orders.workers)
        try:
            self.ports = reserve_ports(count)
            numbers = [port.getsockname()[1] for port in self.ports]
            inside, self._gate = os.pipe()
            if self.alone:
                workers.open_gate(self._gate, 1)
            groups.make(self._orders.group)
            groups.join(self._orders.group)
            for rank in range(count):
                self._fork(compose(self._orders, rank, numbers, self._folder), inside)
            groups.leave(self._orders.group)
            os.close(inside)
        except OSError as error:
            raise StartError(f"cannot start workers: {error.strerror or error}") from error
        if not self.alone:
            self._hear(until_ready=True)

    def release(self) -> None:
        """Let all workers run their programs, and see that they do."""
        if not self.alone:
            workers.open_gate(self._gate, len(self.pids))
        os.close(self._gate)
        self._gate = -1
        self._hear(until_ready=False)

    def _fork(self, environment: dict[str, str], gate: int) -> None:
        out, log = os.pipe()
        heard, status = os.pipe()
        self.logs.append(out)
        self._statuses.append(heard)
        try:
            self.pids.append(workers.fork(self._orders, environment, Ends(log, status, gate)))
        finally:
            os.close(log)
            os.close(status)

    def _hear(self, *, until_ready: bool) -> None:
        """Wait until every worker has said that it is ready, or has gone over to its program."""
        poll = select.poll()
        ranks = {fd: rank for rank, fd in enumerate(self._statuses)}
        for fd in ranks:
            poll.register(fd, select.POLLIN)
        until_s = time.monotonic() + self._orders.graces.start_s
        while ranks:
            ready = poll.poll(max(until_s - time.monotonic(), 0.0) * 1e3)
            if not ready:
                missing = ", ".join(str(rank) for rank in ranks.values())
                raise StartError(f"not ready in time: worker {missing}")
            for fd, _ in ready:
                if self._heard(fd, ranks[fd], until_ready=until_ready):
                    poll.unregister(fd)
                    del ranks[fd]

    def _heard(self, fd: int, rank: int, *, until_ready: bool) -> bool:
        """Take what a worker says; say whether that is all that is waited for."""
        said = os.read(fd, _STATUS_MAX)
        if said == READY:
            self._ready.add(fd)
            return until_ready
        if said or fd not in self._ready:
            words = said.removeprefix(READY).decode("utf-8", "replace")
            raise StartError(f"worker {rank} {words or 'ended before its program ran'}")
        os.close(fd)
        self._statuses.remove(fd)
        return True

    def close(self) -> None:
        """Give back what only the start needed, where the start has failed."""
        for fd in [*self._statuses, *([self._gate] if self._gate >= 0 else [])]:
            os.close(fd)
        self._statuses, self._gate = [], -1
