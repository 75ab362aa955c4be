"""A site's settings from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from noljima.config import Settings
from noljima.model.bounds import InvalidFieldError

_BYTES_MAX = 1 << 20


def read_settings(path: Path) -> Settings:
    """Read the settings; what is unknown, misspelt or out of bounds is refused by name."""
    raw = path.read_bytes()
    if len(raw) > _BYTES_MAX:
        raise InvalidFieldError(str(path), len(raw), f"is more than {_BYTES_MAX:,} bytes")
    try:
        found = tomllib.loads(raw.decode())
        return msgspec.convert(found, Settings)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidFieldError("settings", path.name, f"cannot be read: {error}") from None
