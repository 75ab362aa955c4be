"""Signed webhooks: a message as JSON, posted to an address of the operator's."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from noljima.notify import signing
from noljima.notify.address import Address
from noljima.notify.channel import ChannelError
from noljima.notify.message import Message
from noljima.notify.posting import post
from noljima.notify.settings import Route
from noljima.notify.words import worded


class Webhook:
    """A `Channel` that posts to one address."""

    def __init__(
        self,
        name: str,
        route: Route,
        address: Address,
        keys: Sequence[bytes],
        *,
        timeout_s: float,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.route = route
        self.timeout_s = timeout_s
        self._address = address
        self._keys = tuple(keys)
        self._context = context or ssl.create_default_context()

    def __repr__(self) -> str:
        """Name it, and its host."""
        return f"Webhook({self.name!r}, {self._address})"

    async def send(self, message: Message, notice: str, at_s: float) -> None:
        """Post a message; only an answer from 200 to 299 is taken for "received"."""
        body = payload(message, notice)
        headers = signing.signed(self._keys, notice, at_s, body)
        status = await post(self._address, headers, body, self._context)
        if 300 <= status < 400:
            words = f"{self._address} answered {status}, and redirects are not followed"
            raise ChannelError(words)
        if not 200 <= status < 300:
            raise ChannelError(f"{self._address} answered {status}")


def payload(message: Message, notice: str) -> bytes:
    """Return the body of a webhook; docs/notifications.md says what is in it."""
    fields = msgspec.to_builtins(message)
    for ours in ("type", "wanted", "what"):
        fields.pop(ours, None)
    text = worded(message)
    return msgspec.json.encode(
        {
            "type": f"job.{message.what}",
            "timestamp": datetime.fromtimestamp(message.at_s, UTC).isoformat(),
            "data": {"notice": notice, **fields, "subject": text.subject, "text": text.body},
        }
    )
