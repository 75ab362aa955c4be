"""Progress against what was believed before: by precision, and with a share for early ends."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import LEVELS, Estimate
from noljima.prediction.progress.belief import Belief, Prior, believed
from noljima.prediction.progress.pace import Remaining
from noljima.prediction.source import sane

HOUR_S = 3600.0
VAGUE = Estimate(HOUR_S, 2 * HOUR_S, 4 * HOUR_S)
LEVEL = st.floats(0.001, 0.999)


def belief(
    before: Estimate = VAGUE,
    worked_s: float = 600.0,
    rest_s: float = 5400.0,
    sigma: float = 0.05,
    *,
    early_share: float = 0.0,
    done_share: float = 0.1,
) -> Belief:
    rest = Remaining(rest_s, sigma)
    return believed(Prior(before), worked_s, rest, early_share=early_share, done_share=done_share)


def test_sure_progress_decides_and_vague_progress_hardly_moves_the_estimate() -> None:
    sure, vague = belief(sigma=0.01), belief(sigma=1.5)

    assert sure.quantile_s(0.5) == pytest.approx(6000.0, rel=0.01)
    assert vague.quantile_s(0.5) < 0.5 * (6000.0 + HOUR_S) + 600.0
    assert vague.quantile_s(0.8) / vague.quantile_s(0.5) > 1.3


def test_two_equal_precisions_meet_in_the_middle_of_the_logarithms() -> None:
    # A history with deviation 0.5 of ln seconds, conditioned on nothing.
    before = Estimate(1000.0, 1000.0 * math.exp(0.5 * 0.8416), 1000.0 * math.exp(0.5 * 1.6449))
    met = belief(before, 0.0, 4000.0, 0.5)

    assert met.quantile_s(0.5) == pytest.approx(2000.0, rel=0.05)
    # Two measurements are worth more than one.
    assert met.quantile_s(0.8413) / met.quantile_s(0.5) == pytest.approx(
        math.exp(0.5 / math.sqrt(2)), rel=0.05
    )


def test_a_history_that_gave_this_run_no_chance_has_no_say() -> None:
    before = Estimate(60.0, 70.0, 80.0)

    assert belief(before, 600.0, 5400.0, 0.2).quantile_s(0.5) == pytest.approx(6000.0, rel=0.01)


def test_a_curve_is_believed_rather_than_three_quantiles() -> None:
    curve_s = tuple(100.0 * 1.5**number for number in range(len(LEVELS)))
    with_curve = belief(Estimate(10.0, 10.0, 10.0, curve_s), 50.0, 400.0, 0.5)
    without = belief(Estimate(10.0, 10.0, 10.0), 50.0, 400.0, 0.5)

    assert with_curve.quantile_s(0.5) > without.quantile_s(0.5)


def test_an_estimate_of_one_number_leaves_room_for_being_wrong() -> None:
    limit = Estimate.point(10 * HOUR_S)

    assert belief(limit, sigma=0.05).quantile_s(0.5) == pytest.approx(6000.0, rel=0.01)


def test_the_nearer_the_end_the_surer_the_total() -> None:
    early, late = belief(worked_s=600.0, rest_s=5400.0), belief(worked_s=5400.0, rest_s=600.0)

    def width(one: Belief) -> float:
        return one.quantile_s(0.95) - one.quantile_s(0.05)

    assert width(late) < width(early) / 5


def test_early_ends_keep_their_share_before_the_steps_end() -> None:
    with_stops = belief(sigma=0.01, early_share=0.3, done_share=0.0)

    assert with_stops.quantile_s(0.25) < 5000.0
    assert with_stops.quantile_s(0.5) == pytest.approx(6000.0, rel=0.02)
    assert with_stops.quantile_s(0.1) >= 600.0
    assert with_stops.quantile_s(0.95) == pytest.approx(6000.0, rel=0.05)


def test_a_user_whose_jobs_mostly_stop_early_is_believed_to_stop_early() -> None:
    stops = belief(Estimate(1200.0, 1500.0, 2000.0), sigma=0.01, early_share=0.9, done_share=0.1)

    assert 600.0 < stops.quantile_s(0.5) < 2500.0
    assert stops.quantile_s(0.95) == pytest.approx(6000.0, rel=0.05)


def test_the_chance_of_an_early_end_goes_as_the_steps_are_done() -> None:
    shares = [0.0, 0.5, 0.9, 0.99]
    quarters_s = [
        belief(worked_s=6000.0 * f, rest_s=6000.0 * (1 - f), early_share=0.3, done_share=f)
        for f in shares
    ]
    lows = [one.quantile_s(0.2) for one in quarters_s]

    assert lows[0] < 4000.0
    assert lows == sorted(lows)


def test_where_history_says_nothing_of_the_time_left_early_ends_are_spread_evenly() -> None:
    spread = belief(Estimate(1.0, 1.0, 1.0, (1.0,) * len(LEVELS)), early_share=0.5, done_share=0.0)
    quantiles = [spread.quantile_s(level) for level in (0.05, 0.25, 0.45)]

    assert quantiles == pytest.approx([1500.0, 3300.0, 5100.0])


@st.composite
def beliefs(draw: st.DrawFn) -> tuple[Belief, float]:
    logs = sorted(draw(st.lists(st.floats(-2.0, 16.0), min_size=3, max_size=3)))
    curve = sorted(draw(st.lists(st.floats(0.0, 1e7), min_size=15, max_size=15)))
    q50_s, q80_s, q95_s = (math.exp(log) for log in logs)
    before = Estimate(q50_s, q80_s, q95_s, tuple(curve) if draw(st.booleans()) else ())
    worked_s = draw(st.floats(0.0, 1e7))
    rest = Remaining(draw(st.floats(1e-3, 1e7)), draw(st.floats(0.01, 1.5)))
    early_share, done_share = draw(st.floats(0.0, 0.99)), draw(st.floats(0.0, 1.0))
    told = believed(Prior(before), worked_s, rest, early_share=early_share, done_share=done_share)
    return told, worked_s


@given(drawn=beliefs(), levels=st.lists(LEVEL, min_size=2))
def test_quantiles_rise_and_are_never_before_now(
    drawn: tuple[Belief, float], levels: list[float]
) -> None:
    told, worked_s = drawn
    quantiles = [told.quantile_s(level) for level in sorted(levels)]

    assert all(worked_s <= one <= next_ < math.inf for one, next_ in itertools.pairwise(quantiles))


@given(drawn=beliefs())
def test_the_estimate_is_sane_and_its_curve_goes_through_its_quantiles(
    drawn: tuple[Belief, float],
) -> None:
    told, worked_s = drawn
    estimate = told.estimate()

    assert sane(estimate)
    assert list(estimate.curve_s) == sorted(estimate.curve_s)
    assert estimate.q50_s >= worked_s
    assert {estimate.q50_s, estimate.q80_s, estimate.q95_s} <= set(estimate.curve_s)


@given(drawn=beliefs(), level=LEVEL)
def test_as_much_of_the_belief_lies_below_a_quantile_as_it_says(
    drawn: tuple[Belief, float], level: float
) -> None:
    told, worked_s = drawn
    at_s = told.quantile_s(level)
    # The distribution function, put together again from its two parts.
    early = sum(weight for early_s, weight in told._early if early_s < at_s)
    early_to = sum(weight for early_s, weight in told._early if early_s <= at_s)
    z = math.log(max(at_s - worked_s, 1e-300) / told._median_s) / told._sigma
    late = (1.0 - sum(weight for _, weight in told._early)) * 0.5 * math.erfc(-z / math.sqrt(2))

    assert early + late - 1e-3 <= level <= early_to + late + 1e-3
