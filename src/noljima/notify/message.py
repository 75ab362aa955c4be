"""What a notice says, as data: the JSON in the outbox, which words and webhooks are made from.

A notice is written once for each cause. Before it is sent it is split into one *leg* for each
channel that takes it, so that each channel has its own key, its own attempts and its own end.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from noljima.model import bounds
from noljima.notify.kinds import Kind

REASON_CHARACTERS_MAX = 500
_BETWEEN = " @ "


class UnreadableNoticeError(ValueError):
    """The body of a notice is none that this program writes."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message", omit_defaults=True):
    """What has become of a job."""

    what: Kind
    job: str
    at_s: float
    """When it happened, in seconds since 1970."""
    user: str = ""
    name: str = ""
    why: str = ""
    """A sentence."""
    next_step: str = ""
    """What its owner can do; empty for what is said of every job in this case."""
    start_s: float | None = None
    """When it is expected to start."""
    by_s: float | None = None
    """By when it is, or was, promised to start."""
    ran_s: float | None = None
    """How long it ran."""
    saved_s: float | None = None
    """The work that its next start resumes from."""
    gpus: int = 0
    where: str = ""
    """The nodes it runs on."""
    wanted: tuple[str, ...] = ()
    """What its owner wants to be told of; empty for what the site tells everybody. Looked at where
    it is handed in; words that mean nothing count as empty."""

    def __post_init__(self) -> None:
        """Refuse what no notice can say."""
        bounds.text("job", self.job, low=1)
        bounds.seconds("at_s", self.at_s)

    def encoded(self) -> str:
        """Return it as the body of a notice."""
        return msgspec.json.encode(self).decode()


class Leg(msgspec.Struct, frozen=True, kw_only=True, tag="leg"):
    """A message on its way to one channel."""

    channel: str
    notice: str
    """The key of the notice that it is a leg of: what a receiver knows it by."""
    message: Message

    @property
    def key(self) -> str:
        """Its key in the outbox."""
        return f"{self.notice}{_BETWEEN}{self.channel}"

    def encoded(self) -> str:
        """Return it as the body of a notice."""
        return msgspec.json.encode(self).decode()


def legs(notice: str, message: Message, channels: Sequence[str]) -> tuple[Leg, ...]:
    """Split a notice into one leg for each channel."""
    return tuple(Leg(channel=name, notice=notice, message=message) for name in channels)


def decoded(body: str) -> Message | Leg:
    """Read the body of a notice."""
    try:
        return _read.decode(body)
    except msgspec.MsgspecError as error:
        raise UnreadableNoticeError(f"the notice cannot be read: {error}") from None


_read: msgspec.json.Decoder[Message | Leg] = msgspec.json.Decoder(Message | Leg)
