"""How simulated jobs step, and how often they tell of it: drawn from a seed, job by job.

A job's run time is given; here it is filled with a start-up, with steps whose times scatter and
with evaluations at even distances. What a job is drawn depends on the seed and its name alone.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from noljima.model.phase import Phase
from noljima.model.resources import JobId

_START_UP_SHARE_MAX: Final = 0.1
_START_UP_S: Final = (5.0, 90.0)
_STEP_S: Final = (0.05, 5.0)
_EVALUATIONS_MAX: Final = 20
_EVALUATION_SHARE_MAX: Final = 0.1
_EARLY_PART_MIN: Final = 0.1
_BLOCKS_MAX: Final = 1000
"""The times of single steps are drawn up to so many, of equal blocks of steps beyond that."""


class Stepping(msgspec.Struct, frozen=True, kw_only=True):
    """How often jobs tell of their progress, and how they step."""

    every_s: float
    noise: float = 0.3
    """Deviation of ln of the time of a single step."""
    early_share: float = 0.05
    """Share of the jobs that end before the steps that they have told of."""
    seed: int = 0


class Steps:
    """The way of one job: how far it is after how much work."""

    __slots__ = ("_done", "_evaluating", "_work_s", "total")

    def __init__(self, stepping: Stepping, job: JobId, run_s: float) -> None:
        digest = hashlib.blake2b(f"{stepping.seed}:{job}".encode(), digest_size=8).digest()
        draw = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
        start_up_s = min(float(draw.uniform(*_START_UP_S)), _START_UP_SHARE_MAX * run_s)
        evaluations = int(draw.integers(0, _EVALUATIONS_MAX + 1))
        share = float(draw.uniform(0.0, _EVALUATION_SHARE_MAX)) if evaluations else 0.0
        evaluating_s = share * (run_s - start_up_s)
        stepping_s = run_s - start_up_s - evaluating_s
        step_s = float(np.exp(draw.uniform(*np.log(_STEP_S))))
        steps = max(round(stepping_s / step_s), 1)
        early = draw.random() < stepping.early_share
        part = float(draw.uniform(_EARLY_PART_MIN, 1.0)) if early else 1.0
        self.total = float(round(steps / part))
        blocks = min(steps, _BLOCKS_MAX)
        # The scatter of a block's steps is less than that of one.
        times = draw.lognormal(0.0, stepping.noise * (blocks / steps) ** 0.5, blocks)
        ends_s = np.cumsum(times) * (stepping_s / times.sum())
        self._weave(start_up_s, ends_s, float(steps), evaluations, evaluating_s)

    def _weave(
        self,
        start_up_s: float,
        ends_s: NDArray[np.float64],
        steps: float,
        evaluations: int,
        evaluating_s: float,
    ) -> None:
        """Put the evaluations between the blocks: knots of work, steps done, and what follows."""
        done = np.linspace(0.0, steps, len(ends_s) + 1)
        work_s = start_up_s + np.concatenate([[0.0], ends_s])
        evaluating = np.zeros(len(done), np.bool_)
        if evaluations:
            # After the blocks at which an even share of the steps is done, the last one included.
            after = np.linspace(0.0, len(ends_s), evaluations + 1)[1:].round().astype(np.int64)
            each_s = evaluating_s / evaluations
            past = np.searchsorted(after, np.arange(len(done)), side="right")
            work_s = np.insert(work_s + past * each_s, after, work_s[after])
            work_s[after + np.arange(evaluations)] += each_s * np.arange(evaluations)
            evaluating = np.insert(evaluating, after, values=True)
            done = np.insert(done, after, done[after])
        self._work_s, self._done, self._evaluating = work_s, done, evaluating

    def at(self, worked_s: float) -> tuple[float, Phase]:
        """Return the steps done after so much work, and what the job then does."""
        knot = int(np.searchsorted(self._work_s, worked_s, side="right")) - 1
        if knot < 0:
            return 0.0, Phase.TRAIN
        if self._evaluating[knot]:
            return float(np.floor(self._done[knot])), Phase.EVALUATE
        done = np.interp(worked_s, self._work_s, self._done)
        return float(np.floor(done)), Phase.TRAIN
