"""Adaptive conformal calibration: quantiles that cover what they say, whatever drifts.

Gibbs and Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021, applied to
the level at which the predictive distribution is read: after each outcome the level moves up a
little if it was missed and down if it was not, in such a ratio that in the long run exactly 1 - tau
of the outcomes are missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from noljima.model.estimate import LEVELS
from noljima.prediction.distribution import Floats

TAUS: Final = (0.5, 0.8, 0.95)
_TAUS: Final = np.array(TAUS)
_STEP: Final = 0.004
_LOW: Final = 0.02
_HIGH: Final = 0.9995
# A crowd of jobs that were submitted together is missed together. What its misses add up to is
# kept, even where there is no level that high to read: cut off, they would never be made good.
_KEPT_LOW: Final = -0.5
_KEPT_HIGH: Final = 1.5
_CURVE_LEVELS: Final = np.array((0.0, *TAUS, 1.0))
_LEVELS: Final = np.array(LEVELS)
# A run that ends at its quantile is covered; the tolerance is for the logarithm's rounding.
_ROUNDING: Final = 1.0 + 1e-9


class AdaptiveLevels:
    """The levels at which to read the distribution so that it covers `TAUS`."""

    def __init__(self, levels: Sequence[float] = TAUS) -> None:
        self._levels: Floats = np.array(levels)
        self.curve = self._curve()
        """Where to read the distribution for each of `LEVELS`, in rising order."""

    def state(self) -> tuple[float, float, float]:
        """Return what it knows as plain values."""
        q50, q80, q95 = self._levels.tolist()
        return q50, q80, q95

    def learn(self, run_s: float, quantiles_s: Floats) -> None:
        """Move the levels after an outcome that had been given these quantiles."""
        missed = run_s > quantiles_s * _ROUNDING
        moved = self._levels + _STEP * (missed - (1.0 - _TAUS))
        self._levels = np.minimum(np.maximum(moved, _KEPT_LOW), _KEPT_HIGH)
        self.curve = self._curve()

    def _curve(self) -> Floats:
        read = np.minimum(np.maximum(self._levels, _LOW), _HIGH)
        read = np.maximum.accumulate(read)
        levels: Floats = np.interp(_LEVELS, _CURVE_LEVELS, np.concatenate(([0.0], read, [1.0])))
        return levels
