"""A job's own pauses: the quantile is never too short, and costs the same for ever."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.health import gaps
from noljima.health.gaps import Gaps


def gaps_of(*pauses_s: float) -> Gaps:
    kept = Gaps()
    for pause_s in pauses_s:
        kept.add(pause_s)
    return kept


def test_without_a_pause_there_is_no_quantile() -> None:
    assert (Gaps().q999_s, Gaps().longest_s) == (0.0, 0.0)


def test_of_fewer_than_a_thousand_it_is_the_longest() -> None:
    assert gaps_of(*[1.0] * 500, 300.0).q999_s == 300.0


def test_of_a_thousand_one_may_be_longer() -> None:
    assert gaps_of(*[1.0] * 999, 300.0).q999_s < 1.3


def test_one_in_ten_thousand_does_not_count() -> None:
    kept = gaps_of(*[1.0] * 10_000, 3000.0)

    assert 1.0 <= kept.q999_s <= 1.25
    assert kept.longest_s == 3000.0


def test_one_in_five_hundred_does() -> None:
    assert gaps_of(*[*[1.0] * 499, 200.0] * 10).q999_s == 200.0


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=300))
def test_it_is_at_most_a_quarter_above_the_true_one_and_never_below(pauses_s: list[float]) -> None:
    ordered = sorted(pauses_s)
    true_s = ordered[max(len(ordered) - 1 - int(0.001 * len(ordered)), 0)]
    found_s = gaps_of(*pauses_s).q999_s

    assert true_s - 1e-9 <= found_s <= max(true_s * 1.25 + 1e-9, 0.01)


@given(st.lists(st.floats(0.0, 1e9), max_size=50))
def test_it_never_falls_below_what_was_kept_of_the_longest(pauses_s: list[float]) -> None:
    kept = gaps_of(*pauses_s)

    assert kept.q999_s <= kept.longest_s
    assert kept.longest_s == max(pauses_s, default=0.0)


def test_its_size_does_not_grow() -> None:
    kept = gaps_of(1.0)
    size = sys.getsizeof(kept._bins)
    for number in range(50_000):
        kept.add(float(number % 977))

    assert sys.getsizeof(kept._bins) == size


def test_old_pauses_weigh_less_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_COUNT_MAX", 1000)  # a million takes too long
    kept = gaps_of(*[100.0] * 200, *[1.0] * 10_000)

    assert kept.q999_s <= 1.25
    assert kept.longest_s == 100.0
