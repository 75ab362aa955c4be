"""Which part of a long run its timeline shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from noljima.report import curves
from noljima.report.page import thinning
from noljima.report.record import Floats, Integers, RunRecord

SEGMENTS_MAX: Final = 50_000
"""Segments on a page, over all its runs."""
VIEW_SEGMENTS: Final = 1_200
"""Segments of a run that are in view at first, about: as many as can be told apart."""
_CANDIDATES: Final = 200


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, and whether it is all there is."""

    first_s: float
    last_s: float
    whole: bool

    def rows(self, run: RunRecord) -> Integers:
        """Return the segments that the window shows, in whole or in part."""
        held = run.segments
        return np.flatnonzero((held.start_s <= self.last_s) & (held.end_s >= self.first_s))


def whole(runs: Sequence[RunRecord]) -> Window:
    """Return the stretch from the first submission to the last event of any run."""
    first_s = min((float(run.jobs.submit_s.min()) for run in runs if len(run.jobs)), default=0.0)
    return Window(first_s, max((run.last_s for run in runs), default=0.0), whole=True)


def bounded(runs: Sequence[RunRecord], within: Window, segments_max: int) -> Window:
    """Choose the stretch in which most GPUs were waited for, the same one for all runs.

    It is as long as it may be for no run to have more segments in it than the page can hold.
    """
    most = _longest(runs, within)
    if most is None or len(within.rows(most)) <= segments_max:
        return within
    starts_s = np.sort(most.segments.start_s[within.rows(most)])
    begin = thinning.evenly(len(starts_s) - segments_max + 1, _CANDIDATES)
    from_s, until_s = starts_s[begin], starts_s[begin + segments_max - 1]
    chosen = int(np.argmax(_mean_waiting(most, from_s, until_s)))
    window = Window(float(from_s[chosen]), float(until_s[chosen]), whole=False)
    for run in runs:
        window = _shortened(window, run, segments_max)
    return window


def readable(runs: Sequence[RunRecord], within: Window, segments: int = VIEW_SEGMENTS) -> Window:
    """Choose the stretch in which most GPUs were waited for, short enough to tell bars apart.

    Its length is that in which so many segments begin on average. A bound on their number would
    make nothing of it where a thousand jobs start at one moment.
    """
    most = _longest(runs, within)
    count = len(within.rows(most)) if most else 0
    if most is None or count <= segments:
        return within
    length_s = (within.last_s - within.first_s) * segments / count
    from_s = np.linspace(within.first_s, within.last_s - length_s, _CANDIDATES)
    chosen = float(from_s[np.argmax(_mean_waiting(most, from_s, from_s + length_s))])
    return Window(chosen, chosen + length_s, whole=False)


def _longest(runs: Sequence[RunRecord], within: Window) -> RunRecord | None:
    """Return the run that has most segments in a window."""
    return max(runs, key=lambda run: len(within.rows(run)), default=None)


def _mean_waiting(run: RunRecord, from_s: Floats, until_s: Floats) -> Floats:
    """Return the mean number of GPUs, in thousandths, waited for in each stretch."""
    waiting = curves.waiting_gpu_milli(run)
    area = np.concatenate(([0.0], np.cumsum(waiting.level[:-1] * np.diff(waiting.time_s))))
    inside = np.interp(until_s, waiting.time_s, area) - np.interp(from_s, waiting.time_s, area)
    return inside / np.maximum(until_s - from_s, 1.0)


def _shortened(window: Window, run: RunRecord, segments_max: int) -> Window:
    """End the window earlier where a run has more segments in it than may be shown."""
    rows = window.rows(run)
    if len(rows) <= segments_max:
        return window
    starts_s = np.sort(run.segments.start_s[rows])
    # What already ran when the window began is shown at any rate.
    last_s = max(float(starts_s[segments_max - 1]), window.first_s)
    return Window(window.first_s, last_s, whole=False)
