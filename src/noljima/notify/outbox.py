"""What the pump needs of the outbox, wherever that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from noljima.notify.message import Leg


class OutboxUnavailableError(Exception):
    """The outbox cannot be written to now: its disk is full, mostly."""


class Noted(Protocol):
    """What is to be told; `store.notices.Notice` is one."""

    @property
    def key(self) -> str:
        """What makes it this one."""
        ...

    @property
    def body(self) -> str:
        """What it says: a `Message` or a `Leg`, encoded."""
        ...


class Due(Protocol):
    """A notice in the outbox; `store.notices.Outgoing` is one."""

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        ...

    @property
    def notice(self) -> Noted:
        """What is to be told."""
        ...


class Outbox(Protocol):
    """Where notices wait. What is read is committed; what is written is committed on return."""

    @property
    def attempts_max(self) -> int:
        """With so many attempts that failed a notice is given up."""
        ...

    async def due(self, now_s: float, limit: int) -> Sequence[Due]:
        """Return what is to be sent now, the longest due first."""
        ...

    async def next_due_s(self) -> float | None:
        """Return when the next notice is due; None where none waits."""
        ...

    async def split(self, notice: Noted, legs: Sequence[Leg], at_s: float) -> None:
        """Put a notice's legs in its place, in one commit: add each, and note the notice as sent.

        A leg keeps all of the notice but its key and body. May raise `OutboxUnavailableError`.
        """
        ...

    async def tried(self, key: str, at_s: float, error: str) -> None:
        """Note an attempt; an empty error means that it was sent.

        May raise `OutboxUnavailableError`.
        """
        ...
