"""A `Learner` of gradient-boosted trees, trained in a process of its own.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017, with the
pinball loss at three levels. Training is asked for after every few thousand runs, takes seconds and
holds the rest up so long: what it gives depends on the runs alone, never on how fast a machine is.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from noljima.model.bounds import InvalidFieldError

TAUS: Final = (0.5, 0.8, 0.95)
ROWS_MAX: Final = 30_000
_TREES: Final = 150
_SECONDS_MAX: Final = 600.0
_SETTINGS: Final = {
    "objective": "quantile",
    "num_leaves": 31,
    "learning_rate": 0.06,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}


class Rows(msgspec.Struct, frozen=True):
    """What a model is trained on."""

    features: list[list[float]]
    log_s: list[float]
    seed: int


class Boosted:
    """Trees that are grown anew after every `every` runs."""

    def __init__(self, seed: int = 0, every: int = 3_000) -> None:
        if importlib.util.find_spec("lightgbm") is None:
            limit = "needs LightGBM: pip install 'noljima[learned]'"
            raise InvalidFieldError("estimates", "learned", limit)
        self._seed = seed
        self._every = every
        self._features: deque[list[float]] = deque(maxlen=ROWS_MAX)
        self._log_s: deque[float] = deque(maxlen=ROWS_MAX)
        self._new = 0
        self._models: list[Any] = []

    def log_quantiles(self, features: Sequence[float]) -> tuple[float, float, float] | None:
        """Return ln of q50, q80 and q95; None before the first training."""
        if not self._models:
            return None
        row = np.array([features])
        q50, q80, q95 = (float(model.predict(row, num_threads=1)[0]) for model in self._models)
        return q50, q80, q95

    def learn(self, features: Sequence[float], log_s: float) -> None:
        """Keep a run, and train where there are enough new ones."""
        self._features.append(list(features))
        self._log_s.append(log_s)
        self._new += 1
        if self._new >= self._every:
            self._new = 0
            self._train()

    def _train(self) -> None:
        rows = Rows(list(self._features), list(self._log_s), self._seed)
        done = subprocess.run(
            [sys.executable, "-m", "noljima.telemetry.boosting"],
            input=msgspec.msgpack.encode(rows),
            capture_output=True,
            timeout=_SECONDS_MAX,
            check=True,
        )
        library = importlib.import_module("lightgbm")
        models = msgspec.msgpack.decode(done.stdout, type=list[str])
        self._models = [library.Booster(model_str=text) for text in models]


def trained(rows: Rows) -> list[str]:
    """Grow trees for each of `TAUS`; return the models as text."""
    library = importlib.import_module("lightgbm")
    columns, targets = np.array(rows.features), np.array(rows.log_s)
    return [
        library.train(
            {**_SETTINGS, "alpha": tau, "seed": rows.seed + 1},
            library.Dataset(columns, targets),
            num_boost_round=_TREES,
        ).model_to_string()
        for tau in TAUS
    ]


def main() -> None:
    """Train what comes in, and give out the models."""
    rows = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Rows)
    sys.stdout.buffer.write(msgspec.msgpack.encode(trained(rows)))


if __name__ == "__main__":
    main()
