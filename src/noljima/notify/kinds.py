"""What people can be told of, and how they say which of it they want to hear."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from noljima.model.bounds import InvalidFieldError


class Kind(StrEnum):
    """What a notice tells."""

    ACCEPTED = "accepted"
    """A job was handed in."""
    STARTED = "started"
    FINISHED = "finished"
    """It ended as it should."""
    FAILED = "failed"
    EVICTED = "evicted"
    """It made way and waits again."""
    SUSPECTED = "suspected"
    """It looks as if it hung; nothing is done yet."""
    ENDED = "ended"
    """It hung and was ended."""
    PROMISE_MISSED = "promise-missed"
    """It did not start by the time that its owner was told."""


SITE_KINDS: Final = frozenset(
    {Kind.FINISHED, Kind.FAILED, Kind.SUSPECTED, Kind.ENDED, Kind.PROMISE_MISSED}
)
"""What everybody is told of where neither they nor the site say otherwise."""

ALL: Final = "all"
NONE: Final = "none"


def chosen(field: str, words: Iterable[str]) -> frozenset[Kind]:
    """Return the kinds that words name; `all` and `none` stand alone."""
    named = list(words)
    if named == [ALL]:
        return frozenset(Kind)
    if named == [NONE]:
        return frozenset()
    known = {kind.value for kind in Kind}
    for word in named:
        if word not in known:
            listed = ", ".join(kind.value for kind in Kind)
            raise InvalidFieldError(field, word, f"is none of {listed}; or alone: {ALL}, {NONE}")
    return frozenset(Kind(word) for word in named)
