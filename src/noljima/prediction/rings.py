"""The last run times under each key, as columns: rings of 24 in rows of numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.distribution import Floats

Rows = NDArray[np.int64]

Key = tuple[str | int | float | None, ...]

SIZE: Final = 24
_FLOAT: Final = np.dtype("<f8")
_RANK_DECAY: Final = 0.93
"""Each newer run counts this much more than the one before it."""


def _rank_weights() -> Floats:
    """Return the weight of each slot by where the ring will write next: the newest has 1."""
    slots = np.arange(SIZE)
    ages = (slots[:, None] - 1 - slots[None, :]) % SIZE
    return np.power(_RANK_DECAY, ages.astype(np.float64))


_RANK_WEIGHTS: Final = _rank_weights()
_SLOTS: Final = np.arange(SIZE)


class RingsState(msgspec.Struct, frozen=True):
    """What `Rings` know: for each key how many values it was given, and those that are kept."""

    keys: list[Key]
    seen: list[int]
    log_s: bytes
    log_limit_s: bytes
    at_s: bytes

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together, and values that are none."""
        values = sum(min(seen, SIZE) for seen in self.seen)
        columns = [
            np.frombuffer(column, _FLOAT) for column in (self.log_s, self.log_limit_s, self.at_s)
        ]
        if len(set(self.keys)) != len(self.seen) or min(self.seen, default=0) < 0:
            raise InvalidFieldError("rings", len(self.seen), "are not one for each key")
        for column in columns:
            if len(column) != values or not np.isfinite(column).all():
                raise InvalidFieldError("rings", len(column), f"are no {values} numbers")


class Rings:
    """Rows of the last values under each key, with when they were learned.

    Three numbers a value: ln of the run time, ln of the reference it is compared with (the user's
    limit), and the time. A key has its row for good, so that whoever has asked for it may keep it.
    """

    def __init__(self, rows: int = 256) -> None:
        self.keys: dict[Key, int] = {}
        self.log_s: Floats = np.zeros((rows, SIZE))
        self.log_limit_s: Floats = np.zeros((rows, SIZE))
        self.at_s: Floats = np.zeros((rows, SIZE))
        self.seen: Rows = np.zeros(rows, np.int64)
        """How many values a row has ever been given; the next one goes to `seen % SIZE`."""

    def __len__(self) -> int:
        """Count the keys."""
        return len(self.keys)

    def rows_of(self, keys: Iterable[Key]) -> Rows:
        """Return the rows of these keys; a new key gets a row of its own."""
        known = self.keys
        rows = np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
        while len(known) > len(self.seen):
            self._grow()
        return rows

    def add(self, rows: Rows, log_s: float, log_limit_s: float, at_s: float) -> None:
        """Remember a value in all of these rows, in place of the oldest where a ring is full."""
        slots = self.seen[rows] % SIZE
        self.log_s[rows, slots] = log_s
        self.log_limit_s[rows, slots] = log_limit_s
        self.at_s[rows, slots] = at_s
        self.seen[rows] += 1

    def weights(self, rows: Rows, at_s: float, half_life_s: float) -> Floats:
        """Return what each value of these rows counts now: less when older, by rank and by time."""
        # A state from before may be asked in a simulation whose time begins anew.
        age = np.exp2(np.minimum(self.at_s.take(rows, axis=0) - at_s, 0.0) / half_life_s)
        seen = self.seen[rows]
        return _RANK_WEIGHTS[seen % SIZE] * age * (seen[:, None] > _SLOTS)

    def newest(self, count: int) -> Rings:
        """Build rings of the keys that were given a value last, as many as `count`."""
        rows = np.arange(len(self))
        last_s = self.at_s[rows, (self.seen[rows] - 1) % SIZE]
        last_s[self.seen[rows] == 0] = -np.inf
        kept = np.sort(np.argsort(last_s, kind="stable")[-count:])
        names = list(self.keys)
        rings = Rings(max(count, 1))
        rings.rows_of(names[row] for row in kept.tolist())
        rings.log_s[: len(kept)] = self.log_s[kept]
        rings.log_limit_s[: len(kept)] = self.log_limit_s[kept]
        rings.at_s[: len(kept)] = self.at_s[kept]
        rings.seen[: len(kept)] = self.seen[kept]
        return rings

    def state(self) -> RingsState:
        """Return what they know as plain values."""
        seen = self.seen[: len(self)]
        filled = seen[:, None] > _SLOTS
        log_s, log_limit_s, at_s = (
            column[: len(self)][filled].astype(_FLOAT).tobytes()
            for column in (self.log_s, self.log_limit_s, self.at_s)
        )
        return RingsState(list(self.keys), seen.tolist(), log_s, log_limit_s, at_s)

    @classmethod
    def restored(cls, state: RingsState) -> Rings:
        """Build rings that know what others knew."""
        rings = cls(max(len(state.keys), 1))
        rings.rows_of(state.keys)
        rings.seen[: len(rings)] = state.seen
        filled = rings.seen[:, None] > _SLOTS
        rings.log_s[filled] = np.frombuffer(state.log_s, _FLOAT)
        rings.log_limit_s[filled] = np.frombuffer(state.log_limit_s, _FLOAT)
        rings.at_s[filled] = np.frombuffer(state.at_s, _FLOAT)
        return rings

    def _grow(self) -> None:
        self.log_s = np.concatenate([self.log_s, np.zeros_like(self.log_s)])
        self.log_limit_s = np.concatenate([self.log_limit_s, np.zeros_like(self.log_limit_s)])
        self.at_s = np.concatenate([self.at_s, np.zeros_like(self.at_s)])
        self.seen = np.concatenate([self.seen, np.zeros_like(self.seen)])
