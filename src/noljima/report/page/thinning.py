"""Fewer points that tell the same: a page of a hundred thousand jobs has to stay small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from noljima.report.curves import Curve
from noljima.report.record import Floats, Integers

SLICES: Final = 600
"""Slices of a time axis; each keeps its mean, lowest and highest level: 1,800 points."""
GRID: Final = 400
"""Points of a distribution's axis."""


@dataclass(frozen=True, slots=True)
class Slices:
    """A step function seen through slices of time."""

    mean: Floats
    low: Integers
    high: Integers


def edges(first_s: float, last_s: float, slices: int = SLICES) -> Floats:
    """Cut a stretch of time into equal slices; an empty one is taken as a second long."""
    return np.linspace(first_s, max(last_s, first_s + 1.0), slices + 1)


def sliced(curve: Curve, edges_s: Floats) -> Slices:
    """Return the time-weighted mean, the lowest and the highest level in each slice."""
    steps_s = np.union1d(curve.time_s, edges_s)
    steps_s = steps_s[(steps_s >= edges_s[0]) & (steps_s <= edges_s[-1])]
    level = curve.at(steps_s)[:-1]
    area = np.concatenate(([0.0], np.cumsum(level * np.diff(steps_s))))
    row = np.searchsorted(steps_s, edges_s)
    return Slices(
        mean=np.diff(area[row]) / np.diff(edges_s),
        low=np.minimum.reduceat(level, row[:-1]),
        high=np.maximum.reduceat(level, row[:-1]),
    )


def log_grid(low: float, high: float, points: int = GRID) -> Floats:
    """Return points from low to high, equally far apart on a logarithmic axis."""
    return np.geomspace(low, max(high, low * 10), points)


def share_up_to(values: Floats, grid: Floats) -> Floats:
    """Return the share of values that are no larger than each point of the grid."""
    if not len(values):
        return np.zeros(len(grid))
    # The grid's ends come out of an exponential: without a hair more the largest value is missed.
    return np.searchsorted(np.sort(values), grid * (1 + 1e-12), side="right") / len(values)


def evenly(count: int, wanted: int) -> Integers:
    """Return at most `wanted` row numbers of `count` rows, evenly spread, both ends included."""
    if count <= wanted:
        return np.arange(count, dtype=np.int64)
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)
