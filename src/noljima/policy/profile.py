"""Free capacity over time, as running jobs and reservations are expected to leave it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from noljima.model.placements import Placement
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.state import Release


class Profile:
    """Steps in time; what is free in each lasts until the next, and in the last for ever."""

    def __init__(self, now_s: float, space: Space, releases: Sequence[Release]) -> None:
        self._times: list[float] = [now_s]
        self._steps: list[Space] = [space.copy()]
        # Who still runs holds what they have now, even if their end was expected for now.
        soon_s = math.nextafter(now_s, math.inf)
        for expected_s, _, ticket, placement in releases:
            end_s = max(expected_s, soon_s)
            if end_s > self._times[-1]:
                self._times.append(end_s)
                self._steps.append(self._steps[-1].copy())
            self._steps[-1].give_back(ticket.demand, placement)

    def forget_before(self, now_s: float) -> None:
        """Let the time before `now_s` pass."""
        first = bisect_right(self._times, now_s) - 1
        del self._times[:first]
        del self._steps[:first]
        self._times[0] = now_s

    def reserve(self, demand: Demand, duration_s: float) -> tuple[float, Placement] | None:
        """Hold the gang from the earliest time at which it fits for so long; None for never."""
        for first in range(len(self._times)):
            held = self._hold(first, demand, duration_s)
            if held is not None:
                return self._times[first], held
        return None

    def reserve_at(self, demand: Demand, start_s: float, duration_s: float) -> Placement | None:
        """Hold the gang from this very time for so long; None where it does not fit."""
        if start_s < self._times[0]:
            return None
        return self._hold(self._split(start_s), demand, duration_s)

    def release(
        self, demand: Demand, placement: Placement, start_s: float, duration_s: float
    ) -> None:
        """Take back a hold."""
        for index in range(self._split(start_s), self._split(_end(start_s, duration_s))):
            self._steps[index].give_back(demand, placement)

    def at(self, at_s: float) -> Space:
        """Return what is free from this time on, for the caller to change."""
        return self._steps[bisect_right(self._times, at_s) - 1].copy()

    def _hold(self, first: int, demand: Demand, duration_s: float) -> Placement | None:
        end_s = _end(self._times[first], duration_s)
        common = self._steps[first]
        if not common.fits(demand):
            return None
        last = first + 1
        while last < len(self._times) and self._times[last] < end_s:
            common = common.overlap(self._steps[last])
            if not common.fits(demand):
                return None
            last += 1
        if common is self._steps[first]:
            common = common.copy()
        placement = common.take(demand)
        assert not isinstance(placement, Refusal)
        for index in range(first, self._split(end_s)):
            self._steps[index].hold(demand, placement)
        return placement

    def _split(self, at_s: float) -> int:
        """Make a step begin at this time; return its index."""
        index = bisect_right(self._times, at_s) - 1
        if self._times[index] == at_s:
            return index
        self._times.insert(index + 1, at_s)
        self._steps.insert(index + 1, self._steps[index].copy())
        return index + 1


def _end(start_s: float, duration_s: float) -> float:
    """Return when a hold ends: never in the moment in which it begins, or it could not be found."""
    return max(start_s + duration_s, math.nextafter(start_s, math.inf))
