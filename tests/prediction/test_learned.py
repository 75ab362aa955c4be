"""A trained model among the experts: what it is told, and what is believed of what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction import learned
from noljima.prediction.history import History
from noljima.prediction.learned import Targets


class Scribe:
    """A learner that notes what it is told, and says what the test has chosen."""

    def __init__(self, says_s: tuple[float, float, float] | None) -> None:
        self.says = None if says_s is None else tuple(map(math.log, says_s))
        self.asked: list[list[float]] = []
        self.learned: list[tuple[list[float], float]] = []

    def log_quantiles(self, features: Sequence[float]) -> tuple[float, float, float] | None:
        self.asked.append(list(features))
        return self.says  # type: ignore[return-value]  # three of them, or None

    def learn(self, features: Sequence[float], log_s: float) -> None:
        self.learned.append((list(features), log_s))


def job(number: int, user: str = "kim") -> Job:
    gang = gang_of(1, Resources(gpu_milli=GPU))
    return Job(id=JobId(f"j{number}"), user=user, gang=gang, limit_s=86400.0)


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


def test_a_job_is_described_by_what_had_ended_before_it_and_never_by_itself() -> None:
    scribe = Scribe(None)
    history = History(learner=scribe)
    history.predict(job(1), None)
    history.predict(job(2), None)
    history.learn(job(1), 100.0)
    history.predict(job(3), None)
    history.learn(job(2), 200.0)

    assert same(scribe.asked[0], scribe.asked[1])
    assert not same(scribe.asked[1], scribe.asked[2])
    # It learns from what was known at submission, not at the end.
    assert same(scribe.learned[1][0], scribe.asked[1])
    assert scribe.learned[1][1] == pytest.approx(math.log(200.0))


def test_statistics_are_of_the_users_own_runs_first() -> None:
    targets = Targets()
    for number in range(30):
        targets.learn(job(number, "kim"), 5.0, 10.0 * number)
        targets.learn(job(number, "lee"), 9.0, 10.0 * number)
    kim = targets.features(job(99, "kim"), math.log(86400.0), 300.0)
    new = targets.features(job(99, "new"), math.log(86400.0), 300.0)

    assert kim[4:7] == pytest.approx([5.0, 5.0, 5.0])
    assert all(map(math.isnan, new[4:7]))
    assert len(kim) == len(new)


def test_a_model_that_is_right_is_believed() -> None:
    history = History(learner=Scribe((500.0, 510.0, 520.0)))
    for number in range(200):
        one = job(number)
        # What came before tells nothing: only the model knows.
        run_s = 500.0 if number % 2 else 505.0
        history.predict(one, None)
        history.learn(one, run_s)
        history.learn(job(10_000 + number), 10.0 + 400.0 * (number % 97))
    found = history.predict(job(999), None)

    assert 450.0 < found.q50_s < 550.0


def test_before_the_first_training_it_says_nothing() -> None:
    points, weights = learned.belief(None, math.log(1000.0))

    assert np.exp(points).max() == pytest.approx(1000.0)
    assert weights.sum() == pytest.approx(1.0)


def test_quantiles_that_cross_are_put_in_order() -> None:
    points, weights = learned.belief((5.0, 3.0, 4.0), 20.0)

    assert points.tolist() == sorted(points.tolist())
    assert weights.sum() == pytest.approx(1.0)


def test_a_history_with_a_model_is_not_saved() -> None:
    with pytest.raises(InvalidFieldError, match="a trained model, which is not saved"):
        History(learner=Scribe(None)).save()
