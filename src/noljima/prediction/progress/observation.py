"""One look at how far a job is, whoever has told it."""

from __future__ import annotations

import msgspec

from noljima.model.phase import Phase


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job has told of itself.

    With `epoch`, steps are counted within that epoch; without, over the whole job.
    """

    step: float
    total: float | None = None
    epoch: float | None = None
    """The epoch that is going on; the first is 1."""
    epochs: float | None = None
    phase: Phase = Phase.TRAIN
    unit: str = ""
    step_s: float | None = None
    """Seconds for a step, where the job itself has told it."""
    loss: float | None = None
    """As told; the only number here that may be NaN or infinite."""

    def place(self) -> tuple[float, float | None] | None:
        """Return the steps done of the whole job and how many it has; None where unknown.

        None for all where it cannot be said how many steps the epochs before had.
        """
        if self.epoch is None:
            return self.step, self.total
        if self.total is None:
            return (self.step, None) if self.epoch <= 1 else None
        done = (self.epoch - 1.0) * self.total + self.step
        return done, None if self.epochs is None else self.epochs * self.total

    @property
    def fraction(self) -> float | None:
        """The share of the whole job that is done; above 1 where it runs on past its end."""
        place = self.place()
        if place is None or not place[1]:
            return None
        return place[0] / place[1]
