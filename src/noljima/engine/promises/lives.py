"""How long jobs may yet run, as draws: for each job some run times that it might turn out to have.

The core draws no chance. Each job has one run time from each stratum of its distribution, in an
order that depends on its number of arrival alone, so that together the draws of all jobs are so
many futures of the cluster. A draw that a running job has outlived is drawn anew from what is left
of its distribution. Jobs of one user and name share a part of their luck: they tend to be alike,
and a hundred of them at once are one surprise and not a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from noljima.model.estimate import LEVELS, Estimate
from noljima.model.lifecycle import State
from noljima.model.resources import GPU
from noljima.policy.ticket import Ticket
from noljima.prediction.distribution import Floats
from noljima.prediction.tallies import Tallies
from noljima.prediction.templates import template_of

DRAWS: Final = 32

_KNOTS: Final = np.array((0.0, *LEVELS))
_BELOW: Final = 0.7
"""How far, in ln s, the shortest run lies below the lowest quantile that is known."""
_ALIKE: Final = 0.7
"""How much of a job's luck is that of its user's jobs of this name, as a correlation."""
_ORDERS: Final = 1024
_MASK: Final = (1 << 64) - 1
_Z: Final = tuple(NormalDist().inv_cdf(min(max(level, 0.005), 0.995)) for level in LEVELS)
_Z80: Final = NormalDist().inv_cdf(0.80)
_Z95: Final = NormalDist().inv_cdf(0.95)
_RATIOS: Final = (-4.0, -3.0, -2.0, -1.5, -1.0, -0.7, -0.4, -0.2, -0.1, 0.0, 0.3)
"""What is believed of ln(run time / estimate) before any run has ended."""


def mixed(number: int) -> int:
    """Scramble a number into 64 bits.

    The finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014.
    """
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def _orders() -> NDArray[np.int64]:
    """Return orders of the strata, each as good as shuffled."""
    keys = [[mixed(row * DRAWS + draw) for draw in range(DRAWS)] for row in range(_ORDERS)]
    return np.argsort(np.array(keys, np.uint64), axis=1)


_STRATA: Final = (np.arange(DRAWS) + 0.5) / DRAWS
_SHUFFLED: Final = _orders()
_SCORES: Final = np.array([NormalDist().inv_cdf(level) for level in _STRATA])[_SHUFFLED]


class Lives:
    """Draws of run times for every job that waits or runs, as columns."""

    def __init__(self) -> None:
        self._rows: dict[Ticket, int] = {}
        self._free: list[int] = []
        self._estimates: list[Estimate | None] = []
        self._curves: Floats = np.zeros((0, len(_KNOTS)))
        self._levels: Floats = np.zeros((0, DRAWS))
        self._whole_s: Floats = np.zeros((0, DRAWS))
        self._ends_s: Floats = np.zeros((0, DRAWS))
        self._began_s: Floats = np.zeros(0)
        self._gpus: Floats = np.zeros(0)
        self._redrawn = 0
        # For sources that know one number only: how run times compare with it.
        self._ratios = Tallies(_RATIOS)

    def __len__(self) -> int:
        """Count the jobs."""
        return len(self._rows)

    def forget(self, ticket: Ticket) -> None:
        """Drop a job that neither waits nor runs any more."""
        row = self._rows.pop(ticket, None)
        if row is not None:
            self._estimates[row] = None
            self._free.append(row)

    def learn(self, ticket: Ticket, weight: float) -> None:
        """Take note of how long a job has run; of a crowd that is alike, each weighs less."""
        estimate = ticket.estimate
        if _is_point(estimate):
            ratio = math.log(max(ticket.run_s, 1.0)) - math.log(max(estimate.q50_s, 1.0))
            self._ratios.add(_ratio_keys(ticket), ratio, weight)

    def gpus(self, tickets: Sequence[Ticket]) -> Floats:
        """Return how many GPUs each job needs."""
        rows = self._rows_of(tickets)
        return self._gpus[rows]

    def next_s(self, tickets: Sequence[Ticket]) -> Floats:
        """Return how long the next run of each waiting job takes, in each draw."""
        rows = self._rows_of(tickets)
        run_s: Floats = self._whole_s[rows]
        for place, ticket in enumerate(tickets):
            if ticket.saved_s > 0.0:
                left_s = np.maximum(run_s[place] - ticket.saved_s, 1.0)
                run_s[place] = left_s + ticket.job.checkpoint.restart_s
        return run_s

    def left_s(self, tickets: Sequence[Ticket], now_s: float) -> Floats:
        """Return how long each running job yet holds its GPUs, in each draw."""
        rows = self._rows_of(tickets)
        began_s = np.array(
            [ticket.start_s + ticket.restart_s - ticket.saved_s for ticket in tickets]
        )
        fresh = rows[self._began_s[rows] != began_s]
        self._began_s[rows] = began_s
        self._ends_s[fresh] = self._began_s[fresh, None] + self._whole_s[fresh]
        stale = rows[(self._ends_s[rows] <= now_s).any(axis=1)]
        if len(stale):
            self._draw_anew(stale, now_s)
        left_s: Floats = self._ends_s[rows] - now_s
        stopping = [place for place, t in enumerate(tickets) if t.state is State.STOPPING]
        left_s[stopping] = 0.0
        return left_s

    def _draw_anew(self, rows: NDArray[np.int64], now_s: float) -> None:
        """Draw what is left of jobs that have outlived draws, given that they have."""
        self._redrawn += 1
        worked_s = np.maximum(now_s - self._began_s[rows], 1e-3)
        log_s = np.log(worked_s)[:, None]
        curves = self._curves[rows]
        lived = _level_of(curves, log_s)
        orders = np.array([mixed(int(row) + (self._redrawn << 20)) % _ORDERS for row in rows])
        luck = (_SHUFFLED[orders] + 0.5) / DRAWS
        whole_s = np.exp(_read(curves, lived + (1.0 - lived) * luck))
        # What has outlived its distribution has no end in sight: half as long again at the most.
        beyond_s = worked_s[:, None] * (1.0 + 0.5 * luck) + 1.0
        whole_s = np.where(whole_s > worked_s[:, None], whole_s, beyond_s)
        ends_s = self._ends_s[rows]
        anew_s = self._began_s[rows, None] + whole_s
        self._ends_s[rows] = np.where(ends_s <= now_s, anew_s, ends_s)

    def _rows_of(self, tickets: Iterable[Ticket]) -> NDArray[np.int64]:
        known, estimates = self._rows, self._estimates
        found: list[int] = []
        for ticket in tickets:
            row = known.get(ticket)
            if row is None or estimates[row] is not ticket.estimate:
                row = self._enter(ticket, row)
            found.append(row)
        return np.array(found, np.int64)

    def _enter(self, ticket: Ticket, row: int | None) -> int:
        """Draw the run times of a job that is new, or of which something new is believed."""
        if row is None:
            if not self._free:
                self._grow()
            row = self._free.pop()
            self._rows[ticket] = row
            self._levels[row] = _STRATA[_ranks(ticket)]
        self._estimates[row] = ticket.estimate
        self._curves[row] = self._curve(ticket)
        self._whole_s[row] = np.exp(np.interp(self._levels[row], _KNOTS, self._curves[row]))
        self._gpus[row] = ticket.gpu_milli / GPU
        self._began_s[row] = np.nan
        return row

    def _curve(self, ticket: Ticket) -> Floats:
        """Return ln of the run time at each knot, whatever the source knows of it."""
        estimate = ticket.estimate
        low, mid, high = (
            math.log(max(each, 1.0)) for each in (estimate.q50_s, estimate.q80_s, estimate.q95_s)
        )
        curve = np.array(estimate.curve_s)
        if len(curve) == len(LEVELS) and np.isfinite(curve).all():
            log_s = np.log(np.maximum(curve, 1.0))
        elif _is_point(estimate):
            log_s = low + np.array(self._ratios.quantiles(_ratio_keys(ticket), LEVELS))
        else:
            log_s = np.interp(_Z, (-_Z80, 0.0, _Z80, _Z95), (2.0 * low - mid, low, mid, high))
        if ticket.job.limit_s is not None:
            log_s = np.minimum(log_s, math.log(max(ticket.job.limit_s, 1.0)))
        log_s = np.maximum.accumulate(np.clip(log_s, 0.0, 23.0))
        return np.concatenate(([log_s[0] - _BELOW], log_s))

    def _grow(self) -> None:
        old = len(self._estimates)
        more = max(old, 256)
        self._free.extend(range(old + more - 1, old - 1, -1))
        self._estimates += [None] * more
        for name in ("_curves", "_levels", "_whole_s", "_ends_s", "_began_s", "_gpus"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]))]))


def _is_point(estimate: Estimate) -> bool:
    return not estimate.curve_s and estimate.q50_s == estimate.q95_s


def _ratio_keys(ticket: Ticket) -> tuple[object, ...]:
    return (("user", ticket.job.user), "all")


def _ranks(ticket: Ticket) -> NDArray[np.int64]:
    """Return in which stratum of its distribution each draw of a job is: in each of them once."""
    job = ticket.job
    group = crc32(f"{job.user}\0{template_of(job.name)}\0{ticket.gpu_milli}".encode())
    luck = math.sqrt(_ALIKE) * _SCORES[mixed(group) % _ORDERS]
    luck = luck + math.sqrt(1.0 - _ALIKE) * _SCORES[mixed(ticket.number) % _ORDERS]
    ranks = np.empty(DRAWS, np.int64)
    ranks[np.argsort(luck, kind="stable")] = np.arange(DRAWS)
    return ranks


def _level_of(curves: Floats, log_s: Floats) -> Floats:
    """Return, row by row, the probability to run at most so long."""
    above = np.minimum((curves <= log_s).sum(axis=1), len(_KNOTS) - 1)
    below = np.maximum(above - 1, 0)
    rows = np.arange(len(curves))
    low, high = curves[rows, below], curves[rows, above]
    share = np.clip((log_s[:, 0] - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    level = _KNOTS[below] + (_KNOTS[above] - _KNOTS[below]) * share
    return np.where(above > below, level, 0.0)[:, None]


def _read(curves: Floats, levels: Floats) -> Floats:
    """Return, row by row, ln of the run times at these levels."""
    above = np.clip(np.searchsorted(_KNOTS, levels, side="right"), 1, len(_KNOTS) - 1)
    share = (levels - _KNOTS[above - 1]) / (_KNOTS[above] - _KNOTS[above - 1])
    low = np.take_along_axis(curves, above - 1, axis=1)
    high = np.take_along_axis(curves, above, axis=1)
    log_s: Floats = low + (high - low) * share
    return log_s
