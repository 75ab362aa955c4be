"""How good predictions are: each job predicted only from what had finished when it was submitted.

The prequential principle (Dawid, "Statistical Theory: The Prequential Approach", JRSS A 147, 1984):
no job is ever predicted with knowledge of itself or of what came later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from noljima.model.commands import Command, Start
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.events import Cancelled, Event, Evicted, Finished, StartFailed, Submitted
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.prediction.source import Guarded

Floats = NDArray[np.float64]

TAUS: Final = (0.5, 0.8, 0.95)
WINDOW_JOBS: Final = 5_000
_LEVELS: Final[Floats] = np.array(LEVELS)
_TOLD_AT: Final = np.searchsorted(np.array(TAUS[:2]), _LEVELS)
"""Which of the three quantiles stands for each level where a source tells no more than these."""
# A run that ends at its quantile is covered; the tolerance is for the logarithm's rounding.
_ROUNDING: Final = 1.0 + 1e-9


class Told:
    """What one source has said, and how it fared at each of `LEVELS`."""

    def __init__(self) -> None:
        self.quantiles_s: list[tuple[float, float, float]] = []
        self.covered: NDArray[np.int64] = np.zeros(len(LEVELS), np.int64)
        self.loss_s: Floats = np.zeros(len(LEVELS))
        self.predicting_s = 0.0

    def note(self, estimate: Estimate, run_s: float, took_s: float) -> None:
        """Take down an estimate and the time that it took, beside the truth."""
        quantiles_s = (estimate.q50_s, estimate.q80_s, estimate.q95_s)
        self.predicting_s += took_s
        self.quantiles_s.append(quantiles_s)
        curve_s = np.array(estimate.curve_s or [quantiles_s[place] for place in _TOLD_AT])
        self.covered += run_s <= curve_s * _ROUNDING
        over_s = run_s - curve_s
        self.loss_s += np.maximum(_LEVELS * over_s, (_LEVELS - 1.0) * over_s)


class Witness:
    """A sink that lets several sources predict the same jobs, and notes what became of them."""

    def __init__(self, sources: Mapping[str, Guarded]) -> None:
        self._sources = sources
        self._open: dict[JobId, tuple[Job, float]] = {}
        self.told = {name: Told() for name in sources}
        self.run_s: list[float] = []
        self.submit_s: list[float] = []

    def __len__(self) -> int:
        """Count the jobs that were predicted."""
        return len(self.run_s)

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Let the sources predict who was submitted and learn from who has finished."""
        for source in self._sources.values():
            source.advance(events[-1].at_s)
        # What finished in this moment is known to whoever is submitted in it.
        for event in events:
            if isinstance(event, Finished):
                self._finished(event.job)
            elif isinstance(event, StartFailed | Evicted | Cancelled):
                self._stopped(event.job)
        for event in events:
            if isinstance(event, Submitted):
                self._submitted(event)
        for command in commands:
            if isinstance(command, Start):
                job, _ = self._open[command.job]
                for source in self._sources.values():
                    source.started(job)

    def _submitted(self, event: Submitted) -> None:
        assert event.oracle_s is not None, "predictions are judged where the end is known"
        job = event.job
        # What reaches its limit is ended there, and nobody learns how long it would have run.
        run_s = event.oracle_s if job.limit_s is None else min(event.oracle_s, job.limit_s)
        self._open[job.id] = (job, run_s)
        self.submit_s.append(event.at_s)
        self.run_s.append(run_s)
        for name, source in self._sources.items():
            began_s = time.thread_time()
            estimate = source.predict(job, None)
            self.told[name].note(estimate, run_s, time.thread_time() - began_s)

    def _finished(self, id_: JobId) -> None:
        job, run_s = self._open.pop(id_)
        for source in self._sources.values():
            source.stopped(job)
            source.learn(job, run_s)

    def _stopped(self, id_: JobId) -> None:
        job, _ = self._open[id_]
        for source in self._sources.values():
            source.stopped(job)


def coverage(run_s: Floats, quantiles_s: Floats) -> Floats:
    """Return the share of run times that their quantile covers, one for each of `TAUS`."""
    return np.asarray((run_s[:, None] <= quantiles_s * _ROUNDING).mean(axis=0))


def window_coverage(run_s: Floats, quantile_s: Floats) -> Floats:
    """Return the coverage of each `WINDOW_JOBS` jobs in a row; of all where there are fewer."""
    covered = (run_s <= quantile_s * _ROUNDING).astype(np.float64)
    width = min(WINDOW_JOBS, len(covered))
    sums = np.cumsum(np.concatenate([[0.0], covered]))
    return np.asarray((sums[width:] - sums[:-width]) / width)


def worst_window(run_s: Floats, quantile_s: Floats, tau: float) -> float:
    """Return how far the coverage of any `WINDOW_JOBS` jobs in a row is from `tau`."""
    return float(np.abs(window_coverage(run_s, quantile_s) - tau).max())


def pinball_s(run_s: Floats, predicted_s: Floats, tau: float) -> float:
    """Return the mean pinball loss in seconds (Koenker and Bassett, 1978)."""
    over = run_s - predicted_s
    return float(np.maximum(tau * over, (tau - 1.0) * over).mean())


def mean_abs_log_ratio(run_s: Floats, predicted_s: Floats) -> float:
    """Return the mean of |ln(predicted / run)|; both count at least a second."""
    ratio = np.log(np.maximum(predicted_s, 1.0)) - np.log(np.maximum(run_s, 1.0))
    return float(np.abs(ratio).mean())
