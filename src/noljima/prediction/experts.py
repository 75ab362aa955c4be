"""Which expert to believe, for each user: exponential weights on recent pinball loss."""

from __future__ import annotations

from typing import Final

import numpy as np

from noljima.prediction.distribution import Floats

_DISCOUNT: Final = 0.98
_DISCOUNT_ALL: Final = 0.998
_SHARE_OF_ALL: Final = 0.5
"""What everybody's losses count beside the user's own: it decides for users who are new."""
_RATE: Final = 2.0


def pinball(taus: Floats, outcome: float, quantiles: Floats) -> float:
    """Return the pinball loss of quantiles, summed over `taus`.

    Koenker and Bassett, "Regression Quantiles", Econometrica 46(1), 1978. Outcome and quantiles are
    logarithms, so that an hour in a short job counts more than an hour in a long one.
    """
    over = outcome - quantiles
    return float(np.maximum(taus * over, (taus - 1.0) * over).sum())


class ExpertWeights:
    """Discounted losses of each expert, by user and for all."""

    def __init__(self, count: int) -> None:
        self._count = count
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
