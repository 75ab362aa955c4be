"""What jobs usually do, learned from those that have ended: each user's own, and everybody's.

A mean over jobs; a user's is drawn to everybody's as if that were so many more jobs of theirs
(empirical Bayes: Efron and Morris, "Data Analysis Using Stein's Estimator", JASA 70, 1975, with the
weight of the common mean given instead of estimated).
"""

from __future__ import annotations

from typing import Final

_OTHERS: Final = 5.0
"""How many jobs of a user's own everybody's mean is worth."""
_GUESS: Final = 20.0
"""How many jobs' word the guess is worth that stands in before any was seen."""


class Habit:
    """A share that jobs have of something."""

    def __init__(self, guess: float) -> None:
        self._sum = guess * _GUESS
        self._jobs = _GUESS
        self._users: dict[str, list[float]] = {}

    def of(self, user: str) -> float:
        """Return what to expect of this user's next job."""
        own_sum, own_jobs = self._users.get(user, (0.0, 0.0))
        return (own_sum + _OTHERS * self._sum / self._jobs) / (own_jobs + _OTHERS)

    def learn(self, user: str, share: float) -> None:
        """Take note of a job that has ended."""
        self._sum += share
        self._jobs += 1.0
        own = self._users.setdefault(user, [0.0, 0.0])
        own[0] += share
        own[1] += 1.0
