"""The channels that an operator has set up, read from a TOML file and refused in words."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.notify.address import Address, address_of
from noljima.notify.kinds import SITE_KINDS, Kind, chosen
from noljima.notify.message import Message
from noljima.notify.secret import Secret
from noljima.notify.signing import key_of

CHANNELS_MAX: Final = 64
TIMEOUT_S: Final = 10.0
TIMEOUT_S_MAX: Final = 120.0
_BYTES_MAX: Final = 1 << 20


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel takes, and of whom."""

    kinds: frozenset[Kind] = frozenset(Kind)
    users: frozenset[str] = frozenset()
    """Empty for a channel of the site's, which hears of everybody."""
    site_kinds: frozenset[Kind] = SITE_KINDS
    """What people are told of who have not chosen."""

    def takes(self, message: Message) -> bool:
        """Say whether a message goes this way.

        In a channel of somebody's, what the owner of the job wants counts; in the site's it does
        not.
        """
        if message.what not in self.kinds:
            return False
        if not self.users:
            return True
        return message.user in self.users and message.what in self._wanted(message)

    def _wanted(self, message: Message) -> frozenset[Kind]:
        if not message.wanted:
            return self.site_kinds
        try:
            return chosen("notify", message.wanted)
        except InvalidFieldError:
            # From another version of this program; better told too much than nothing.
            return self.site_kinds


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One channel: a service that apprise knows, or a webhook."""

    name: str
    route: Route
    timeout_s: float
    service: Secret | None = None
    """The address of a service, as apprise writes it."""
    webhook: Address | None = None
    keys: tuple[Secret, ...] = ()
    """What a webhook is signed with, the newest first."""


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel as it stands in the file."""

    name: str
    url: Secret | None = None
    webhook: Secret | None = None
    secret: Secret | None = None
    secret_before: Secret | None = None
    secret_file: str = ""
    kinds: tuple[str, ...] = ("all",)
    users: tuple[str, ...] = ()
    timeout_s: float = TIMEOUT_S


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    channels: tuple[_Row, ...] = ()
    site_kinds: tuple[str, ...] | None = None


def read_channels(path: Path) -> tuple[ChannelSettings, ...]:
    """Read the channels in a file; refuse a file that others than its owner can read."""
    refuse_shared("channels", path)
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # What a UnicodeDecodeError says has the bytes in it.
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InvalidFieldError("channels", path.name, f"cannot be read: {why}") from None
    return channels_of(table, path.parent)


def channels_of(table: Mapping[str, object], folder: Path) -> tuple[ChannelSettings, ...]:
    """Return the channels in a table; files that it names are looked for from a folder."""
    try:
        read = msgspec.convert(dict(table), _Table, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise InvalidFieldError("channels", "the table", f"cannot be read: {error}") from None
    bounds.whole("channels", len(read.channels), low=0, high=CHANNELS_MAX)
    site_kinds = SITE_KINDS
    if read.site_kinds is not None:
        site_kinds = chosen("site_kinds", read.site_kinds)
    names = [row.name for row in read.channels]
    for name in names:
        if names.count(name) > 1:
            raise InvalidFieldError("channel name", name, "is there twice")
    return tuple(_channel(row, site_kinds, folder) for row in read.channels)


def _channel(row: _Row, site_kinds: frozenset[Kind], folder: Path) -> ChannelSettings:
    bounds.text("channel name", row.name, low=1, high=64)
    where = f"channels.{row.name}"
    bounds.seconds(f"{where}.timeout_s", row.timeout_s, low=0.1, high=TIMEOUT_S_MAX)
    for user in row.users:
        bounds.text(f"{where}.users", user, low=1)
    route = Route(
        kinds=chosen(f"{where}.kinds", row.kinds),
        users=frozenset(row.users),
        site_kinds=site_kinds,
    )
    if (row.url is None) == (row.webhook is None):
        raise InvalidFieldError(where, row.name, "needs either url or webhook, and not both")
    if row.url is not None:
        if row.secret or row.secret_before or row.secret_file:
            raise InvalidFieldError(where, row.name, "has a secret, which only a webhook needs")
        return ChannelSettings(name=row.name, route=route, timeout_s=row.timeout_s, service=row.url)
    assert row.webhook is not None
    return ChannelSettings(
        name=row.name,
        route=route,
        timeout_s=row.timeout_s,
        webhook=address_of(f"{where}.webhook", row.webhook),
        keys=_keys(where, row, folder),
    )


def _keys(where: str, row: _Row, folder: Path) -> tuple[Secret, ...]:
    """Return the secrets of a webhook, looked at once so that a wrong one is found at the start."""
    if (row.secret is None) == (not row.secret_file):
        limit = "needs either secret or secret_file, and not both"
        raise InvalidFieldError(where, row.name, limit)
    newest = row.secret or _secret_in(f"{where}.secret_file", folder / row.secret_file)
    keys = (newest, *([row.secret_before] if row.secret_before else []))
    for key in keys:
        key_of(f"{where}.secret", key)
    return keys


def _secret_in(field: str, path: Path) -> Secret:
    refuse_shared(field, path)
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except UnicodeDecodeError:
        raise InvalidFieldError(field, path.name, "is not ASCII text") from None


def refuse_shared(field: str, path: Path) -> None:
    """Refuse a file of secrets that is not there, too large, or open to others than its owner."""
    try:
        found = path.stat()
    except OSError as error:
        limit = f"cannot be read: {error.strerror}"
        raise InvalidFieldError(field, str(path), limit) from None
    if not stat.S_ISREG(found.st_mode):
        raise InvalidFieldError(field, str(path), "is not a file")
    if found.st_size > _BYTES_MAX:
        raise InvalidFieldError(field, found.st_size, f"is more than {_BYTES_MAX:,} bytes")
    if found.st_mode & 0o077:
        limit = f"has mode {stat.S_IMODE(found.st_mode):o} and holds secrets; chmod 600 it"
        raise InvalidFieldError(field, str(path), limit)


def _secret(kind: type, value: object) -> object:
    """Take text for a secret, for `msgspec.convert`."""
    if kind is not Secret:
        raise NotImplementedError(kind)
    if not isinstance(value, str) or not value:
        raise ValueError("a secret has to be text, and not empty")
    return Secret(value)
