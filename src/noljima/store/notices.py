"""The outbox: what is to be told to somebody, kept until it was told.

A notice is written in the same row of the journal as the batch that causes it, so that none goes
out before that batch is on the disk and none is lost after it. Its key is decided by the cause: the
same cause written twice is one notice. Whoever sends may be killed between sending and writing
that down, so that a notice goes out at least once, always under the same key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

RETRY_S: Final = 15.0
"""The pause after the first failure; each further one is twice as long as the one before."""
RETRY_S_MAX: Final = 3600.0
ATTEMPTS_MAX: Final = 60
"""About two days of trying."""
ERROR_CHARACTERS_MAX: Final = 500


class Sending(StrEnum):
    """How far a notice is."""

    PENDING = "pending"
    SENT = "sent"
    GIVEN_UP = "given up"


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be told, to whom, and why it is told once only."""

    key: str
    """What makes it this one: job, what happened, and which time of it."""
    what: str
    """Its kind: accepted, started, finished and so on."""
    job: str = ""
    to: str = ""
    """The user whom it concerns."""
    due_s: float = 0.0
    """Not to be sent before."""
    body: str = ""
    """Whatever the sender needs; JSON, mostly."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in the outbox."""

    number: int
    """Its place in the outbox; never used twice."""
    sequence: int
    """The row of the journal that it was written with."""
    sending: Sending
    due_s: float
    """When to try next; once it is sent or given up, when that was."""
    attempts: int
    error: str
    """What went wrong the last time."""
    notice: Notice


def pause_s(attempts: int) -> float:
    """Say how long to wait after so many failures."""
    return float(min(RETRY_S * 2.0 ** (attempts - 1), RETRY_S_MAX))


def after(attempts: int, at_s: float, error: str) -> tuple[Sending, float]:
    """Say how a notice stands after its last attempt, and when the next one is."""
    if not error:
        return Sending.SENT, at_s
    if attempts >= ATTEMPTS_MAX:
        return Sending.GIVEN_UP, at_s
    return Sending.PENDING, at_s + pause_s(attempts)
