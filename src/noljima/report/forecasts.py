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
from noljima.model.events import Event, Finished, Submitted
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.prediction.source import Guarded

Floats = NDArray[np.float64]

TAUS: Final = (0.5, 0.8, 0.95)
WINDOW_JOBS: Final = 5_000


class Witness:
    """A sink that lets several sources predict the same jobs, and notes what became of them."""

    def __init__(self, sources: Mapping[str, Guarded]) -> None:
        self._sources = sources
        self._jobs: dict[JobId, tuple[int, Job, float]] = {}
        self.quantiles_s: dict[str, list[tuple[float, float, float]]] = {n: [] for n in sources}
        self.run_s: list[float] = []
        self.predicting_s: dict[str, float] = dict.fromkeys(sources, 0.0)

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Let the sources predict who was submitted and learn from who has finished."""
        for source in self._sources.values():
            source.advance(events[-1].at_s)
        for event in events:
            if type(event) is Finished:
                self._finished(event)
        for event in events:
            if type(event) is Submitted:
                self._submitted(event)
        for command in commands:
            if type(command) is Start:
                for source in self._sources.values():
                    source.started(self._jobs[command.job][1])

    def _submitted(self, event: Submitted) -> None:
        assert event.oracle_s is not None, "predictions are judged where the end is known"
        self._jobs[event.job.id] = (len(self.run_s), event.job, event.oracle_s)
        self.run_s.append(event.oracle_s)
        for name, source in self._sources.items():
            began_s = time.perf_counter()
            estimate = source.predict(event.job, None)
            self.predicting_s[name] += time.perf_counter() - began_s
            self.quantiles_s[name].append((estimate.q50_s, estimate.q80_s, estimate.q95_s))

    def _finished(self, event: Finished) -> None:
        _, job, run_s = self._jobs[event.job]
        for source in self._sources.values():
            source.stopped(job)
            source.learn(job, run_s)


def coverage(run_s: Floats, quantiles_s: Floats) -> Floats:
    """Return the share of run times that their quantile covers, one for each of `TAUS`."""
    return np.asarray((run_s[:, None] <= quantiles_s * (1.0 + 1e-9)).mean(axis=0))


def worst_window(run_s: Floats, quantiles_s: Floats, tau: float) -> float:
    """Return how far the coverage of any `WINDOW_JOBS` jobs in a row is from `tau`."""
    covered = (run_s <= quantiles_s * (1.0 + 1e-9)).astype(np.float64)
    width = min(WINDOW_JOBS, len(covered))
    sums = np.cumsum(np.concatenate([[0.0], covered]))
    shares = (sums[width:] - sums[:-width]) / width
    return float(np.abs(shares - tau).max())


def pinball_s(run_s: Floats, predicted_s: Floats, tau: float) -> float:
    """Return the mean pinball loss in seconds (Koenker and Bassett, 1978)."""
    over = run_s - predicted_s
    return float(np.maximum(tau * over, (tau - 1.0) * over).mean())


def mean_abs_log_ratio(run_s: Floats, predicted_s: Floats) -> float:
    """Return the mean of |ln(predicted / run)|; both count at least a second."""
    ratio = np.log(np.maximum(predicted_s, 1.0)) - np.log(np.maximum(run_s, 1.0))
    return float(np.abs(ratio).mean())
