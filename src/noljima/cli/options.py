"""What the options of several commands share: durations, shares, counts, and errors in words.

Types are functions rather than subclasses of click's types, whose type parameters differ from one
version of click to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import click

from noljima.cli.endings import fail, in_words
from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

__all__ = ["NEVER_S", "duration", "fail", "gpu_count", "in_words", "interval", "seed", "share"]

NEVER_S: Final = math.inf
"""What `interval` makes of `none`."""


def duration(words: str) -> float:
    """Read a duration such as 600, 600s, 10m, 2h or 3d12h, or refuse it in words."""
    from noljima.workload import durations  # noqa: PLC0415 - only where a duration is given

    try:
        return durations.parse(str(words))
    except InvalidFieldError as error:
        raise click.BadParameter(f"{error.value!r} {error.limit}") from None


def interval(words: str) -> float:
    """Read a duration between two checkpoints; `none` is for never."""
    return NEVER_S if words == "none" else duration(words)


def share(high: float = 1.0) -> Callable[[str], float]:
    """Return the type of a share from 0 to `high`."""

    def share_of(words: str) -> float:
        try:
            value = float(words)
        except ValueError:
            value = math.nan
        if not 0.0 <= value <= high:  # also true for NaN
            raise click.BadParameter(f"{words!r} is no number from 0 to {high:g}")
        return value

    return share_of


def gpu_count() -> click.IntRange:
    """Return the type of a number of GPUs or processors, with the model's cap."""
    return click.IntRange(1, bounds.GPU_COUNT_MAX)


def seed() -> click.IntRange:
    """Return the type of a seed."""
    return click.IntRange(0)
