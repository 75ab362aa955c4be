"""How an attempt ended, as its shim wrote it down, and what that is for the engine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from noljima.drivers.local.shim import checkpoints
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.checkpoints import Past
from noljima.model import bounds
from noljima.model.commands import Start
from noljima.model.events import Event, Evicted, Finished, Outcome, StartFailed

T = TypeVar("T")

Way = Literal[
    "exited",
    "start-failed",
    "evict",
    "stop",
    "kill",
    "fail",
    "limit",
    "memory",
    "broken",
    "lost",
    "restarted",
]
"""By itself, not begun, ended as somebody wanted, ended by a limit, or by a fault: of the shim,
because the shim was killed, or because the machine was restarted."""

_OUTCOMES: Final = {
    "stop": Outcome.CANCELLED,
    "kill": Outcome.CANCELLED,
    "limit": Outcome.LIMIT,
}


class Ending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an attempt ended."""

    outcome: Way
    reason: str = ""
    codes: tuple[int | None, ...] = ()
    """Of each worker; below zero for the signal that ended it, None where it is not known."""
    began_s: float = 0.0
    ended_s: float = 0.0
    ran_s: float = 0.0
    saved_s: float = 0.0
    log_bytes: tuple[int, ...] = ()
    lost_log_bytes: int = 0
    """What the disk did not take."""
    out_of_memory: bool = False
    was_unkillable: bool = False

    def __post_init__(self) -> None:
        """Refuse what no attempt can come to."""
        for field in ("began_s", "ended_s", "ran_s", "saved_s"):
            bounds.seconds(field, getattr(self, field))

    @property
    def succeeded(self) -> bool:
        """Whether every worker has ended by itself, with code 0."""
        return self.outcome == "exited" and all(code == 0 for code in self.codes)


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """How far an attempt is that has not ended."""

    phase: Literal["ready", "running", "ending", "unkillable"]
    pid: int
    began_ticks: int
    boot: str
    began_s: float = 0.0
    workers: tuple[tuple[int, int], ...] = ()
    """The process number of each, and the tick that it began at."""
    left: tuple[tuple[int, str, str], ...] = ()
    """What does not go away although it was killed: number, name, state."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs an attempt."""

    boot: str
    pid: int
    began_ticks: int


def read_ending(folder: Path) -> Ending | None:
    """Return how an attempt ended; None where it has not, or where that cannot be read."""
    return _read(folder / files.EXIT, Ending)


def read_running(folder: Path) -> Running | None:
    """Return how far an attempt is; None where it has not come so far."""
    return _read(folder / files.STATE, Running)


def read_claim(folder: Path) -> Claim | None:
    """Return who runs an attempt; None where nobody does."""
    return _read(folder / files.CLAIM, Claim)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None


def write_ending(folder: Path, ending: Ending) -> None:
    """Write down an end in the place of a shim that cannot."""
    files.write(str(folder / files.EXIT), msgspec.json.encode(ending), sync=True)


def event_of(start: Start, ending: Ending, at_s: float, failures: int) -> Event:
    """Return what an end is for the engine; `failures` starts in a row have failed with this one.

    A start that fails is tried again, but not for ever: a program that is not there will not be
    there the next time.
    """
    job, attempt = start.job, start.attempt
    match ending.outcome:
        case "evict" | "restarted":
            return Evicted(at_s=at_s, job=job, attempt=attempt, saved_s=ending.saved_s)
        case "start-failed" if failures < START_FAILURES_MAX:
            return StartFailed(at_s=at_s, job=job, attempt=attempt, reason=ending.reason)
        case "exited" if ending.succeeded:
            outcome = Outcome.SUCCEEDED
        case _:
            outcome = _OUTCOMES.get(ending.outcome, Outcome.FAILED)
    return Finished(at_s=at_s, job=job, attempt=attempt, outcome=outcome)


START_FAILURES_MAX: Final = 3


def restarted(folder: Path, saved_s: float) -> Ending:
    """Return the end of an attempt that was there when the machine went down."""
    running = read_running(folder)
    began_s = running.began_s if running is not None else 0.0
    last_s = checkpoints.last_s(str(folder)) if began_s else None
    past = Past(began_s, math.inf, saved_s, 0.0)
    saved_s = min(checkpoints.saved_s(last_s, past), bounds.SECONDS_MAX)
    return Ending(outcome="restarted", reason="the machine was restarted", saved_s=saved_s)
