"""What the pump needs of a channel."""

from __future__ import annotations

from typing import Protocol

from noljima.notify.message import Message
from noljima.notify.settings import Route


class ChannelError(Exception):
    """A message could not be sent; says why in words, and nothing that is secret."""


class Channel(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str:
        """What the operator calls it."""
        ...

    @property
    def route(self) -> Route:
        """What it takes."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long one attempt may take."""
        ...

    async def send(self, message: Message, notice: str, at_s: float) -> None:
        """Send a message under the key of its notice; raise `ChannelError` where that fails."""
        ...
