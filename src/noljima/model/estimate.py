"""How long a job may run, as quantiles."""

from __future__ import annotations

from typing import Final

import msgspec

LEVELS: Final = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.975, 0.99, 1.0)
"""Where a distribution is kept when it has to be small: dense where decisions look."""


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Quantiles of a run time in seconds, from the job's beginning, in rising order.

    Order decisions read `q50_s`, "does it end before the reservation" reads `q80_s`, and
    promises read `q95_s`.
    """

    q50_s: float
    q80_s: float
    q95_s: float
    curve_s: tuple[float, ...] = ()
    """The whole distribution in short, where the source knows it: quantiles in rising order at the
    levels of `LEVELS`."""

    @classmethod
    def point(cls, run_s: float) -> Estimate:
        """Build the estimate of a source that knows one number only."""
        return cls(run_s, run_s, run_s)

    def at(self, tau: float) -> float:
        """Return the first of the three quantiles that a run exceeds with at most 1 - tau."""
        if tau <= 0.5:
            return self.q50_s
        return self.q80_s if tau <= 0.8 else self.q95_s
