"""Which promise is in force for each waiting job, and what was learned from those that are over.

The draws of the line played forward say when a job would start; how such sayings turn out is
learned here. The high side of what was said becomes the promise, corrected by how often and how far
starts were later in situations like it, at a risk that is steered so that one promise in twenty is
missed. Promises are only ever moved earlier, by a step that is worth telling, and never many more
at a time than have been tried.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple

from noljima.engine.promises.settled import Settled
from noljima.model.resources import JobId
from noljima.prediction.risk import SteeredRisk
from noljima.prediction.tallies import Tallies

MISSES: Final = 0.05
"""The share of promises that are meant to be missed, all moves included."""
_FLOOR_S: Final = 60.0
"""Added to waits before they are compared, so that seconds do not count like hours."""
_SOONEST_S: Final = 10.0
"""No promise is for sooner than this."""
_LOG_LATEST: Final = math.log(366 * 86400.0)
"""And none for later than a year."""
_TOLD_MAX_S: Final = 300 * 86400.0
"""A promise for later than this only says that nobody knows."""
_WORTH: Final = 0.7
_WORTH_S: Final = 60.0
"""A promise moves only if the time left to it shrinks to this share, and by at least so much."""
_MOVED_MIN: Final = 4
_MOVED_SHARE: Final = 0.1
"""So many promises may be moved and open at a time, or this share of those that are over."""
_CARE: Final = 0.25
"""The risk of a job that counts 1/n falls with this power of n: a crowd is missed at once."""
_MOVES_MAX: Final = 8
"""So many moves of one promise are learned from."""
_STALE_MIN: Final = 1024
_FRESH: Final = 16
"""After so many jobs that were learned from, corrections are worked out anew."""
_RISK_STEPS: Final = 8.0
"""So finely, in steps of an e-fold, is risk told apart."""
_MID_PRIOR: Final = (-2.0, -1.0, -0.5, -0.1, 0.0, 0.05, 0.05, 0.1, 0.5, 1.0, 2.0)
_HIGH_PRIOR: Final = (
    *(-4.0, -3.0, -2.5, -2.0, -1.5, -1.2, -1.0, -0.8, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1),
    *(0.0, 0.3, 0.6, 1.0, 1.5, 1.8, 2.0, 2.5, 3.5, 4.0, 5.0, 6.0),
)
"""What is believed of ln(wait / what was said) before anything was seen: far off is common."""


class Forecast(NamedTuple):
    """What the draws say of a waiting job at one moment."""

    mid_s: float
    """Half of the draws have it wait no longer."""
    high_s: float
    """Nineteen in twenty have it wait no longer."""
    place: int
    """Its place in the line, from 0."""


class Reading(NamedTuple):
    """A forecast that a promise rests on, to be compared with the start."""

    at_s: float
    keys: tuple[Hashable, ...]
    log_mid: float
    log_high: float


class Promise:
    """What one waiting job was told. The book alone changes it."""

    __slots__ = (
        "about_s",
        "by_s",
        "first_about_s",
        "first_by_s",
        "job",
        "made_s",
        "missed",
        "moves",
        "readings",
        "weight",
    )

    def __init__(
        self, job: JobId, made_s: float, by_s: float, about_s: float, weight: float
    ) -> None:
        self.job = job
        self.made_s = made_s
        self.by_s = by_s
        self.about_s = about_s
        """When it starts in the middle case, as last worked out; never after `by_s`."""
        self.first_by_s = by_s
        self.first_about_s = about_s
        self.moves = 0
        self.missed = False
        """Whether the promise has passed and the job still waits."""
        self.weight = weight
        """What is learned from it counts this much."""
        self.readings: list[Reading] = []

    @property
    def told_by_s(self) -> float | None:
        """By when it starts, as its owner is told; None where that is nothing to plan by."""
        return self.by_s if self.by_s - self.made_s < _TOLD_MAX_S else None


class PromiseBook:
    """Promises by job; see the module."""

    def __init__(self) -> None:
        self._open: dict[JobId, Promise] = {}
        self._mid = Tallies(_MID_PRIOR, trust=100.0)
        self._high = Tallies(_HIGH_PRIOR, trust=12.0)
        self._risk = SteeredRisk(MISSES)
        # When promises pass: time, a number that tells equal times apart, the promise.
        self._passing: list[tuple[float, int, Promise]] = []
        self._told = 0
        self._over = 0
        self._moved = 0
        self._corrections: dict[Hashable, tuple[float, float]] = {}
        self._learned = 0

    def __len__(self) -> int:
        """Count the open promises."""
        return len(self._open)

    def __iter__(self) -> Iterator[Promise]:
        """Go through the open promises, as they were made."""
        return iter(self._open.values())

    def of(self, job: JobId) -> Promise | None:
        """Return what a waiting job was told; None where nothing was."""
        return self._open.get(job)

    def pass_time(self, now_s: float) -> None:
        """Count the promises that have passed while their jobs waited."""
        while self._passing and self._passing[0][0] < now_s:
            by_s, _, promise = heapq.heappop(self._passing)
            if self._in_force(by_s, promise):
                promise.missed = True
                self._risk.learn(missed=True, weight=promise.weight)

    def tell(
        self,
        job: JobId,
        now_s: float,
        forecast: Forecast,
        weight: float = 1.0,
        latest_s: float = math.inf,
    ) -> None:
        """Make a waiting job its promise, or move it where that is worth telling.

        `weight` is what will be learned from it counts, against a job that came alone. `latest_s`
        is a moment that it starts by whatever the draws say.
        """
        promise = self._open.get(job)
        reading = _read(now_s, forecast)
        mid, high = self._correction(reading.keys, weight)
        wait_s = math.exp(min(reading.log_high + high, _LOG_LATEST)) - _FLOOR_S
        by_s = min(now_s + max(wait_s, _SOONEST_S), latest_s)
        about_s = now_s + max(math.exp(reading.log_mid + mid) - _FLOOR_S, 0.0)
        if promise is None:
            promise = Promise(job, now_s, by_s, min(about_s, by_s), weight)
            self._open[job] = promise
            self._enter(promise, reading)
            return
        if self._worth(promise, now_s, by_s):
            self._moved += promise.moves == 0
            promise.by_s = by_s
            promise.moves += 1
            self._enter(promise, reading)
        promise.about_s = about_s if promise.missed else min(about_s, promise.by_s)

    def started(self, job: JobId, start_s: float) -> Settled | None:
        """Learn when a job has started; return what became of its promise, if it had one."""
        promise = self._open.pop(job, None)
        if promise is None:
            return None
        self._over += 1
        self._moved -= promise.moves > 0
        weight = promise.weight
        if not promise.missed:
            self._risk.learn(missed=False, weight=weight)
        for reading in promise.readings:
            log_wait = math.log(max(start_s - reading.at_s, 0.0) + _FLOOR_S)
            self._mid.add(reading.keys, log_wait - reading.log_mid)
            self._high.add(reading.keys, log_wait - reading.log_high, weight)
            self._learned += 1
        return _settled(promise, start_s)

    def withdraw(self, job: JobId) -> None:
        """Take back the promise of a job that does not wait for GPUs any more."""
        promise = self._open.pop(job, None)
        if promise is not None:
            self._moved -= promise.moves > 0

    def _enter(self, promise: Promise, reading: Reading) -> None:
        if promise.moves <= _MOVES_MAX:
            promise.readings.append(reading)
        self._told += 1
        if len(self._passing) > _STALE_MIN + 4 * len(self._open):
            # Mostly left over from promises that were moved or are over.
            self._passing = [e for e in self._passing if self._in_force(e[0], e[2])]
            heapq.heapify(self._passing)
        heapq.heappush(self._passing, (promise.by_s, self._told, promise))

    def _in_force(self, by_s: float, promise: Promise) -> bool:
        """Say whether a time is what a waiting job relies on; one that was moved has a newer."""
        return self._open.get(promise.job) is promise and by_s == promise.by_s

    def _worth(self, promise: Promise, now_s: float, by_s: float) -> bool:
        """Say whether a promise may move to a time, and it is worth telling."""
        if by_s - now_s > _WORTH * (promise.by_s - now_s) or promise.by_s - by_s < _WORTH_S:
            return False
        return promise.moves > 0 or self._moved < max(_MOVED_MIN, _MOVED_SHARE * self._over)

    def _correction(self, keys: tuple[Hashable, ...], weight: float) -> tuple[float, float]:
        """Return what to add to ln of the middle and of the high wait."""
        if self._learned >= _FRESH:
            self._corrections.clear()
            self._learned = 0
        # In steps, so that few corrections have to be worked out.
        step = round(_RISK_STEPS * math.log(self._risk.risk * weight**_CARE))
        known = self._corrections.get((step, keys))
        if known is None:
            (mid,) = self._mid.quantiles(keys, (0.5,))
            (high,) = self._high.quantiles(keys, (1.0 - math.exp(step / _RISK_STEPS),))
            known = self._corrections[step, keys] = (mid, high)
        return known


def _read(now_s: float, forecast: Forecast) -> Reading:
    """Sort a forecast by what decides how far it is off: its length and the place in the line."""
    log_mid = math.log(forecast.mid_s + _FLOOR_S)
    log_high = math.log(forecast.high_s + _FLOOR_S)
    place = min((forecast.place + 1).bit_length(), 9)
    keys = ((int(log_mid), place), int(log_mid), "all")
    return Reading(now_s, keys, log_mid, log_high)


def _settled(promise: Promise, start_s: float) -> Settled:
    return Settled(
        job=promise.job,
        made_s=promise.made_s,
        about_s=promise.first_about_s,
        first_by_s=promise.first_by_s,
        by_s=promise.by_s,
        start_s=start_s,
        moves=promise.moves,
    )
