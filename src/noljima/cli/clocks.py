"""Times as people read them: 14:05, `14:05 (by 14:40)`, 1 h 5 min; in their own time zone."""

from __future__ import annotations

import time
from typing import Final

_DAY_S: Final = 86_400
_NONE: Final = "-"


def at(moment_s: float | None, now_s: float) -> str:
    """Write a moment: its clock time, with the day where that is not today."""
    if moment_s is None:
        return _NONE
    moment, now = time.localtime(moment_s), time.localtime(now_s)
    if moment[:3] == now[:3]:
        return time.strftime("%H:%M", moment)
    if abs(moment_s - now_s) < 6 * _DAY_S:
        return time.strftime("%a %H:%M", moment)
    return time.strftime("%Y-%m-%d %H:%M", moment)


def start(about_s: float | None, by_s: float | None, now_s: float, *, reserved: bool) -> str:
    """Write when something starts, and by when that is promised: 14:05 (by 14:40) estimate."""
    if about_s is None and by_s is None:
        return _NONE
    words = at(by_s if about_s is None else about_s, now_s)
    by = at(by_s, now_s)
    if about_s is None:
        words = f"by {words}"
    elif by_s is not None and by != words:
        words = f"{words} (by {by})"
    return f"{words} {'reserved' if reserved else 'estimate'}"


def lasting(seconds: float | None) -> str:
    """Write a duration with its two largest units: 1 h 5 min."""
    if seconds is None:
        return _NONE
    whole_s = max(0, round(seconds))
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return _two(whole_s, 60, "min", "s")
    if whole_s < _DAY_S:
        return _two(whole_s // 60, 60, "h", "min")
    return _two(whole_s // 3600, 24, "d", "h")


def _two(whole: int, per: int, large: str, small: str) -> str:
    head, rest = divmod(whole, per)
    return f"{head} {large} {rest} {small}" if rest else f"{head} {large}"
