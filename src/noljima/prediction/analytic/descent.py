"""The most probable values of a model, given a prior and measurements with a few wild ones.

Levenberg and Marquardt's method on Huber's loss. In a hundred lines of numpy, because the core
depends on nothing larger and the problems are small: ten to a hundred values.

Sources: Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM
11(2), 1963; Huber, "Robust estimation of a location parameter", Ann. Math. Stat. 35(1), 1964.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np

from noljima.prediction.analytic.traits import Floats

_ROUNDS_MAX: Final = 40
_DAMPING: Final = 1e-2
_DAMPING_MIN: Final = 1e-7
_DAMPING_STEP: Final = 5.0
_TRIES: Final = 6
_GAIN_MIN: Final = 3e-4


class Problem(Protocol):
    """Errors as a function of a vector."""

    def errors(self, at: Floats) -> Floats:
        """Return the error of each measurement."""
        ...

    def slopes(self, at: Floats, errors: Floats) -> Floats:
        """Return how each error changes with each free value: the first ones of the vector."""
        ...


class _Belief(NamedTuple):
    """Where the free values are thought to be, and how loud the measurements are."""

    mean: Floats
    spread: Floats
    weight: Floats
    noise: float

    def cost(self, at: Floats, errors: Floats) -> float:
        """Return minus the logarithm of the probability, but for a constant."""
        size = np.abs(errors) / self.noise
        loss = np.where(size < 1.0, 0.5 * size**2, size - 0.5)
        away = (at[: len(self.mean)] - self.mean) / self.spread
        return float((self.weight * loss).sum() + 0.5 * (away**2).sum())

    def loudness(self, errors: Floats) -> Floats:
        """Return the weight of each squared error that has Huber's slope there."""
        size = np.maximum(np.abs(errors) / self.noise, 1.0)
        loud: Floats = self.weight / self.noise**2 / size
        return loud


def most_probable(
    problem: Problem, start: Floats, spread: Floats, *, weight: Floats, noise: float
) -> Floats:
    """Return the vector near `start` that explains the errors best.

    The first values are free, as many as `spread` has; they are thought to lie around `start` by
    so much. The others stay as they are.
    """
    belief = _Belief(start[: len(spread)].copy(), spread, weight, noise)
    best, damping = start, _DAMPING
    errors = problem.errors(best)
    cost = belief.cost(best, errors)
    for _ in range(_ROUNDS_MAX):
        downhill, curvature = _local(problem, belief, best, errors)
        for _ in range(_TRIES):
            tried = _moved(best, downhill, curvature, damping)
            tried_errors = problem.errors(tried)
            tried_cost = belief.cost(tried, tried_errors)
            if tried_cost < cost:
                break
            damping *= _DAMPING_STEP
        else:
            return best
        gain = (cost - tried_cost) / cost
        best, errors, cost = tried, tried_errors, tried_cost
        damping = max(damping / _DAMPING_STEP, _DAMPING_MIN)
        if gain < _GAIN_MIN:
            break
    return best


def _local(problem: Problem, belief: _Belief, at: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Return the direction downhill and the curvature there."""
    slopes = problem.slopes(at, errors)
    loudness = belief.loudness(errors)
    precision = 1.0 / belief.spread**2
    pull = (at[: len(belief.mean)] - belief.mean) * precision
    downhill: Floats = -(slopes.T @ (loudness * errors) + pull)
    curvature: Floats = (slopes.T * loudness) @ slopes + np.diag(precision)
    return downhill, curvature


def _moved(at: Floats, downhill: Floats, curvature: Floats, damping: float) -> Floats:
    damped = curvature + damping * np.diag(np.diag(curvature))
    moved = at.copy()
    moved[: len(downhill)] += np.linalg.solve(damped, downhill)
    return moved
