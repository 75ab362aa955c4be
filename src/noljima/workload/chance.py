"""Streams of chance for the generator that are the same on every machine.

Only the raw uniform draws of PCG64 are used: its bit stream and the seeding of its streams are
fixed by numpy, while `normal` and its like may change with a release. Each purpose has a stream of
its own, so that drawing more for one does not change another.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Chance:
    """The draws of one purpose under one seed."""

    def __init__(self, seed: int, purpose: str) -> None:
        stream = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
        self._draw = np.random.Generator(np.random.PCG64(stream))

    def uniform(self, count: int) -> Floats:
        """Draw numbers in [0, 1)."""
        return self._draw.random(count)

    def between(self, count: int, low: float, high: float) -> Floats:
        """Draw numbers in [low, high)."""
        return low + (high - low) * self.uniform(count)

    def normal(self, count: int) -> Floats:
        """Draw standard normal numbers, after Box and Muller."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(count)))
        return radius * np.cos(2.0 * np.pi * self.uniform(count))

    def pick(self, count: int, weights: Floats) -> Ints:
        """Draw indices of `weights`, each as often as its weight says."""
        edges = np.cumsum(weights)
        found: Ints = np.searchsorted(edges, self.uniform(count) * edges[-1], side="right")
        # A product that rounds up to the last edge would be found behind it.
        return np.minimum(found, len(weights) - 1)
