"""Histograms that fade: quantiles of what was seen, leaning on what is like it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.tallies import Tallies

LEVELS = (0.05, 0.5, 0.95)
FLAT = tuple(np.linspace(-3.0, 3.0, 61).tolist())


def test_what_was_seen_often_speaks_for_itself() -> None:
    tallies = Tallies(FLAT, memory=2000.0)
    for value in np.random.default_rng(1).normal(1.0, 0.3, 2000).tolist():
        tallies.add(("here",), value)

    found = tallies.quantiles(("here",), LEVELS)

    assert found == pytest.approx([1.0 - 0.493, 1.0, 1.0 + 0.493], abs=0.08)


def test_what_was_never_seen_is_what_was_believed_before() -> None:
    assert Tallies(FLAT).quantiles(("here",), (0.5,)) == pytest.approx([0.0], abs=0.15)


def test_a_special_key_seen_seldom_leans_on_the_general_one() -> None:
    tallies = Tallies(FLAT, trust=10.0)
    for _ in range(200):
        tallies.add(("all",), 2.0)
    tallies.add(("rare", "all"), -2.0)
    for _ in range(100):
        tallies.add(("often",), -2.0)

    (rare,) = tallies.quantiles(("rare", "all"), (0.5,))
    (often,) = tallies.quantiles(("often", "all"), (0.5,))

    assert often < -1.5
    assert rare > -1.5


def test_what_was_seen_long_ago_is_forgotten() -> None:
    tallies = Tallies(FLAT, memory=50.0)
    for value in [-2.0] * 500 + [2.0] * 500:
        tallies.add(("here",), value)

    assert tallies.quantiles(("here",), (0.2,))[0] > 1.5


def test_a_weight_counts_as_a_part_of_a_value() -> None:
    tallies = Tallies((0.0,), trust=1.0)
    for _ in range(30):
        tallies.add(("here",), 1.0, 1.0)
        tallies.add(("here",), -1.0, 0.1)

    assert tallies.quantiles(("here",), (0.3,))[0] > 0.0


@given(
    values=st.lists(st.floats(-1e6, 1e6), max_size=40),
    weights=st.floats(0.01, 1.0),
    levels=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5).map(sorted),
)
def test_quantiles_rise_with_their_level_and_stay_in_bounds(
    values: list[float], weights: float, levels: list[float]
) -> None:
    tallies = Tallies(FLAT)
    for value in values:
        tallies.add(("one", "all"), value, weights)

    found = tallies.quantiles(("one", "all"), levels)

    assert found == sorted(found)
    assert all(-8.0 <= each <= 8.0 for each in found)
