"""Adaptive conformal calibration: quantiles that cover what they say, whatever drifts.

Gibbs and Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021, applied to
the level at which the predictive distribution is read: after each outcome the level moves up a
little if it was missed and down if it was not, in such a ratio that in the long run exactly 1 - tau
of the outcomes are missed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from noljima.prediction.distribution import Floats

TAUS: Final = (0.5, 0.8, 0.95)
_STEP: Final = 0.004
_LOW: Final = 0.02
_HIGH: Final = 0.9995


class AdaptiveLevels:
    """The levels at which to read the distribution so that it covers `TAUS`."""

    def __init__(self) -> None:
        self.levels: Floats = np.array(TAUS)
        self._taus: Floats = np.array(TAUS)

    def learn(self, run_s: float, quantiles_s: Floats) -> None:
        """Move the levels after an outcome that had been given these quantiles."""
        # A run that ends at its quantile is covered; the tolerance is for the logarithm's rounding.
        missed = run_s > quantiles_s * (1.0 + 1e-9)
        moved = self.levels + _STEP * (missed - (1.0 - self._taus))
        self.levels = np.clip(moved, _LOW, _HIGH)
