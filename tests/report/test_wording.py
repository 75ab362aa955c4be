"""Numbers in words."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.report import wording
from noljima.report.catalogue import BY_KEY, Better, Figure, Kind, best, written


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.25, "0.25 s"),
        (59.999, "1 min"),
        (60.0, "1 min"),
        (725.4, "12 min 5 s"),
        (3599.7, "1 h"),
        (6837.0, "1 h 54 min"),
        (86_399.0, "1 d"),
        (262_194.0, "3 d 1 h"),
        (-90.0, "-1 min 30 s"),
        (nan, wording.UNKNOWN),
        (inf, wording.UNKNOWN),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


@given(seconds=st.floats(0, 1e9))
def test_a_duration_never_shows_a_unit_that_is_full(seconds: float) -> None:
    words = wording.duration(seconds).replace(wording.THIN_SPACE, "").split()
    small = dict(zip(words[1::2], map(float, words[::2]), strict=True))

    assert small.get("s", 0) < 60
    assert small.get("min", 0) < 60
    assert small.get("h", 0) < 24


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1.0, "1.00"),
        (92.58, "92.6"),
        (999.96, "1000.0"),
        (1204.4, "1\u202f204"),
        (nan, wording.UNKNOWN),
    ],
)
def test_a_ratio_shows_three_digits_or_all_before_the_point(number: float, words: str) -> None:
    assert wording.ratio(number) == words


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0.642, "64.2 %"), (0.0, "0.0 %"), (0.000123, "0.012 %"), (nan, wording.UNKNOWN)],
)
def test_a_small_share_is_not_rounded_to_nothing(fraction: float, words: str) -> None:
    assert wording.share(fraction) == words


def test_thin_separators_become_commas_where_only_ascii_will_do() -> None:
    assert wording.count(28_481) == "28\u202f481"
    assert wording.ascii_only(wording.count(28_481)) == "28,481"
    assert wording.ascii_only(wording.UNKNOWN) == "-"


def test_each_kind_of_figure_is_written_its_way() -> None:
    assert written(BY_KEY["mean_wait_s"], 6837.0) == "1 h 54 min"
    assert written(BY_KEY["utilisation"], 0.642) == "64.2 %"
    assert written(BY_KEY["idle_gpu_hours_while_waiting"], 12.0) == "12.0 h"
    assert written(BY_KEY["policy"], "fair") == "fair"
    assert written(BY_KEY["order_violations"], None) == wording.UNKNOWN


def test_the_best_is_the_lowest_or_the_highest_and_nobody_where_all_are_alike() -> None:
    low = Figure("k", "K", Kind.COUNT, Better.LOW, "K.")
    high = Figure("k", "K", Kind.COUNT, Better.HIGH, "K.")
    neither = Figure("k", "K", Kind.COUNT, Better.NEITHER, "K.")

    assert best(low, [2, None, 1, 1]) == [False, False, True, True]
    assert best(high, [2, None, 1]) == [True, False, False]
    assert best(low, [3, 3]) == [False, False]
    assert best(neither, [1, 2]) == [False, False]


def test_what_reads_alike_is_equally_good() -> None:
    share = Figure("k", "K", Kind.SHARE, Better.HIGH, "K.")

    assert best(share, [0.82301, 0.82302, 0.5]) == [True, True, False]
    assert best(share, [0.82301, 0.82302]) == [False, False]
