"""What keeps verdicts from doing harm: few automatic ends, and none while the sampler is in doubt.

The hour of these budgets is an hour in which the sampler was at work. Its clock comes from the
sampler's own rounds, so that a clock of the machine that jumps gives nobody a fresh budget.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from noljima.config import HealthSettings
from noljima.model.reasons import duration

HOUR_S: Final = 3600.0


class Guards:
    """The budgets of automatic ends, and the share of suspects."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._clock_s = 0.0
        self._ends: deque[tuple[float, str]] = deque()

    def advance(self, seconds: float) -> None:
        """Let time pass in which the sampler was at work."""
        self._clock_s += seconds
        while self._ends and self._ends[0][0] <= self._clock_s - HOUR_S:
            self._ends.popleft()

    def note(self, user: str, ago_s: float = 0.0) -> None:
        """Remember an automatic end of a job of this user."""
        ends = sorted([*self._ends, (self._clock_s - ago_s, user)])
        self._ends = deque(end for end in ends if end[0] > self._clock_s - HOUR_S)

    def objection(self, user: str, running: int) -> str:
        """Say why no job of this user may be ended now; empty where one may."""
        allowed = max(int(running * self._settings.cluster_end_share), 1)
        if len(self._ends) >= allowed:
            return (
                f"automatic ends are limited to {allowed:,} an hour for {running:,} running jobs,"
                f" and the last {allowed:,} were within {self._since(self._ends[-allowed][0])}"
            )
        theirs = [at_s for at_s, name in self._ends if name == user]
        limit = self._settings.user_ends_per_hour
        if not limit:
            return "automatic ends are switched off"
        if len(theirs) >= limit:
            return (
                f"automatic ends are limited to {limit:,} an hour for each user,"
                f" and the last was {self._since(theirs[-1])} ago"
            )
        return ""

    def doubts(self, suspects: int, running: int) -> bool:
        """Say whether so many are suspect at once that the sampler is to blame."""
        few = suspects < self._settings.doubt_suspects_min
        return not few and suspects >= self._settings.doubt_share * running

    def _since(self, at_s: float) -> str:
        return duration(self._clock_s - at_s)
