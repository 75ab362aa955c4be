"""Thinned curves tell what the full ones tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.report.curves import Curve, overlap
from noljima.report.page import thinning

stretches = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(0, 5)))


def curve_of(told: list[tuple[int, int, int]]) -> Curve:
    starts = np.array([start for start, _, _ in told], dtype=np.float64)
    lengths = np.array([length for _, length, _ in told], dtype=np.float64)
    return overlap(starts, starts + lengths, np.array([w for _, _, w in told], dtype=np.int64))


def level_at(told: list[tuple[int, int, int]], second: int) -> int:
    return sum(w for start, length, w in told if start <= second < start + length)


@given(told=stretches, width=st.integers(1, 7))
def test_a_slice_keeps_mean_lowest_and_highest(
    told: list[tuple[int, int, int]], width: int
) -> None:
    edges_s = np.arange(0, 13 * width, width, dtype=np.float64)
    slices = thinning.sliced(curve_of(told), edges_s)

    for place in range(12):
        levels = [level_at(told, second) for second in range(place * width, (place + 1) * width)]
        assert slices.mean[place] == pytest.approx(sum(levels) / width)
        assert slices.low[place] == min(levels)
        assert slices.high[place] == max(levels)


def test_a_stretch_without_length_still_has_slices() -> None:
    edges_s = thinning.edges(5.0, 5.0, slices=4)

    assert edges_s.tolist() == [5.0, 5.25, 5.5, 5.75, 6.0]


@given(values=st.lists(st.floats(1.0, 1e9), min_size=1, max_size=50))
def test_the_share_reaches_one_at_the_largest_value(values: list[float]) -> None:
    grid = thinning.log_grid(1.0, max(values))
    share = thinning.share_up_to(np.array(values), grid)

    assert share[-1] == 1.0
    assert np.all(np.diff(share) >= 0)


def test_the_share_at_a_point_counts_values_up_to_it() -> None:
    share = thinning.share_up_to(np.array([0.0, 1.0, 50.0, 100.0]), np.array([1.0, 10.0, 100.0]))

    assert share.tolist() == [0.5, 0.5, 1.0]


@given(count=st.integers(0, 500), wanted=st.integers(2, 100))
def test_an_even_choice_keeps_both_ends_and_repeats_nothing(count: int, wanted: int) -> None:
    rows = thinning.evenly(count, wanted).tolist()

    assert len(rows) == min(count, wanted)
    assert rows == sorted(set(rows))
    assert count == 0 or (rows[0] == 0 and rows[-1] == count - 1)
