"""Risk is steered so that as many are missed as are meant to be, whatever forecasts are worth."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.risk import SteeredRisk

TARGET = 0.05


def missed_share(spread: float, *, count: int = 6000) -> float:
    """Steer forecasts that believe in a spread of 1 where the truth has another one."""
    generator = np.random.default_rng(7)
    risk = SteeredRisk(TARGET)
    missed = []
    for truth in generator.normal(0.0, spread, count).tolist():
        missed.append(truth > NormalDist().inv_cdf(1.0 - risk.risk))
        risk.learn(missed=missed[-1])
    return float(np.mean(missed[500:]))


@pytest.mark.parametrize("spread", [0.6, 1.0, 1.5])
def test_as_many_are_missed_as_are_meant_to_be(spread: float) -> None:
    assert missed_share(spread) == pytest.approx(TARGET, abs=0.015)


def test_without_news_it_is_what_is_meant() -> None:
    assert SteeredRisk(TARGET).risk == pytest.approx(TARGET)


def test_a_miss_makes_it_careful_and_a_hit_bold() -> None:
    careful, bold = SteeredRisk(TARGET), SteeredRisk(TARGET)
    careful.learn(missed=True)
    bold.learn(missed=False)

    assert careful.risk < TARGET < bold.risk


def test_one_of_a_crowd_moves_the_slow_part_less() -> None:
    alone, crowd = SteeredRisk(TARGET), SteeredRisk(TARGET)
    alone.learn(missed=True)
    crowd.learn(missed=True, weight=0.1)

    assert alone.risk < crowd.risk < TARGET


@given(outcomes=st.lists(st.booleans(), max_size=400))
def test_it_is_a_risk_after_any_outcomes(outcomes: list[bool]) -> None:
    risk = SteeredRisk(TARGET)
    for missed in outcomes:
        risk.learn(missed=missed)

    assert 0.0001 < risk.risk < 0.5


def test_it_comes_back_from_a_long_bad_stretch() -> None:
    risk = SteeredRisk(TARGET)
    for _ in range(2000):
        risk.learn(missed=True)
    for _ in range(3000):
        risk.learn(missed=False)

    assert risk.risk > TARGET
