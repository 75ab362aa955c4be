"""How a logarithm has turned out in situations like this one: fading histograms under keys.

The keys of a situation go from specific to general. Each keeps the share n / (n + trust) of what is
left, as in `history`, so that what was seen often speaks for itself and what was seen seldom leans
on what is like it. A histogram costs the same however much was seen, and forgets at a fixed rate.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from noljima.prediction.distribution import Floats

_LOW: Final = -8.0
_STEP: Final = 0.1
_BINS: Final = 160
_EDGES: Final = _LOW + _STEP * np.arange(_BINS + 1)


class Tallies:
    """Counts of values in bins, under keys."""

    def __init__(
        self, prior: Sequence[float], *, memory: float = 200.0, trust: float = 10.0
    ) -> None:
        self._prior = np.bincount([_bin(value) for value in prior], minlength=_BINS) / len(prior)
        self._kept = 1.0 - 1.0 / memory
        self._trust = trust
        self._rows: dict[Hashable, Floats] = {}

    def add(self, keys: Sequence[Hashable], value: float, weight: float = 1.0) -> None:
        """Count a value under each of these keys; older ones count a little less from now on."""
        kept = self._kept**weight
        place = _bin(value)
        for key in keys:
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = np.zeros(_BINS)
            row *= kept
            row[place] += weight

    def quantiles(self, keys: Sequence[Hashable], levels: Sequence[float]) -> list[float]:
        """Return what is not exceeded with these probabilities, by all that the keys have seen."""
        mixture, left = np.zeros(_BINS), 1.0
        for key in keys:
            row = self._rows.get(key)
            if row is not None:
                seen = float(row.sum())
                mixture += row * (left / (seen + self._trust))
                left *= self._trust / (seen + self._trust)
        mixture += self._prior * left
        cumulative = np.concatenate(([0.0], np.cumsum(mixture)))
        values: list[float] = np.interp(
            np.asarray(levels) * cumulative[-1], cumulative, _EDGES
        ).tolist()
        return values


def _bin(value: float) -> int:
    return min(max(int((value - _LOW) / _STEP), 0), _BINS - 1)
