"""Sources that know the truth, bend it, or draw by lot: none depends on the order of arrival."""

from __future__ import annotations

import math
from statistics import fmean, quantiles, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.oracle import (
    AdversarialRunTime,
    NoisyRunTime,
    NoOracleError,
    RandomRunTime,
    TrueRunTime,
    chance,
)
from noljima.prediction.source import UNLIMITED_S, Source

MANY = 2000


def job(name: str = "a") -> Job:
    return Job(id=JobId(name), gang=gang_of(1, Resources()))


def answers(source: Source, run_s: float = 100.0) -> list[Estimate]:
    return [source.predict(job(f"j{number}"), run_s) for number in range(MANY)]


def test_the_truth_is_the_truth() -> None:
    assert TrueRunTime().predict(job(), 12.5) == Estimate.point(12.5)


@pytest.mark.parametrize("source", [TrueRunTime(), NoisyRunTime(1.0), AdversarialRunTime()])
def test_nobody_is_clairvoyant_without_a_trace(source: Source) -> None:
    with pytest.raises(NoOracleError, match="job a: its run time is not known"):
        source.predict(job(), None)


@given(one_s=st.floats(1.0, 1e6), other_s=st.floats(1.0, 1e6))
def test_the_adversary_turns_the_order_round(one_s: float, other_s: float) -> None:
    source = AdversarialRunTime()
    one, other = source.predict(job(), one_s), source.predict(job(), other_s)

    assert (one_s < other_s) <= (one.q50_s >= other.q50_s)


def test_noise_has_the_spread_that_was_asked_for() -> None:
    logs = [math.log(estimate.q50_s / 100.0) for estimate in answers(NoisyRunTime(0.5))]

    assert abs(fmean(logs)) < 0.05
    assert abs(stdev(logs) - 0.5) < 0.05


def test_quantiles_of_noise_cover_the_truth_as_often_as_they_say() -> None:
    drawn = answers(NoisyRunTime(0.7))
    covered = {
        share: fmean(getattr(estimate, name) >= 100.0 for estimate in drawn)
        for name, share in (("q50_s", 0.5), ("q80_s", 0.8), ("q95_s", 0.95))
    }

    assert all(abs(share - actual) < 0.04 for share, actual in covered.items()), covered


@given(sigma=st.floats(0.0, 10.0), run_s=st.floats(0.0, 1e9), name=st.text(min_size=1, max_size=9))
def test_noise_stays_in_rising_order_and_within_reason(
    sigma: float, run_s: float, name: str
) -> None:
    noisy = NoisyRunTime(sigma)
    estimate = noisy.predict(job("x" + str(hash(name) % 99)), run_s)

    assert 0.0 <= estimate.q50_s <= estimate.q80_s <= estimate.q95_s <= UNLIMITED_S


@pytest.mark.parametrize("sigma", [-0.1, 10.1, math.nan, math.inf])
def test_noise_beyond_reason_is_refused(sigma: float) -> None:
    with pytest.raises(InvalidFieldError, match="is outside 0 to 10"):
        NoisyRunTime(sigma)


def test_random_estimates_span_seconds_to_days_evenly_on_a_log_scale() -> None:
    logs = [math.log10(estimate.q50_s) for estimate in answers(RandomRunTime(seed=3))]
    quarters = quantiles(logs, n=4)

    assert all(abs(quarter - 1.5 * (i + 1)) < 0.2 for i, quarter in enumerate(quarters)), quarters
    assert min(logs) >= 0.0
    assert max(logs) <= 6.0


@pytest.mark.parametrize(
    "source", [RandomRunTime(5), NoisyRunTime(1.0, 5), AdversarialRunTime(), TrueRunTime()]
)
def test_an_answer_depends_on_the_job_and_not_on_the_order_of_asking(source: Source) -> None:
    names = [f"j{number}" for number in range(50)]
    forwards = {name: source.predict(job(name), 7.0) for name in names}
    backwards = {name: source.predict(job(name), 7.0) for name in reversed(names)}

    assert forwards == backwards


@given(seed=st.integers(0, 2**64), name=st.text(st.characters(categories=["L"]), min_size=1))
def test_chance_is_strictly_between_nothing_and_one(seed: int, name: str) -> None:
    assert 0.0 < chance(seed, job(name)) < 1.0


def test_seeds_differ() -> None:
    assert len({chance(seed, job()) for seed in range(100)}) == 100
