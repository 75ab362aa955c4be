"""Signatures of webhooks as the Standard Webhooks specification (1.0.0) has them.

A receiver that holds the secret can tell that a message is ours, whole, and of now.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.notify.secret import Secret

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64
TOLERANCE_S: Final = 300.0

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_:/@ -]{1,128}\Z")


class BadSignatureError(Exception):
    """A message is not ours, not whole, or not of now."""


def key_of(field: str, secret: Secret) -> bytes:
    """Return the key in a secret, which is written as `whsec_` and base64."""
    text = secret.reveal()
    if not text.startswith(PREFIX):
        raise InvalidFieldError(field, secret, f"does not begin with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFieldError(field, secret, f"is not base64 behind {PREFIX}") from None
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        limit = f"holds {len(key)} bytes, which is outside {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"
        raise InvalidFieldError(field, secret, limit)
    return key


def id_of(key: str) -> str:
    """Return what a receiver knows a notice by: its key, or a digest of one that may not be sent.

    A full stop ends the id in what is signed, so that none may be in it.
    """
    if _PLAIN_ID.match(key) and key == key.strip():
        return key
    return "~" + hashlib.sha256(key.encode()).hexdigest()


def signed(keys: Sequence[bytes], key: str, at_s: float, body: bytes) -> dict[str, str]:
    """Return the three headers of a message: with a signature by each key, the newest first."""
    name, moment = id_of(key), str(int(at_s))
    signatures = " ".join(_signature(secret, name, moment, body) for secret in keys)
    return {ID: name, TIMESTAMP: moment, SIGNATURE: signatures}


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Pass over a message that is ours; raise `BadSignatureError` for any other."""
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in found]
    if missing:
        raise BadSignatureError(f"the header {missing[0]} is missing")
    moment = found[TIMESTAMP]
    if not (moment.isascii() and moment.isdecimal() and len(moment) <= 15):
        raise BadSignatureError(f"{TIMESTAMP} is not a whole number of seconds")
    if abs(now_s - int(moment)) > TOLERANCE_S:
        raise BadSignatureError(f"{TIMESTAMP} is more than {TOLERANCE_S:g} s away from now")
    expected = [_signature(key, found[ID], moment, body).encode() for key in keys]
    given = [word.encode() for word in found[SIGNATURE].split(" ")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise BadSignatureError(f"no signature in {SIGNATURE} is of these keys and this body")


def _signature(key: bytes, name: str, moment: str, body: bytes) -> str:
    content = b".".join((name.encode(), moment.encode(), body))
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
