"""Estimate sources that fail, each in its own way: none may change what is promised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import Source


class Constant:
    """Gives the same answer for every job, whatever its type."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - it does not look
        """Return the answer, unchecked."""
        return self._answer  # type: ignore[return-value]  # the wrong type is the point

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""


class Raising:
    """Raises, when asked and when taught."""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Raise."""
        raise RuntimeError(f"no estimate for {job.id} ({oracle_s})")

    def learn(self, job: Job, run_s: float) -> None:
        """Raise."""
        raise ZeroDivisionError(f"{job.id} ran {run_s} s")


class Fickle:
    """Gives another answer for each job, sane and absurd ones in turn."""

    def __init__(self) -> None:
        self._asked = 0

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - it does not look
        """Go round the absurdities, by the number of questions asked so far."""
        self._asked += 1
        value = (0.0, 1.0, math.nan, 1e9, -1.0, 5.0, math.inf, 1e-9)[self._asked % 8]
        return Estimate(value, value, value)

    def learn(self, job: Job, run_s: float) -> None:
        """Raise every second time."""
        if self._asked % 2:
            raise ValueError(f"{job.id} {run_s}")


def _point(value: object) -> Estimate:
    return Estimate(value, value, value)  # type: ignore[arg-type]  # the wrong type is the point


BROKEN: Final[Mapping[str, Callable[[], Source]]] = {
    "raises": Raising,
    "fickle": Fickle,
    "nan": lambda: Constant(_point(math.nan)),
    "nan at the end": lambda: Constant(Estimate(1.0, 2.0, math.nan)),
    "minus one": lambda: Constant(_point(-1.0)),
    "1e30": lambda: Constant(_point(1e30)),
    "infinite": lambda: Constant(_point(math.inf)),
    "zero": lambda: Constant(_point(0.0)),
    "minus zero": lambda: Constant(_point(-0.0)),
    "falling": lambda: Constant(Estimate(30.0, 20.0, 10.0)),
    "far apart": lambda: Constant(Estimate(0.0, 1.0, 1e10)),
    "None": lambda: Constant(None),
    "a number": lambda: Constant(60.0),
    "text": lambda: Constant("an hour"),
    "text inside": lambda: Constant(_point("60")),
    "None inside": lambda: Constant(_point(None)),
    "decimals": lambda: Constant(_point(Decimal(60))),
    "complex": lambda: Constant(_point(1j)),
    "endless whole number": lambda: Constant(_point(10**400)),
}
"""Sources that are dead or absurd, by what is wrong with them."""
