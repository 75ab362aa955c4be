"""Amounts as people hand them in: `0.5` GPUs, `16G`, `4h`, `1-12:00:00`; numbers or texts.

A job file gives numbers where an option gives text, so that each reader takes both. What comes out
is whole thousandths, MiB and seconds; what cannot be is refused with field, value and limit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.submission.nearest import listed

LIMIT_S_MIN: Final = 1.0
_DIGITS_MAX: Final = 18
# Without a zero in front: 010 is 8 to some and 10 to others.
_NUMBER: Final = re.compile(rf"(?:0|[1-9]\d{{0,{_DIGITS_MAX}}})(?:\.\d{{1,9}})?", re.ASCII)
_WHOLE: Final = re.compile(rf"0|[1-9]\d{{0,{_DIGITS_MAX}}}", re.ASCII)
_SIZE: Final = re.compile(
    rf"(\d{{1,{_DIGITS_MAX}}}(?:\.\d{{1,9}})?) ?([KMGTP]?)(i?B)?", re.ASCII | re.IGNORECASE
)
_SHIFTS: Final = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_MIB: Final = 1 << 20
_UNITS_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS: Final = re.compile(
    "".join(rf"(?:(\d{{1,12}}(?:\.\d{{1,9}})?){unit})?" for unit in _UNITS_S), re.ASCII
)
_CLOCK: Final = re.compile(r"(?:(\d{1,6})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?", re.ASCII)


def count(field: str, raw: object, *, low: int, high: int) -> int:
    """Read a whole number of things."""
    if isinstance(raw, str) and _WHOLE.fullmatch(raw.strip()):
        return bounds.whole(field, int(raw), low=low, high=high)
    return bounds.whole(field, raw, low=low, high=high)


def gpu_milli(field: str, raw: object) -> int:
    """Read GPUs of one worker: whole ones, or a part of one to the thousandth."""
    milli = _milli(field, raw, "is no number of GPUs such as 2 or 0.5", bounds.GPU_COUNT_MAX)
    if milli > 1000 and milli % 1000:
        raise InvalidFieldError(field, raw, "is neither whole GPUs nor a part of one")
    return milli


def cpu_milli(field: str, raw: object) -> int:
    """Read CPUs of one worker: any number, to the thousandth."""
    return _milli(field, raw, "is no number of CPUs such as 8 or 0.5", bounds.MILLION)


def memory_mib(field: str, raw: object, *, high: int = bounds.MEMORY_MIB_MAX) -> int:
    """Read a size such as 512M, 16G or 1.5T, by powers of 1024 and rounded up to whole MiB."""
    return -(-size_bytes(field, raw, high=high << 20) // _MIB)


def size_bytes(field: str, raw: object, *, low: int = 0, high: int) -> int:
    """Read a size in bytes; a bare number is refused, as its unit would be guessed."""
    found = _SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if type(raw) is int or (found is not None and not found[2]):
        raise InvalidFieldError(field, raw, "has no unit: write it as in 512M or 16G")
    if found is None:
        raise InvalidFieldError(field, raw, "is no size such as 512M, 16G or 1.5T")
    size = int(Decimal(found[1]) * (1 << _SHIFTS[found[2].upper()]))
    if size > high:
        raise InvalidFieldError(field, raw, f"is more than {high // _MIB:,} MiB")
    if size < low:
        raise InvalidFieldError(field, raw, f"is less than {low // 1024:,} KiB")
    return size


def log_bytes(field: str, raw: object) -> int:
    """Read how much of a log is kept."""
    return size_bytes(field, raw, low=1024, high=1 << 40)


def seconds(
    field: str, raw: object, *, low: float = 0.0, high: float = bounds.SECONDS_MAX
) -> float:
    """Read a time: 90s, 90m, 4h, 1d12h, or as Slurm writes it: 1-12:00:00, 4:30:00.

    A bare number is refused: it is minutes to some and seconds to others.
    """
    if type(raw) in {int, float} or (isinstance(raw, str) and _NUMBER.fullmatch(raw.strip())):
        shown = str(raw).strip()
        raise InvalidFieldError(field, raw, f"has no unit: write {shown}s, {shown}m or {shown}h")
    if not isinstance(raw, str):
        raise InvalidFieldError(field, raw, "is no time such as 90m, 4h or 1-12:00:00")
    time_s = _with_units(raw.strip().lower())
    if time_s is None:
        time_s = _as_clock(field, raw)
    if not low <= time_s <= high:
        raise InvalidFieldError(field, raw, f"is outside {low:g} to {high:g} s")
    return time_s


def flag(field: str, raw: object) -> bool:
    """Read what is so or is not."""
    if isinstance(raw, bool):
        return raw
    raise InvalidFieldError(field, raw, "is neither true nor false")


def choice(field: str, raw: object, words: tuple[str, ...]) -> str:
    """Read one of some words."""
    if isinstance(raw, str) and raw.lower() in words:
        return raw.lower()
    raise InvalidFieldError(field, raw, f"is none of {listed(words)}")


def _milli(field: str, raw: object, limit: str, high: int) -> int:
    words = str(raw).strip() if type(raw) in {int, float, str} else ""
    if not _NUMBER.fullmatch(words):
        raise InvalidFieldError(field, raw, limit)
    milli = Decimal(words) * 1000
    if milli != int(milli):
        raise InvalidFieldError(field, raw, "is finer than a thousandth")
    if milli > high * 1000:
        raise InvalidFieldError(field, raw, f"is outside 0 to {high:,}")
    return int(milli)


def _with_units(words: str) -> float | None:
    parts = _PARTS.fullmatch(words)
    if not words or parts is None:
        return None
    pairs = zip(parts.groups(), _UNITS_S.values(), strict=True)
    return sum(float(part) * unit_s for part, unit_s in pairs if part)


def _as_clock(field: str, raw: str) -> float:
    """Read days-hours, days-hours:minutes, hours:minutes:seconds and so on, as Slurm does.

    Two numbers without days are refused: Slurm takes them for minutes and seconds, people for
    hours and minutes.
    """
    found = _CLOCK.fullmatch(raw.strip())
    if found is None:
        raise InvalidFieldError(field, raw, "is no time such as 90m, 4h or 1-12:00:00")
    days, first, second, third = (None if part is None else int(part) for part in found.groups())
    assert first is not None
    if days is None and third is None:
        limit = "may be minutes or hours: write it as in 4h30m or 04:30:00"
        raise InvalidFieldError(field, raw, limit)
    if (second or 0) > 59 or (third or 0) > 59:
        raise InvalidFieldError(field, raw, "has more than 59 minutes or seconds")
    if days is not None and first > 23:
        raise InvalidFieldError(field, raw, "has more than 23 hours beside its days")
    return float((days or 0) * 86_400 + first * 3_600 + (second or 0) * 60 + (third or 0))
