"""What became of a promise, once its job has started."""

from __future__ import annotations

import msgspec

from noljima.model.resources import JobId


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """One promise that is over, kept or missed; times are moments in seconds."""

    job: JobId
    made_s: float
    """When the job began to wait and was told."""
    about_s: float
    """The middle case that was told with the first promise."""
    first_by_s: float
    by_s: float
    """The promise that was in force in the end: no later than any before it."""
    start_s: float
    moves: int = 0
    """How often the promise was moved earlier."""

    @property
    def kept(self) -> bool:
        """Whether the job started by the earliest time that it was ever promised."""
        return self.start_s <= self.by_s

    @property
    def first_kept(self) -> bool:
        """Whether it started by the time that it was promised at first."""
        return self.start_s <= self.first_by_s
