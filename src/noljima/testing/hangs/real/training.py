"""A training of seconds: it reads, steps with its gang, reports, and marks when it falls silent.

Only of what Python brings along, and `noljima.progress`: fifty of these start at once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from noljima.demo.work import Gang
from noljima.progress import report

TOTAL: Final = 1000
"""What they say that they have to do; none gets there."""
STEP_S: Final = 1.0
WARM_STEPS: Final = 20
"""Enough to be one that reports steps, seen every five seconds."""
SHARE: Final = 0.08
"""Of a core, for those that compute: above what idle threads need, and cheap enough for many."""
FOR_EVER_S: Final = 1e6
_BATCH_BYTES: Final = 1 << 16
_SLICE_S: Final = 0.1


class Act(Protocol):
    """What one kind of job does, after its steps or instead of them."""

    def __call__(self, training: Training) -> None:
        """Do it; who is silent for good never returns."""


class Part(NamedTuple):
    """One kind of job."""

    act: Act
    how: str
    """What it does, in a few words."""
    workers: int = 1
    rung: str = ""
    """How high health gets with one that hangs; empty for one that is only silent."""
    warm: bool = True
    """Whether it steps first."""


class Meeting(Gang):
    """A gang, of which one worker may wait for what nobody sends."""

    def wait_for_first(self) -> None:
        """Wait for a word of the first worker, without telling it anything."""
        self._peers[0].recv(1)


class Training:
    """One worker of a job."""

    def __init__(self, name: str, step: int = 0) -> None:
        self.name = name
        self.step = step
        self.loss: float | None = None
        self.gang = Meeting()

    @property
    def rank(self) -> int:
        """Which worker this is."""
        return self.gang.rank

    def go_on(self, steps: int) -> None:
        """Step, with a batch of real bytes for each step."""
        for _ in range(steps):
            read_batch()
            time.sleep(STEP_S)
            self.step += 1
            self.gang.meet(self.step)
            if self.rank == 0:
                report(self.step, TOTAL, loss=self.loss)

    def fall_silent(self) -> None:
        """Mark the moment from which nothing more is heard."""
        self._mark("silent")

    def come_back(self) -> None:
        """Mark the moment at which it goes on."""
        self._mark("back")

    def _mark(self, what: str) -> None:
        if self.rank == 0:
            mark_file(Path.cwd(), self.name, what).write_text(repr(wall_s()), encoding="ascii")


def mark_file(folder: Path, name: str, what: str) -> Path:
    """Return where a job of a name marks its moments."""
    return folder / f"{name.replace(' ', '-')}.{what}"


def wall_s() -> float:
    """Return the time, as the scheduler has it."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def say(words: str) -> None:
    """Write a line into the log."""
    print(words, flush=True)  # noqa: T201 - a job's log


def compute(seconds: float, share: float = SHARE) -> None:
    """Use a share of a core for some seconds, however busy the machine is."""
    began_s, used_s = time.monotonic(), time.process_time()
    while (passed_s := time.monotonic() - began_s) < seconds:
        while time.process_time() - used_s < passed_s * share:
            pass
        time.sleep(_SLICE_S)


def compute_in_child(seconds: float) -> subprocess.Popen[bytes]:
    """Let a process of its own compute, as compilers and data workers do."""
    return run_child(["computing", repr(seconds)])


def run_child(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that belongs to this worker."""
    module = f"{__package__}.program"
    return subprocess.Popen([sys.executable, "-m", module, *arguments])  # noqa: S603 - ourselves


def read_batch() -> None:
    """Read as many bytes as one step needs."""
    with Path("/dev/zero").open("rb", buffering=0) as file:
        file.read(_BATCH_BYTES)
