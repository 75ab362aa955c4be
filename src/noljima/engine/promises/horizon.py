"""The free GPUs to come, in each of some possible futures, on a grid of time.

The grid is fine near now and coarse far away, as every forecast is: six steps while the time from
now on doubles. A step holds the mean of what is free in it, so that many short jobs far away add up
as their work does, and near now each job starts by itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from noljima.prediction.distribution import Floats

_PER_OCTAVE: Final = 6
_UNIT_S: Final = 10.0
_STEPS: Final = 20 * _PER_OCTAVE
_EDGES_S: Final = _UNIT_S * (np.exp2(np.arange(_STEPS + 1) / _PER_OCTAVE) - 1.0)
_WIDTHS_S: Final = np.diff(_EDGES_S)
_PLACES: Final = np.arange(_STEPS)
END_S: Final = float(_EDGES_S[-1])
"""How far it reaches: some 121 days."""
# Sums of parts of GPUs are not exact.
_SLACK: Final = 1e-6


class Rule(StrEnum):
    """Which hole a waiting job may take."""

    STRICT = "strict"
    """None: it starts after the one before it in the line."""
    WINDOW = "window"
    """One that lasts as long as it runs."""
    HOLE = "hole"
    """Any: it makes way again."""


class Horizon:
    """Free GPUs in each draw and step; jobs are placed one after the other."""

    __slots__ = ("_draws", "_last_s", "_rows", "free")

    def __init__(self, free: float, gpus: Floats, left_s: Floats) -> None:
        """Begin with what is free now and with what comes free when running jobs end."""
        draws = left_s.shape[1]
        self._draws = draws
        self._rows = np.arange(draws)
        self._last_s: Floats = np.zeros(draws)
        freed = np.zeros((draws, _STEPS + 1))
        freed[:, 0] = free
        if len(gpus):
            step, share = _step_of(left_s)
            flat = step + self._rows * (_STEPS + 1)
            size = freed.size
            weights = np.broadcast_to(gpus[:, None], left_s.shape)
            first = np.bincount(flat.ravel(), (weights * (1.0 - share)).ravel(), size)
            second = np.bincount(flat.ravel() + 1, (weights * share).ravel(), size)
            freed += (first + second).reshape(freed.shape)
        self.free: Floats = np.cumsum(freed, axis=1)[:, :_STEPS]

    def place(self, gpus: float, run_s: Floats, rule: Rule) -> Floats:
        """Let the next job of the line start as soon as the rule allows; return when."""
        fits = self.free >= gpus - _SLACK
        if rule is Rule.STRICT:
            fits &= _EDGES_S[1:] > self._last_s[:, None]
        elif rule is Rule.WINDOW:
            first = int(fits.any(axis=0).argmax())
            later = fits[:, first:]
            until = np.where(later, _STEPS, _PLACES[first:])
            until = np.minimum.accumulate(until[:, ::-1], axis=1)[:, ::-1]
            needed_s = np.minimum(run_s, END_S / 2)
            later &= _EDGES_S[until] - _EDGES_S[first:-1] >= needed_s[:, None]
        step = fits.argmax(axis=1)
        found = fits[self._rows, step]
        step = np.where(found, step, _STEPS - 1)
        starts_s = np.where(found, _EDGES_S[step], END_S)
        if rule is Rule.STRICT:
            self._last_s = starts_s
        self._occupy(gpus, step, starts_s, run_s)
        return starts_s

    def flow(self) -> Floats:
        """Return the work, in GPU-seconds, that has room up to each edge of the grid.

        Parts of GPUs are left out: mostly they are what the grid's coarseness has left over.
        """
        room = np.floor(np.maximum(self.free, 0.0) + _SLACK) * _WIDTHS_S
        return np.concatenate((np.zeros((self._draws, 1)), np.cumsum(room, axis=1)), axis=1)

    def _occupy(
        self, gpus: float, step: NDArray[np.int64], starts_s: Floats, run_s: Floats
    ) -> None:
        last, share = _step_of(starts_s + run_s)
        low, high = int(step.min()), int(last.max()) + 1
        places = _PLACES[low:high]
        taken = (places >= step[:, None]) & (places < last[:, None])
        self.free[:, low:high] -= gpus * taken
        self.free[self._rows, last] -= gpus * share


def flowing(work: Floats, flow: Floats) -> Floats:
    """Return when each amount of work (rows) has flowed through, in each draw (columns)."""
    return np.stack(
        [np.interp(work[:, draw], flow[draw], _EDGES_S) for draw in range(len(flow))], axis=1
    )


def _step_of(seconds: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return in which step times from now lie, and at which share of it."""
    step = (_PER_OCTAVE * np.log2(1.0 + np.maximum(seconds, 0.0) / _UNIT_S)).astype(np.int64)
    step = np.minimum(step, _STEPS - 1)
    share = np.clip((seconds - _EDGES_S[step]) / _WIDTHS_S[step], 0.0, 1.0)
    return step, share
