"""The estimate sources by name, as `--estimates` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.last_two import LastTwo
from noljima.prediction.oracle import (
    AdversarialRunTime,
    NoisyRunTime,
    RandomRunTime,
    TrueRunTime,
)
from noljima.prediction.progress.progressing import Progressing
from noljima.prediction.source import Source
from noljima.prediction.user_limit import UserLimit


def _history(seed: int) -> Source:  # noqa: ARG001 - it draws no chance
    from noljima.prediction.history import History  # noqa: PLC0415 - numpy, only where it is used

    return listening(History())


def listening(source: Source) -> Source:
    """Let a source that has been built already hear of progress, as those by name do."""
    return Progressing(source)


# Those that a simulation gives its truth, straight or bent, are not to be corrected by progress.
_PLAIN: Final[Mapping[str, tuple[str, Callable[[int], Source]]]] = {
    "limit": ("the user's own limit", lambda _: Progressing(UserLimit())),
    "last-two": (
        "mean of the user's last two run times (Tsafrir et al.)",
        lambda _: Progressing(LastTwo()),
    ),
    "history": ("past runs like it: a calibrated back-off mixture", _history),
    "true": ("the truth, which only a simulation knows", lambda _: TrueRunTime()),
    "random": ("log-uniform chance: knows nothing", RandomRunTime),
    "adversarial": ("the truth turned upside down", lambda _: AdversarialRunTime()),
}
_NOISY: Final = "noisy:SIGMA"

NAMES: Final = (*_PLAIN, _NOISY)


def describe(name: str) -> str:
    """Return the one-line description of a source."""
    if name == _NOISY:
        return "the truth times lognormal noise: ln(estimate / truth) has deviation SIGMA"
    return _PLAIN[name][0]


def source_of(name: str, seed: int = 0) -> Source:
    """Build the source of this name; `noisy:0.5` has a parameter."""
    if name in _PLAIN:
        return _PLAIN[name][1](seed)
    kind, _, parameter = name.partition(":")
    if kind == "noisy" and parameter:
        try:
            sigma = float(parameter)
        except ValueError:
            raise InvalidFieldError("estimates", name, "has no number after noisy:") from None
        return NoisyRunTime(sigma, seed)
    raise InvalidFieldError("estimates", name, f"is not one of {', '.join(NAMES)}")
