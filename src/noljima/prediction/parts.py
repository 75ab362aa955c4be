"""What a history is made of, part by part."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from noljima.model.bounds import InvalidFieldError

RUN: Final = "run"
SHARE: Final = "share"
LAST_TWO: Final = "last-two"
LIMIT: Final = "limit"
LINEAR: Final = "linear"
EXPERTS: Final = (RUN, SHARE, LAST_TWO, LIMIT, LINEAR)


class Parts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parts; `docs/forecasts.md` says what each of them is worth."""

    half_life_s: float = 14 * 86400.0
    """How long it takes until a run counts half."""
    trust: float = 16.0
    """How much a key must have seen to be believed half; 0: the most specific one alone."""
    templates: bool = True
    """Whether a job with a new name is taken for one whose name differs in numbers only."""
    siblings: bool = True
    """Whether running jobs of the same kind tell that theirs is at least so long."""
    tail: float = 0.03
    """Weight between the longest run seen and the limit: the next may always be the longest."""
    calibrated: bool = True
    """Whether the quantiles are kept to what they promise."""
    experts: tuple[str, ...] = (RUN, SHARE)

    def __post_init__(self) -> None:
        """Refuse what no history can be made of."""
        if math.isnan(self.half_life_s) or self.half_life_s <= 0.0:
            raise InvalidFieldError("half_life_s", self.half_life_s, "is no time")
        if not 0.0 <= self.trust < math.inf:
            raise InvalidFieldError("trust", self.trust, "is no weight")
        if not 0.0 <= self.tail < 1.0:
            raise InvalidFieldError("tail", self.tail, "is outside 0 to 1")
        if not self.experts or len(set(self.experts)) < len(self.experts):
            raise InvalidFieldError("experts", self.experts, "are none, or one is there twice")
        for name in self.experts:
            if name not in EXPERTS:
                raise InvalidFieldError("experts", name, f"is not one of {', '.join(EXPERTS)}")
