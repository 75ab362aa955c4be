"""Numbers as people read them: 1 h 54 min, 92.6, 64.2 %, 28 481."""

from __future__ import annotations

import math
from typing import Final

THIN_SPACE: Final = "\u202f"
UNKNOWN: Final = "–"  # noqa: RUF001 - an en dash, as tables print for "no value"

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def duration(seconds: float) -> str:
    """Write a time with its two largest units: 3 d 2 h, 1 h 54 min, 12 min 5 s, 8.25 s."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < _MINUTE_S and round(seconds, 2) < _MINUTE_S:
        return f"{_trimmed(seconds, 2)} s"
    whole_s = round(seconds)
    if whole_s < _HOUR_S:
        return _two_units(whole_s, _MINUTE_S, "min", 1, "s")
    whole_min = round(seconds / _MINUTE_S)
    if whole_min < _DAY_S // _MINUTE_S:
        return _two_units(whole_min, 60, "h", 1, "min")
    return _two_units(round(seconds / _HOUR_S), 24, "d", 1, "h")


def count(number: float) -> str:
    """Write a whole number with thin separators: 28 481."""
    return f"{round(number):,}".replace(",", THIN_SPACE)


def ratio(number: float) -> str:
    """Write a number with three significant digits or all before the point: 1.04, 92.6, 1 204."""
    if not math.isfinite(number):
        return UNKNOWN
    magnitude = abs(number)
    if magnitude >= 1000:
        return count(number)
    return f"{number:.{1 if magnitude >= 10 else 2}f}"


def share(fraction: float) -> str:
    """Write a share of one as per cent: 64.2 %; a very small one is not rounded to nothing."""
    if not math.isfinite(fraction):
        return UNKNOWN
    percent = fraction * 100
    if 0 < abs(percent) < 0.05:
        return f"{percent:.2g} %"
    return f"{percent:.1f} %"


def ascii_only(words: str) -> str:
    """Write the same for a file or a pipe, where a thin space only is in the way."""
    return words.replace(THIN_SPACE, ",").replace(UNKNOWN, "-")


def _two_units(number: int, per_large: int, large: str, per_small: int, small: str) -> str:
    head, rest = divmod(number, per_large)
    words = f"{count(head)} {large}"
    return f"{words} {rest // per_small} {small}" if rest else words


def _trimmed(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")
