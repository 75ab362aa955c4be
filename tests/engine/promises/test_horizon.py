"""Jobs placed into free GPUs to come: as a queue would, within the coarseness of the grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine.promises.horizon import _WIDTHS_S, END_S, Horizon, Rule, flowing
from noljima.prediction.distribution import Floats

DRAWS = 4
COARSE = 1.13
"""Six steps while the time doubles: a start may be told so much too early or too late."""


def each(*seconds: float) -> Floats:
    return np.array([[second] * DRAWS for second in seconds], dtype=np.float64)


def run(seconds: float) -> Floats:
    return np.full(DRAWS, seconds)


def test_what_fits_starts_now_and_the_next_when_somebody_has_ended() -> None:
    horizon = Horizon(2.0, np.array([4.0]), each(3600.0))

    assert horizon.place(2.0, run(100_000.0), Rule.STRICT) == pytest.approx(0.0)
    assert horizon.place(4.0, run(60.0), Rule.STRICT) == pytest.approx(3600.0, rel=COARSE - 1)


def test_in_a_strict_queue_nobody_starts_before_the_one_ahead() -> None:
    horizon = Horizon(2.0, np.array([6.0]), each(3600.0))

    first_s = horizon.place(8.0, run(60.0), Rule.STRICT)

    assert (horizon.place(1.0, run(10.0), Rule.STRICT) >= first_s).all()


def test_a_hole_is_taken_by_who_ends_in_it_or_makes_way_again() -> None:
    def horizon() -> Horizon:
        horizon = Horizon(2.0, np.array([6.0]), each(3600.0))
        horizon.place(8.0, run(600.0), Rule.STRICT)
        return horizon

    assert horizon().place(2.0, run(600.0), Rule.WINDOW) == pytest.approx(0.0)
    assert (horizon().place(2.0, run(7200.0), Rule.WINDOW) >= 3600.0 / COARSE).all()
    assert horizon().place(2.0, run(7200.0), Rule.HOLE) == pytest.approx(0.0)


@pytest.mark.parametrize("run_s", [7.0, 1000.0, 90_000.0])
def test_a_job_takes_as_much_as_it_works_and_no_more(run_s: float) -> None:
    horizon = Horizon(4.0, np.zeros(0), np.zeros((0, DRAWS)))
    before = horizon.free.copy()
    horizon.place(3.0, run(run_s), Rule.STRICT)

    taken = (before - horizon.free) @ _WIDTHS_S
    assert taken == pytest.approx(3.0 * run_s)


def test_each_draw_is_a_future_of_its_own() -> None:
    left_s = np.array([[60.0, 600.0, 6000.0, 60_000.0]])
    horizon = Horizon(0.0, np.array([1.0]), left_s)

    starts_s = horizon.place(1.0, run(10.0), Rule.STRICT)

    assert starts_s == pytest.approx(left_s[0], rel=COARSE - 1, abs=12.0)


def test_what_never_fits_starts_at_the_end_of_all_times() -> None:
    horizon = Horizon(1.0, np.array([1.0]), each(60.0))

    assert horizon.place(3.0, run(10.0), Rule.STRICT) == pytest.approx(END_S)


jobs = st.lists(st.tuples(st.integers(1, 8), st.floats(1.0, 1e5)), max_size=12)


@given(
    free=st.integers(8, 12),
    jobs=jobs,
    ends=st.lists(st.floats(0.0, 1e5), max_size=8),
    rule=st.sampled_from([Rule.STRICT, Rule.WINDOW]),
)
def test_no_future_gives_away_more_gpus_than_there_are(
    free: int, jobs: list[tuple[int, float]], ends: list[float], rule: Rule
) -> None:
    horizon = Horizon(float(free), np.ones(len(ends)), each(*ends).reshape(-1, DRAWS))

    for gpus, run_s in jobs:
        assert (horizon.place(float(gpus), run(run_s), rule) < END_S).all()

    assert horizon.free.min() > -1e-3


@given(free=st.integers(8, 12), jobs=jobs, size=st.integers(1, 8))
def test_a_job_that_makes_way_again_starts_no_later_than_one_that_stays(
    free: int, jobs: list[tuple[int, float]], size: int
) -> None:
    def start_s(rule: Rule) -> Floats:
        horizon = Horizon(float(free), np.zeros(0), np.zeros((0, DRAWS)))
        for gpus, run_s in jobs:
            horizon.place(float(gpus), run(run_s), Rule.WINDOW)
        return horizon.place(float(size), run(1000.0), rule)

    assert (start_s(Rule.HOLE) <= start_s(Rule.WINDOW)).all()


@given(
    work=st.lists(st.floats(0.0, 1e9), min_size=1, max_size=10).map(sorted),
    free=st.integers(1, 8),
)
def test_more_work_ahead_flows_through_no_sooner(work: list[float], free: int) -> None:
    horizon = Horizon(float(free), np.zeros(0), np.zeros((0, DRAWS)))

    ends_s = flowing(each(*work), horizon.flow())

    assert (np.diff(ends_s, axis=0) >= 0.0).all()
    near = [(end, each) for end, each in zip(ends_s[:, 0], work, strict=True) if each / free < 1e7]
    for end_s, ahead in near:
        assert end_s == pytest.approx(ahead / free, rel=0.02, abs=1.0)
