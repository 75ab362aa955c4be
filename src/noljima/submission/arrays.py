"""Arrays as Slurm writes them: `0-9`, `0-9:2`, `1,3,5-7`, and `%3` for three at a time."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.submission.nouns import ARRAY_MAX

_PART: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?", re.ASCII)
_AT_MOST: Final = re.compile(r"\d{1,9}", re.ASCII)
_WORDS_MAX: Final = 100_000


class Array(NamedTuple):
    """The indices of an array, in order, and how many of its jobs run at a time."""

    indices: tuple[int, ...]
    at_most: int | None


def read(field: str, raw: object) -> Array:
    """Read an array; each index once."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or len(raw) > _WORDS_MAX:
        raise InvalidFieldError(field, raw, "is no array such as 0-9 or 0-9:2,12%3")
    words, mark, most = raw.partition("%")
    indices: list[int] = []
    for part in words.split(","):
        indices += _indices(field, raw, part.strip())
        if len(indices) > ARRAY_MAX:
            raise InvalidFieldError(field, raw, f"has more than {ARRAY_MAX:,} elements")
    if len(set(indices)) < len(indices):
        raise InvalidFieldError(field, raw, "names an index twice")
    return Array(tuple(sorted(indices)), _at_most(field, raw, most) if mark else None)


def _indices(field: str, raw: str, part: str) -> range:
    found = _PART.fullmatch(part)
    if found is None:
        raise InvalidFieldError(field, raw, "is no array such as 0-9 or 0-9:2,12%3")
    low, high, step = (None if number is None else int(number) for number in found.groups())
    assert low is not None
    high = low if high is None else high
    if high > bounds.MILLION:
        raise InvalidFieldError(field, raw, f"has an index above {bounds.MILLION:,}")
    if high < low:
        raise InvalidFieldError(field, raw, f"goes backwards: {part}")
    if step == 0:
        raise InvalidFieldError(field, raw, "has a step of 0")
    indices = range(low, high + 1, step or 1)
    if len(indices) > ARRAY_MAX:
        raise InvalidFieldError(field, raw, f"has more than {ARRAY_MAX:,} elements")
    return indices


def _at_most(field: str, raw: str, words: str) -> int:
    if not _AT_MOST.fullmatch(words) or not 1 <= int(words) <= ARRAY_MAX:
        raise InvalidFieldError(field, raw, f"runs not 1 to {ARRAY_MAX:,} at a time, after its %")
    return int(words)
