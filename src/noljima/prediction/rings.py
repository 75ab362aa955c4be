"""The last run times under each key, as columns: rings of 24 in rows of numpy arrays."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from noljima.prediction.distribution import Floats

SIZE: Final = 24
_RANK_DECAY: Final = 0.93
"""Each newer run counts this much more than the one before it."""


def _rank_weights() -> Floats:
    """Return the weight of each slot by where the ring will write next: the newest has 1."""
    slots = np.arange(SIZE)
    ages = (slots[:, None] - 1 - slots[None, :]) % SIZE
    return np.power(_RANK_DECAY, ages.astype(np.float64))


_RANK_WEIGHTS: Final = _rank_weights()
_SLOTS: Final = np.arange(SIZE)


class Rings:
    """Rows of the last values under each key, with when they were learned.

    Three numbers a value: ln of the run time, ln of the reference it is compared with (the user's
    limit), and the time.
    """

    def __init__(self, rows: int = 1024) -> None:
        self._rows: dict[Hashable, int] = {}
        self.log_s: Floats = np.zeros((rows, SIZE))
        self.log_limit_s: Floats = np.zeros((rows, SIZE))
        self._at_s: Floats = np.zeros((rows, SIZE))
        self._next: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._count: NDArray[np.int64] = np.zeros(rows, np.int64)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._rows)

    def rows_of(self, keys: Sequence[Hashable]) -> NDArray[np.int64]:
        """Return the rows of those keys that have any value, in the order given."""
        known = self._rows
        return np.array([known[key] for key in keys if key in known], np.int64)

    def add(self, key: Hashable, log_s: float, log_limit_s: float, at_s: float) -> None:
        """Remember a value under a key, in place of the oldest where the ring is full."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._rows)
            if row == len(self._next):
                self._grow()
        slot = int(self._next[row])
        self.log_s[row, slot] = log_s
        self.log_limit_s[row, slot] = log_limit_s
        self._at_s[row, slot] = at_s
        self._next[row] = (slot + 1) % SIZE
        self._count[row] = min(int(self._count[row]) + 1, SIZE)

    def weights(self, rows: NDArray[np.int64], at_s: float, half_life_s: float) -> Floats:
        """Return what each value of these rows counts now: less when older, by rank and by time."""
        age = np.exp2((self._at_s[rows] - at_s) / half_life_s)
        filled = self._count[rows][:, None] > _SLOTS
        return _RANK_WEIGHTS[self._next[rows]] * age * filled

    def _grow(self) -> None:
        self.log_s = np.concatenate([self.log_s, np.zeros_like(self.log_s)])
        self.log_limit_s = np.concatenate([self.log_limit_s, np.zeros_like(self.log_limit_s)])
        self._at_s = np.concatenate([self._at_s, np.zeros_like(self._at_s)])
        self._next = np.concatenate([self._next, np.zeros_like(self._next)])
        self._count = np.concatenate([self._count, np.zeros_like(self._count)])
