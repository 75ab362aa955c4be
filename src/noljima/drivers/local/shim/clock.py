"""The two clocks of a shim: the one that people read, and the one that only ever goes forward."""

from __future__ import annotations

import time


def wall_s() -> float:
    """Return the seconds since 1970, by a clock that can be set."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def steady_s() -> float:
    """Return the seconds since some beginning, by a clock that nobody sets."""
    return time.monotonic()
