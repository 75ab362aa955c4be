"""Amounts over time: how many GPUs are held, how many jobs wait, at every moment of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noljima.report.record import Floats, Integers, RunRecord


@dataclass(frozen=True, slots=True)
class Curve:
    """A step function: `level[i]` holds from `time_s[i]` up to `time_s[i + 1]`."""

    time_s: Floats
    level: Integers

    def at(self, time_s: Floats) -> Integers:
        """Return the levels at the given times; before the first step nothing is there."""
        if not len(self.time_s):
            return np.zeros(len(time_s), dtype=np.int64)
        row = np.searchsorted(self.time_s, time_s, side="right") - 1
        return np.where(row >= 0, self.level[np.maximum(row, 0)], 0)


def overlap(start_s: Floats, end_s: Floats, weight: Integers) -> Curve:
    """Add up the weights of all stretches [start, end) that cover each moment."""
    times_s = np.concatenate((start_s, end_s))
    changes = np.concatenate((weight, -weight))
    steps_s, row = np.unique(times_s, return_inverse=True)
    # Whole numbers add up exactly; bincount would go through floats.
    change = np.zeros(len(steps_s), dtype=np.int64)
    np.add.at(change, row, changes)
    return Curve(steps_s, np.cumsum(change))


def held_gpu_milli(run: RunRecord) -> Curve:
    """Return the GPUs held by jobs, in thousandths, over time."""
    held = run.segments
    return overlap(held.start_s, held.end_s, run.jobs.gpu_milli[held.job])


def waiting_gpu_milli(run: RunRecord) -> Curve:
    """Return the GPUs that waiting jobs ask for, in thousandths, over time."""
    waits = run.waits
    return overlap(waits.start_s, waits.end_s, run.jobs.gpu_milli[waits.job])


def waiting_jobs(run: RunRecord) -> Curve:
    """Return the number of waiting jobs over time."""
    waits = run.waits
    return overlap(waits.start_s, waits.end_s, np.ones(len(waits), dtype=np.int64))
