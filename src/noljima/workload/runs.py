"""How long each generated job runs and how it ends.

A job that succeeds runs like its project does. One that fails mostly crashes in the first minutes
(a wrong path, no memory), so run times have two humps; the others fail, or are cancelled, somewhere
on the way. A limit ends whatever is longer.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

import msgspec
import numpy as np

from noljima.model.events import Outcome
from noljima.workload.chance import Chance, Floats, Ints
from noljima.workload.population import Population

MINUTE_S: Final = 60.0
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
# The values that people ask for. In real logs a dozen round ones are nearly all requests.
ROUND_S: Final[Floats] = np.array(
    [5 * MINUTE_S, 10 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S]
    + [hours * HOUR_S for hours in (1, 2, 4, 8, 12)]
    + [days * DAY_S for days in (1, 2, 3, 5, 7, 14, 30)]
)
_CRASH_SHARE: Final = 0.7
_CRASH_MEDIAN_S: Final = 75.0
_CRASH_SPREAD: Final = 0.8
_CRASH_S_MIN: Final = 5.0
# Users know their longer runs: a limit starts from what three of four runs of the project need.
_NEEDED_DEVIATIONS: Final = 0.7


class _Fate(IntEnum):
    SUCCESS = 0
    CRASH = 1
    LATE_FAILURE = 2
    CANCELLED = 3


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What chance has decided for each job, before the times are scaled to a load."""

    median_s: Floats
    full_s: Floats
    """The time a success would take."""
    crash_s: Floats
    fraction: Floats
    """Of the full time, where a late failure or a cancellation comes."""
    fate: Ints
    spread: Floats
    headroom: Floats
    run_s_max: float

    @classmethod
    def draw(
        cls,
        chance: Chance,
        population: Population,
        project: Ints,
        *,
        cancelled_share: float,
        run_s_max: float,
    ) -> Self:
        """Draw how the jobs of these projects go."""
        count = len(project)
        median_s, spread = population.median_s[project], population.spread[project]
        crash = np.exp(_CRASH_SPREAD * chance.normal(count))
        return cls(
            median_s=median_s,
            full_s=median_s * np.exp(spread * chance.normal(count)),
            crash_s=_CRASH_S_MIN + _CRASH_MEDIAN_S * crash,
            fraction=chance.uniform(count),
            fate=_fates(chance, population.failing[project], cancelled_share),
            spread=spread,
            headroom=population.headroom[project],
            run_s_max=run_s_max,
        )

    def run_s(self, scale: float) -> Floats:
        """Say the run times, in whole seconds; crashes do not take longer in longer projects."""
        return np.maximum(np.rint(np.minimum(self._wanted_s(scale), self._ceiling_s(scale))), 1.0)

    def limit_s(self, scale: float) -> Floats:
        """Say the limits that the users ask for: round values, infinite where none was given."""
        needed = self.median_s * scale * np.exp(_NEEDED_DEVIATIONS * self.spread) * self.headroom
        place = np.searchsorted(ROUND_S, np.maximum(needed, ROUND_S[0]))
        values = np.append(ROUND_S, np.inf)[place]
        return np.where(self.headroom > 0, values, np.inf)

    def outcomes(self, scale: float) -> list[Outcome]:
        """Say how each job ended."""
        by_fate = np.array(
            [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.FAILED, Outcome.CANCELLED, Outcome.LIMIT],
            dtype=object,
        )
        wanted_s, limit_s = self._wanted_s(scale), self.limit_s(scale)
        cut = (wanted_s > limit_s) & (limit_s <= self.run_s_max)
        return list(by_fate[np.where(cut, len(_Fate), self.fate)])

    def _wanted_s(self, scale: float) -> Floats:
        full_s = self.full_s * scale
        partial_s = np.where(self.fate == _Fate.SUCCESS, full_s, full_s * self.fraction)
        return np.where(self.fate == _Fate.CRASH, np.minimum(self.crash_s, full_s), partial_s)

    def _ceiling_s(self, scale: float) -> Floats:
        return np.minimum(self.limit_s(scale), self.run_s_max)


def _fates(chance: Chance, failing: Floats, cancelled_share: float) -> Ints:
    one, two = chance.uniform(len(failing)), chance.uniform(len(failing))
    failed = np.where(two < _CRASH_SHARE, _Fate.CRASH, _Fate.LATE_FAILURE)
    cancelled = one >= 1.0 - cancelled_share
    fates = np.where(cancelled, _Fate.CANCELLED, _Fate.SUCCESS)
    return np.where(one < failing, failed, fates).astype(np.int64)
