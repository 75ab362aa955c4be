"""What a job tells of its steps: when the last came, how regular they are, and where they lead.

Any change of the step counter is a sign of life, also backwards. Whether the steps lead anywhere
is another question: a counter that is thrown back again and again, or a loss that is not a number,
is a job that lives and gets nowhere.
"""

from __future__ import annotations

import math
from typing import Final

from noljima.health.facts import Progressed
from noljima.health.gaps import Gaps

_TRAINING: Final = frozenset(("", "train", "training", "step", "steps"))

_Place = tuple[float, float]


class Steps:
    """The steps of one attempt of a job."""

    __slots__ = (
        "_at_s",
        "_best",
        "_beyond",
        "_broken",
        "_last",
        "_loss",
        "_total",
        "advances",
        "clock_s",
        "declared",
        "declared_clock_s",
        "gaps",
        "nan_clock_s",
        "nans",
        "returns",
        "same",
        "same_clock_s",
        "step",
    )

    def __init__(self) -> None:
        self.advances = 0
        self.clock_s = 0.0
        """The job's clock when it last told something new."""
        self.gaps = Gaps()
        self.step = 0.0
        self.declared = ""
        """The phase without steps that it says it is in."""
        self.declared_clock_s = 0.0
        self.nans = 0
        self.nan_clock_s = 0.0
        self.same = 0
        self.same_clock_s = 0.0
        self.returns = 0
        self._at_s = 0.0
        self._broken = True
        self._last: _Place | None = None
        self._best: _Place = (0.0, 0.0)
        self._beyond: _Place = (0.0, 0.0)
        self._total: float | None = None
        self._loss: float | None = None

    def interrupt(self, clock_s: float | None = None) -> None:
        """Do not count the pause that is under way; with a clock, begin it anew there."""
        self._broken = True
        if clock_s is not None:
            self.clock_s = clock_s

    def told(self, fact: Progressed, clock_s: float) -> bool:
        """Take in what the job tells, and say whether it has moved."""
        self._declare(fact, clock_s)
        place = (fact.epoch or 0.0, fact.step)
        before, self._last, total, self._total = self._last, place, self._total, fact.total
        self.step = fact.step
        if before is None:
            self._best = self._beyond = place
            self._mark(fact.at_s, clock_s)
            return True
        if place == before:
            return False
        if not self._broken and fact.at_s > self._at_s:
            self.gaps.add(fact.at_s - self._at_s)
        self._mark(fact.at_s, clock_s)
        self.advances += 1
        self._follow(before, place, total)
        self._weigh(fact.loss, clock_s)
        return True

    def nan_line(self, clock_s: float) -> None:
        """Take in a line of the log that says that the loss is not a number."""
        self._weigh(math.nan, clock_s)

    def _mark(self, at_s: float, clock_s: float) -> None:
        self._at_s, self.clock_s, self._broken = at_s, clock_s, bool(self.declared)

    def _declare(self, fact: Progressed, clock_s: float) -> None:
        phase = fact.phase.strip().lower()
        declared = "" if phase in _TRAINING else phase
        if declared != self.declared:
            self.declared = declared
            self.declared_clock_s = clock_s
            self.interrupt(clock_s)

    def _follow(self, before: _Place, place: _Place, total: float | None) -> None:
        """Tell a counter that is thrown back from one that begins a new epoch."""
        if place > before:
            if place > self._beyond:
                self.returns = 0
            self._best = max(self._best, place)
            return
        over = total is not None and before[1] >= total - 1.0
        if over or (total is None and not place[0]):
            # It was through with the epoch; or nobody can say, for neither epoch nor end are told.
            self._best = self._beyond = place
            self.returns = 0
            return
        self.returns += 1
        lost = self._best[1] - place[1] if place[0] == self._best[0] else 0.0
        # Only who gets as far beyond its best as it was thrown back has left the circle.
        self._beyond = (self._best[0], self._best[1] + max(lost, 0.0))

    def _weigh(self, loss: float | None, clock_s: float) -> None:
        """Count how long the loss has not been a number, or has been the same to the last digit."""
        if loss is None:
            return
        if not math.isfinite(loss):
            if not self.nans:
                self.nan_clock_s = clock_s
            self.nans += 1
            self.same = 0
            self._loss = None
            return
        self.nans = 0
        # A loss of exactly 0 is that of a program that does not tell one.
        if loss != self._loss or not loss:
            self._loss, self.same, self.same_clock_s = loss, 0, clock_s
        self.same += 1
