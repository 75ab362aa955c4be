"""A small training for the demonstration: it steps with its gang, saves, hangs or crashes as told.

Run as `python -m noljima.demo.work` by each worker of a gang. The workers meet after every step, as
those of a real training do, through a socket of the first; so that one that hangs stops them all.
Nothing here needs the scheduler: a training finds its place in the variables that torchrun sets.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from noljima.progress import report

_STEP: Final = struct.Struct("!q")
_STOP: Final = -1
_MEET_S: Final = 30.0


class Gang:
    """The workers of one job, who go from step to step together."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self._peers: list[socket.socket] = []
        if self.size == 1:
            return
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        if self.rank == 0:
            with socket.create_server(address, reuse_port=False) as server:
                self._peers = [server.accept()[0] for _ in range(self.size - 1)]
        else:
            self._peers = [_reach(address)]

    def meet(self, step: int) -> int:
        """Wait for all others; return what the first worker says: a step, or that all stop."""
        if self.rank == 0:
            for peer in self._peers:
                _read(peer)
        for peer in self._peers:
            peer.sendall(_STEP.pack(step))
        return step if self.rank == 0 or not self._peers else _read(self._peers[0])


def _reach(address: tuple[str, int]) -> socket.socket:
    """Connect to the first worker, which may come up later than this one."""
    until_s = time.monotonic() + _MEET_S
    while True:
        try:
            return socket.create_connection(address)
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)


def _read(peer: socket.socket) -> int:
    content = b""
    while len(content) < _STEP.size:
        part = peer.recv(_STEP.size - len(content))
        if not part:
            sys.exit("a worker of the gang is gone")
        content += part
    step: int = _STEP.unpack(content)[0]
    return step


class Saved:
    """The step that the next attempt goes on from, in a file of the job's folder."""

    def __init__(self) -> None:
        self._file = Path(f"saved-{os.environ.get('NOLJIMA_JOB_ID', 'alone')}")
        self.wanted = False
        signal.signal(signal.SIGUSR1, self._asked)
        signal.signal(signal.SIGTERM, self._asked)

    def _asked(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signals call it
        self.wanted = True

    def step(self) -> int:
        """Return where to begin."""
        try:
            return int(self._file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0

    def save(self, step: int) -> None:
        """Write the step down, whole, and say that it is."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(step), encoding="ascii")
        draft.replace(self._file)
        told = os.environ.get("NOLJIMA_CHECKPOINT")
        if told:
            Path(told).touch()


def train(steps: int, step_s: float, hang_at: int, crash_at: int) -> int:
    """Step to the end, or to where something happens; return the exit code."""
    gang, saved = Gang(), Saved()
    step = saved.step()
    if gang.rank == 0 and step:
        print(f"going on from step {step}", flush=True)  # noqa: T201 - a job's log
    while step < steps:
        time.sleep(step_s)
        step += 1
        if step == hang_at and gang.rank == gang.size - 1:
            print(f"step {step}: waiting for data that never comes", flush=True)  # noqa: T201
            while True:
                signal.pause()
        if step == crash_at:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if gang.meet(_STOP if saved.wanted else step) == _STOP:
            if gang.rank == 0:
                saved.save(step)
            return 0
        if gang.rank == 0:
            report(step, steps)
            print(f"step {step}/{steps} loss {2.0 / (1.0 + step):.4f}", flush=True)  # noqa: T201
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--step-s", type=float, default=0.5)
    parser.add_argument("--hang-at", type=int, default=0, help="the last worker stops there")
    parser.add_argument("--crash-at", type=int, default=0)
    given = parser.parse_args(arguments)
    return train(given.steps, given.step_s, given.hang_at, given.crash_at)


if __name__ == "__main__":
    sys.exit(main())
