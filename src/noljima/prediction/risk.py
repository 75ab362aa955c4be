"""How much risk to take so that a given share of promises is missed, whatever drifts.

Adaptive conformal inference (Gibbs and Candès, "Adaptive Conformal Inference Under Distribution
Shift", NeurIPS 2021) moves the level at which a distribution is read up after a miss and down after
a hit, so that in the long run the share of misses is what it should be. Here that is the slow part,
on the logit of the risk and bounded, because outcomes come late and in crowds. The fast part looks
at the share of misses among the last ones: Angelopoulos, Candès and Tibshirani, "Conformal PID
Control for Time Series Prediction", NeurIPS 2023.
"""

from __future__ import annotations

import math
from typing import Final

_STEP: Final = 0.02
_SLOW_MAX: Final = 2.0
_WINDOW: Final = 400.0
_GAIN: Final = 4.0
_FAST_MIN: Final = -3.0
_FAST_MAX: Final = 0.5


class SteeredRisk:
    """The risk at which the next promise is to be made."""

    def __init__(self, target: float) -> None:
        self._target = target
        self._share = target
        self._seen = 60.0
        self._slow = 0.0

    def learn(self, *, missed: bool, weight: float = 1.0) -> None:
        """Take note of what became of a promise; of a crowd that has one fate, each weighs less."""
        self._seen = min(self._seen + 1.0, _WINDOW)
        self._share += (missed - self._share) / self._seen
        slow = self._slow + _STEP * weight * (self._target - missed)
        self._slow = min(max(slow, -_SLOW_MAX), _SLOW_MAX)

    @property
    def risk(self) -> float:
        """The chance of a miss to aim at."""
        fast = _GAIN * (self._target - self._share) / self._target
        fast = min(max(fast, _FAST_MIN), _FAST_MAX)
        logit = math.log(self._target / (1.0 - self._target)) + self._slow + fast
        return 1.0 / (1.0 + math.exp(-logit))
