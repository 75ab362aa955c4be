"""Estimate sources that fail, each in its own way: none may change what is promised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from noljima.model.estimate import LEVELS, Estimate
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


def _curved(*curve_s: object) -> Estimate:
    """Build an estimate whose quantiles are sane, with these levels for a curve."""
    return Estimate(10.0, 20.0, 30.0, curve_s)  # type: ignore[arg-type]  # wrong types too


_CURVE: Final = tuple(float(level) for level in range(1, len(LEVELS) + 1))

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
    "short curve": lambda: Constant(_curved(*_CURVE[:-1])),
    "long curve": lambda: Constant(_curved(*_CURVE, 99.0)),
    "falling curve": lambda: Constant(_curved(*reversed(_CURVE))),
    "nan in the curve": lambda: Constant(_curved(*_CURVE[:7], math.nan, *_CURVE[8:])),
    "endless curve": lambda: Constant(_curved(*_CURVE[:-1], math.inf)),
    "curve below zero": lambda: Constant(_curved(-1.0, *_CURVE[1:])),
    "curve beyond centuries": lambda: Constant(_curved(*_CURVE[:-1], 1e30)),
    "text in the curve": lambda: Constant(_curved("1", *_CURVE[1:])),
    "decimals in the curve": lambda: Constant(_curved(Decimal(1), *_CURVE[1:])),
    "a curve that is none": lambda: Constant(Estimate(1.0, 2.0, 3.0, 4.0)),  # type: ignore[arg-type]
    "a curve that is a list": lambda: Constant(Estimate(1.0, 2.0, 3.0, list(_CURVE))),  # type: ignore[arg-type]
}
"""Sources that are dead or absurd, by what is wrong with them."""
