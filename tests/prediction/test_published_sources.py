"""The sources that need no truth: the user's limit, and the last two runs as published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.last_two import LastTwo
from noljima.prediction.source import UNLIMITED_S, Source
from noljima.prediction.user_limit import UserLimit


def job(user: str = "kim", limit_s: float | None = 1000.0) -> Job:
    return Job(id=JobId("a"), gang=gang_of(1, Resources()), user=user, limit_s=limit_s)


def taught(*runs_s: float) -> LastTwo:
    source = LastTwo()
    for run_s in runs_s:
        source.learn(job(), run_s)
    return source


@pytest.mark.parametrize("source", [UserLimit(), LastTwo()])
def test_the_users_limit_is_believed_where_nothing_else_is_known(source: Source) -> None:
    assert source.predict(job(limit_s=90.0), 5.0) == Estimate.point(90.0)
    assert source.predict(job(limit_s=None), 5.0) == Estimate.point(UNLIMITED_S)


def test_one_run_is_not_enough_for_a_mean() -> None:
    assert taught(10.0).predict(job(), None) == Estimate.point(1000.0)


@pytest.mark.parametrize(
    ("runs_s", "mean_s"),
    [((10.0, 20.0), 15.0), ((10.0, 21.0), 15.0), ((500.0, 1.0, 2.0), 1.0), ((0.0, 0.0), 0.0)],
)
def test_the_last_two_runs_have_a_mean_in_whole_seconds(
    runs_s: tuple[float, ...], mean_s: float
) -> None:
    assert taught(*runs_s).predict(job(), None) == Estimate.point(mean_s)


def test_the_mean_never_exceeds_the_limit() -> None:
    assert taught(800.0, 900.0).predict(job(limit_s=60.0), None) == Estimate.point(60.0)


def test_another_users_runs_say_nothing() -> None:
    assert taught(10.0, 10.0).predict(job(user="lee"), None) == Estimate.point(1000.0)


@given(runs_s=st.lists(st.floats(0.0, 1e6), min_size=2))
def test_only_the_last_two_runs_count(runs_s: list[float]) -> None:
    assert taught(*runs_s).predict(job(), None) == taught(*runs_s[-2:]).predict(job(), None)
