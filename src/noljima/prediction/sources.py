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
from noljima.prediction.source import Source
from noljima.prediction.user_limit import UserLimit

_PLAIN: Final[Mapping[str, Callable[[int], Source]]] = {
    "limit": lambda _seed: UserLimit(),
    "last-two": lambda _seed: LastTwo(),
    "true": lambda _seed: TrueRunTime(),
    "random": lambda seed: RandomRunTime(seed),
    "adversarial": lambda _seed: AdversarialRunTime(),
}

NAMES: Final = (*_PLAIN, "noisy:SIGMA")


def source_of(name: str, seed: int = 0) -> Source:
    """Build the source of this name; `noisy:0.5` has a parameter."""
    if name in _PLAIN:
        return _PLAIN[name](seed)
    kind, _, parameter = name.partition(":")
    if kind == "noisy" and parameter:
        try:
            sigma = float(parameter)
        except ValueError:
            raise InvalidFieldError("estimates", name, "has no number after noisy:") from None
        return NoisyRunTime(sigma, seed)
    raise InvalidFieldError("estimates", name, f"is not one of {', '.join(NAMES)}")
