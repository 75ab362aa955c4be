"""Where a webhook goes: taken apart once, at the door, and shown without what may be secret."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from noljima.model.bounds import InvalidFieldError
from noljima.notify.secret import Secret

_PRINTABLE: Final = re.compile(r"[!-~]{1,2048}\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}\Z")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A host, and a path on it that may hold a token."""

    secure: bool
    host: str
    port: int
    path: Secret

    def __str__(self) -> str:
        """Name the host alone."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{shown}:{self.port}"


def address_of(field: str, url: Secret) -> Address:
    """Take apart the address of a webhook."""
    text = url.reveal()
    if not _PRINTABLE.match(text):
        raise InvalidFieldError(field, url, "is not 1 to 2,048 characters of printable ASCII")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidFieldError(field, url, "is not an address") from None
    if parts.scheme not in {"https", "http"} or not _HOST.match(host):
        raise InvalidFieldError(field, url, "is not https:// and a host")
    if parts.scheme == "http" and not _is_loopback(host):
        raise InvalidFieldError(field, url, "is not https, without which anybody could read it")
    if "@" in parts.netloc or parts.fragment:
        raise InvalidFieldError(field, url, "has a user name or a fragment in it")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if secure else 80
    return Address(
        secure=secure, host=host, port=default if port is None else port, path=Secret(path)
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
