"""Durations as people type them: 600, 90s, 10m, 2h, 3d12h."""

from __future__ import annotations

import re
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

_UNITS_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NUMBER: Final = r"(\d{1,12}(?:\.\d{1,9})?)"
_BARE: Final = re.compile(_NUMBER, re.ASCII)
_PARTS: Final = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in _UNITS_S), re.ASCII)


def parse(words: str, *, field: str = "duration") -> float:
    """Read a duration in seconds: a bare number, or parts with units from weeks down to seconds."""
    written = words.strip().lower()
    if _BARE.fullmatch(written):
        return bounds.seconds(field, float(written))
    parts = _PARTS.fullmatch(written)
    if not written or parts is None:
        raise InvalidFieldError(field, words, "is not a duration like 600, 90s, 10m, 2h or 3d12h")
    pairs = zip(parts.groups(), _UNITS_S.values(), strict=True)
    return bounds.seconds(field, sum(float(part) * unit_s for part, unit_s in pairs if part))
