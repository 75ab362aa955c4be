"""Option types that several commands share: durations, counts with caps, and errors in words."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import click

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

P = ParamSpec("P")
R = TypeVar("R")

BAD_INPUT = 2


class Duration(click.ParamType[float | None]):
    """A duration such as 600, 600s, 10m, 2h or 3d12h; `none` where that is allowed."""

    name = "duration"

    def __init__(self, *, none: bool = False) -> None:
        self._none = none

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """Read the duration, or refuse it in words."""
        if isinstance(value, int | float):
            return float(value)
        from noljima.workload import durations  # noqa: PLC0415 - only where a duration is given

        if self._none and value == "none":
            return -1.0
        try:
            return durations.parse(str(value), field=(param.name if param else None) or "duration")
        except InvalidFieldError as error:
            self.fail(str(error), param, ctx)


def gpu_count(low: int = 1) -> click.IntRange:
    """Return the type of a number of GPUs or processors, with the model's cap."""
    return click.IntRange(low, bounds.GPU_COUNT_MAX)


def fail(words: str) -> NoReturn:
    """End the program over bad input, in one sentence on standard error."""
    click.echo(f"noljima: {words}", err=True)
    sys.exit(BAD_INPUT)


def in_words(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command refuses into a sentence and exit code 2, without a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from noljima.store.journal import JournalError  # noqa: PLC0415 - light commands skip it
        from noljima.workload.files import TraceError  # noqa: PLC0415

        try:
            return command(*args, **kwargs)
        except (InvalidFieldError, JournalError, TraceError) as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename or 'file'}: {error.strerror or error}")

    return wrapped
