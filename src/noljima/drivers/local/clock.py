"""The time of this machine's events: seconds of the wall clock that never go back."""

from __future__ import annotations

import time
from collections.abc import Callable


def _wall_s() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


class Clock:
    """Follows the wall clock forward at once, and waits for it where it was set back.

    While it is ahead of a wall clock that was set back it goes at half speed, so that durations
    stay durations and the two meet again.
    """

    def __init__(
        self,
        not_before_s: float = 0.0,
        *,
        wall_s: Callable[[], float] = _wall_s,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._steady_s = steady_s
        self.floor_s = not_before_s
        """What came before this clock came no later than that."""
        self._read_s = steady_s()
        self._now_s = max(wall_s(), not_before_s)

    def now_s(self) -> float:
        """Return the time: never less than it was before."""
        steady_s, wall_s = self._steady_s(), self._wall_s()
        passed_s = max(steady_s - self._read_s, 0.0)
        self._read_s = steady_s
        self._now_s = max(wall_s, self._now_s + passed_s / 2)
        return self._now_s
