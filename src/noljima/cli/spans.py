"""Times and sizes on the command line, read as a job file's are."""

from __future__ import annotations

import click

from noljima.model.bounds import InvalidFieldError
from noljima.submission import amounts


def span(words: str) -> float:
    """Read a time such as 90m, 4h or 2d."""
    try:
        return amounts.seconds("time", words)
    except InvalidFieldError as error:
        raise click.BadParameter(f"{error.value!r} {error.limit}") from None


def size_bytes(words: str) -> int:
    """Read a size such as 64K or 2M."""
    try:
        return amounts.size_bytes("size", words, high=1 << 40)
    except InvalidFieldError as error:
        raise click.BadParameter(f"{error.value!r} {error.limit}") from None
