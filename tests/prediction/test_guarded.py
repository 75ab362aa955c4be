"""The check at the door: whatever a source says, what comes out is sane, or the user's limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import SECONDS_MAX, InvalidFieldError
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.source import UNLIMITED_S, Guarded
from noljima.prediction.sources import source_of
from noljima.testing.sources import BROKEN, Constant, Raising
from noljima.testing.strategies import ESTIMATES, estimates

ABSURD = sorted(set(BROKEN) - {"zero", "minus zero", "far apart", "fickle", "slow"})


def job(limit_s: float | None = 100.0) -> Job:
    return Job(id=JobId("a"), gang=gang_of(1, Resources()), limit_s=limit_s)


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_source_is_replaced_by_the_limit_and_noted(name: str) -> None:
    guarded = Guarded(BROKEN[name]())

    assert guarded.predict(job(), 5.0) == Estimate.point(100.0)
    assert guarded.predict(job(limit_s=None), 5.0) == Estimate.point(UNLIMITED_S)
    assert guarded.failures == 2
    assert guarded.last_failure


def test_the_failure_says_what_was_raised() -> None:
    guarded = Guarded(Raising())
    guarded.predict(job(), 5.0)

    assert guarded.last_failure == "RuntimeError: no estimate for a (5.0)"


def test_a_source_that_cannot_learn_is_counted() -> None:
    guarded = Guarded(Raising())
    guarded.learn(job(), 7.0)

    assert (guarded.failures, guarded.last_failure) == (1, "ZeroDivisionError: a ran 7.0 s")


def test_quantiles_beyond_the_limit_are_cut_there() -> None:
    guarded = Guarded(Constant(Estimate(50.0, 150.0, 200.0)))

    assert guarded.predict(job(), None) == Estimate(50.0, 100.0, 100.0)
    assert guarded.predict(job(limit_s=None), None) == Estimate(50.0, 150.0, 200.0)
    assert guarded.failures == 0


CURVE = tuple(10.0 * number for number in range(1, len(LEVELS) + 1))


def test_a_curve_that_rises_comes_through() -> None:
    guarded = Guarded(Constant(Estimate(60.0, 90.0, 99.0, CURVE)))

    assert guarded.predict(job(limit_s=None), None).curve_s == CURVE
    assert guarded.failures == 0


@pytest.mark.parametrize("q95_s", [80.0, 99.0, 150.0])
def test_a_curve_is_cut_at_the_limit_whether_or_not_the_quantiles_reach_it(q95_s: float) -> None:
    guarded = Guarded(Constant(Estimate(60.0, 70.0, q95_s, CURVE)))
    estimate = guarded.predict(job(limit_s=100.0), None)

    assert estimate.curve_s == tuple(min(level_s, 100.0) for level_s in CURVE)
    assert estimate.q95_s == min(q95_s, 100.0)


@given(answer=st.one_of(estimates(), st.none(), st.text()), limit_s=st.floats(0.0, 1e6))
def test_what_comes_out_is_finite_rising_and_within_the_limit(
    answer: object, limit_s: float
) -> None:
    estimate = Guarded(Constant(answer)).predict(job(limit_s), None)

    assert 0.0 <= estimate.q50_s <= estimate.q80_s <= estimate.q95_s <= limit_s


@given(answer=estimates())
def test_without_a_limit_it_is_within_what_seconds_can_be(answer: Estimate) -> None:
    estimate = Guarded(Constant(answer)).predict(job(limit_s=None), None)

    assert 0.0 <= estimate.q50_s <= estimate.q80_s <= estimate.q95_s <= SECONDS_MAX
    assert all(isinstance(q, int | float) for q in (estimate.q50_s, estimate.q80_s, estimate.q95_s))


@pytest.mark.parametrize("name", ESTIMATES)
def test_every_named_source_answers_within_the_limit(name: str) -> None:
    guarded = Guarded(source_of(name, seed=1))

    assert guarded.predict(job(limit_s=30.0), 20.0).q95_s <= 30.0
    assert guarded.failures == 0


@pytest.mark.parametrize("name", ["", "noisy", "noisy:", "noisy:loud", "noisy:-1", "oracle"])
def test_a_name_that_is_no_source_is_refused(name: str) -> None:
    with pytest.raises(InvalidFieldError):
        source_of(name)
