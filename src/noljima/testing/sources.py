"""Estimate sources that fail, each in its own way: none may change what is promised."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job
from noljima.prediction.source import Source
from noljima.runtime.patience import Patient


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


class Hanging:
    """Never answers: asleep, or busy with something that has no end."""

    def __init__(self, *, spinning: bool = False) -> None:
        self._spinning = spinning

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - it does not look
        """Go on for ever."""
        while True:
            if not self._spinning:
                threading.Event().wait()

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""


class _Errand:
    """A call that is over at a moment of a clock that is not real."""

    def __init__(self, desk: SlowDesk, call: Callable[[], Estimate], over_s: float) -> None:
        self._desk = desk
        self._call = call
        self._over_s = over_s

    def wait(self, budget_s: float) -> bool:
        """Let the time pass until it is over, or as long as somebody waits."""
        self._desk.wait_s(min(max(self._over_s - self._desk.now_s, 0.0), budget_s))
        return self._desk.now_s >= self._over_s

    def result(self) -> Estimate:
        """Make the call."""
        return self._call()


class SlowDesk:
    """A desk of which each call takes a given time; the last of them is that of all later ones."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self._seconds = seconds
        self.now_s = 0.0
        self.waited_s = 0.0
        self.asked = 0
        self.closed = False

    def send(self, call: Callable[[], Estimate]) -> _Errand:
        """Begin a call."""
        took_s = self._seconds[min(self.asked, len(self._seconds) - 1)]
        self.asked += 1
        return _Errand(self, call, self.now_s + took_s)

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True

    def wait_s(self, seconds: float) -> None:
        """Let somebody wait."""
        self.waited_s += seconds
        self.now_s += seconds

    def pass_s(self, seconds: float) -> None:
        """Let time pass in which nobody waits."""
        self.now_s += seconds


def _point(value: object) -> Estimate:
    return Estimate(value, value, value)  # type: ignore[arg-type]  # the wrong type is the point


def _curved(*curve_s: object) -> Estimate:
    """Build an estimate whose quantiles are sane, with these levels for a curve."""
    return Estimate(10.0, 20.0, 30.0, curve_s)  # type: ignore[arg-type]  # wrong types too


_CURVE: Final = tuple(float(level) for level in range(1, len(LEVELS) + 1))

BROKEN: Final[Mapping[str, Callable[[], Source]]] = {
    "raises": Raising,
    "fickle": Fickle,
    "hangs": lambda: Patient(Hanging(), SlowDesk([math.inf])),
    "slow": lambda: Patient(Constant(_point(5.0)), SlowDesk([0.0, 60.0, 0.0, math.inf])),
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
