"""From what an operator has written to channels that can be sent through."""

from __future__ import annotations

from collections.abc import Iterable

from noljima.notify.apprising import Apprised
from noljima.notify.channel import Channel
from noljima.notify.settings import ChannelSettings
from noljima.notify.signing import key_of
from noljima.notify.webhook import Webhook


def open_channels(settings: Iterable[ChannelSettings]) -> tuple[Channel, ...]:
    """Make every channel; one that can never work is refused here, before anything is sent."""
    return tuple(_opened(each) for each in settings)


def _opened(settings: ChannelSettings) -> Channel:
    name, route, timeout_s = settings.name, settings.route, settings.timeout_s
    if settings.service is not None:
        return Apprised(name, route, settings.service, timeout_s=timeout_s)
    assert settings.webhook is not None
    keys = [key_of(f"channels.{name}.secret", key) for key in settings.keys]
    return Webhook(name, route, settings.webhook, keys, timeout_s=timeout_s)
