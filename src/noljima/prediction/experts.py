"""Which expert to believe, for each user: exponential weights on recent pinball loss.

Each expert has a distribution of its own. What they said is judged by how the job ended, and in
the mixture each counts exp(-rate x loss), the loss summed over the last outcomes, older ones
counting less (Vovk, "Aggregating Strategies", COLT 1990; Herbster and Warmuth, "Tracking the Best
Expert", Machine Learning 32, 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from noljima.prediction.distribution import Distribution, Floats

_DISCOUNT: Final = 0.95
_DISCOUNT_ALL: Final = 0.99
_SHARE_OF_ALL: Final = 0.5
"""What everybody's losses count beside the user's own: it decides for users who are new."""
_RATE: Final = 0.5

Belief = tuple[Floats, Floats]
"""Points ln(seconds) in any order, and what each of them counts."""


def pinball(taus: Floats, outcome: float, quantiles: Floats) -> Floats:
    """Return the pinball loss of quantiles, summed over `taus`, for each row of quantiles.

    Koenker and Bassett, "Regression Quantiles", Econometrica 46(1), 1978. Outcome and quantiles are
    logarithms, so that an hour in a short job counts more than an hour in a long one.
    """
    over = outcome - quantiles
    return np.asarray(np.maximum(taus * over, (taus - 1.0) * over).sum(axis=-1))


def distributions(beliefs: Sequence[Belief], log_limit_s: float) -> list[Distribution]:
    """Return the experts' distributions over the points of all of them, none beyond the limit."""
    points = np.minimum(np.concatenate([points for points, _ in beliefs]), log_limit_s)
    order = points.argsort(kind="stable")
    sorted_points = points[order]
    found: list[Distribution] = []
    first = 0
    for _, counts in beliefs:
        weights = np.zeros(len(points))
        weights[first : first + len(counts)] = counts
        first += len(counts)
        cumulative = weights[order].cumsum()
        cumulative /= cumulative[-1]
        found.append(Distribution(sorted_points, cumulative))
    return found


def mixture(experts: Sequence[Distribution], shares: Floats) -> Distribution:
    """Join distributions over the same points."""
    cumulative = np.zeros(len(experts[0].log_s))
    for expert, share in zip(experts, shares.tolist(), strict=True):
        cumulative += share * expert.cumulative
    return Distribution(experts[0].log_s, cumulative)


class WeightsState(msgspec.Struct, frozen=True):
    """What `ExpertWeights` knows."""

    everybody: list[float]
    users: dict[str, list[float]]


class ExpertWeights:
    """Discounted losses of each expert, by user and for all."""

    def __init__(self, count: int) -> None:
        self._all: Floats = np.zeros(count)
        self._users: dict[str, Floats] = {}

    def of(self, user: str) -> Floats:
        """Return the weights of the experts for this user; they add up to 1."""
        losses = self._all * _SHARE_OF_ALL
        mine = self._users.get(user)
        if mine is not None:
            losses = losses + mine
        weights: Floats = np.exp(-_RATE * (losses - losses.min()))
        weights /= weights.sum()
        return weights

    def learn(self, user: str, losses: Floats) -> None:
        """Take note of the losses of one outcome."""
        self._all = self._all * _DISCOUNT_ALL + losses
        mine = self._users.get(user)
        self._users[user] = losses if mine is None else mine * _DISCOUNT + losses

    def state(self) -> WeightsState:
        """Return what it knows as plain values."""
        users = {user: losses.tolist() for user, losses in self._users.items()}
        return WeightsState(self._all.tolist(), users)

    def restore(self, state: WeightsState) -> None:
        """Know what another one knew."""
        self._all = np.array(state.everybody)
        self._users = {user: np.array(losses) for user, losses in state.users.items()}
