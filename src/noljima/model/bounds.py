"""Caps on what comes in from outside, and the refusal that names field, value and limit.

Every number that a user, a file or a driver hands over passes one of these functions once, at the
door. Behind it the core may add and multiply without asking whether the result still is a number.
"""

from __future__ import annotations

import math
import re
from typing import Final

MILLION: Final = 1_000_000
GPU_COUNT_MAX: Final = MILLION
WORKERS_MAX: Final = MILLION
GPU_MILLI_MAX: Final = GPU_COUNT_MAX * 1000
CPU_MILLI_MAX: Final = 1_000_000_000
MEMORY_MIB_MAX: Final = 1_000_000_000
GPU_MEMORY_MIB_MAX: Final = 10_000_000
# More steps than any job has, and not so many that they stop being whole numbers.
STEPS_MAX: Final = 1e15
# The year 2286 as an epoch time, 317 years as a duration.
SECONDS_MAX: Final = 1e10
TEXT_MAX: Final = 256

# Control characters, and the separators that break a line in a log or a terminal.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class InvalidFieldError(ValueError):
    """A value that the model refuses; says which field, which value and which limit."""

    def __init__(self, field: str, value: object, limit: str) -> None:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{field}: {shown} {limit}")
        self.field = field
        self.value = value
        self.limit = limit


def whole(field: str, value: object, *, low: int, high: int) -> int:
    """Return `value` where it is an int in [low, high]; a bool is no number."""
    if type(value) is not int:
        raise InvalidFieldError(field, value, "is not a whole number")
    if not low <= value <= high:
        raise InvalidFieldError(field, value, f"is outside {low:,} to {high:,}")
    return value


def seconds(field: str, value: object, *, low: float = 0.0, high: float = SECONDS_MAX) -> float:
    """Return `value` as a float where it is a finite number in [low, high]."""
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number of seconds")
    if not low <= value <= high:  # also false for NaN
        raise InvalidFieldError(field, value, f"is outside {low:g} to {high:g} s")
    return float(value)


def steps(field: str, value: object) -> float:
    """Return `value` as a float where it is a count of steps; a part of one counts too."""
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number of steps")
    if not 0.0 <= value <= STEPS_MAX:  # also false for NaN
        raise InvalidFieldError(field, value, f"is outside 0 to {STEPS_MAX:g} steps")
    return float(value)


def share(field: str, value: object) -> float:
    """Return `value` as a float where it is a finite number in [0, 1]."""
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number")
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise InvalidFieldError(field, value, "is outside 0 to 1")
    return float(value)


def text(field: str, value: object, *, low: int = 0, high: int = TEXT_MAX) -> str:
    """Return `value` where it is printable text of `low` to `high` characters."""
    if not isinstance(value, str):
        raise InvalidFieldError(field, value, "is not text")
    if not low <= len(value) <= high:
        raise InvalidFieldError(field, value, f"is not {low} to {high} characters long")
    if _UNPRINTABLE.search(value):
        raise InvalidFieldError(field, value, "has a control character")
    return value
