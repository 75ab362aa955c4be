"""How long a job may run, as quantiles."""

from __future__ import annotations

import msgspec


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
    levels of `prediction.distribution.LEVELS`."""

    @classmethod
    def point(cls, run_s: float) -> Estimate:
        """Build the estimate of a source that knows one number only."""
        return cls(run_s, run_s, run_s)
