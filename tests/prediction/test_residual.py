"""What is believed of a job that has outlived its estimate, from its own distribution."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.correction import corrected_s
from noljima.prediction.residual import STEP_MIN, STEP_S_MIN, residual_s
from noljima.prediction.source import Guarded
from noljima.testing.sources import Constant

# Log-uniform from a second to e^10 s: shares and ln(seconds) are proportional.
EVEN = tuple(math.exp(10.0 * level) for level in LEVELS)
HOUR_S = 3600.0
# Two of three end in a minute, the others run for some hours.
EARLY_EXITS = tuple(40.0 + level if level < 0.65 else (3 + level) * HOUR_S for level in LEVELS)

curves = st.lists(st.floats(0.0, 1e7), min_size=len(LEVELS), max_size=len(LEVELS)).map(
    lambda values: tuple(sorted(values))
)


def job(limit_s: float | None = 1e6) -> Job:
    return Job(id=JobId("a"), gang=gang_of(1, Resources()), limit_s=limit_s)


@pytest.mark.parametrize("passed", [0.3, 0.5, 0.77, 0.9])
@pytest.mark.parametrize("tau", [0.5, 0.8, 0.95])
def test_the_quantile_is_that_of_the_runs_that_are_still_possible(
    passed: float, tau: float
) -> None:
    believed_s = residual_s(EVEN, tau, 1e6, math.exp(10.0 * passed))

    assert believed_s == pytest.approx(math.exp(10.0 * (passed + tau * (1.0 - passed))), rel=1e-6)


def test_what_was_no_early_exit_is_believed_to_take_hours() -> None:
    assert residual_s(EARLY_EXITS, 0.5, 1e6, 300.0) > 3 * HOUR_S


def test_a_belief_never_goes_beyond_the_limit_that_holds() -> None:
    assert residual_s(EVEN, 0.95, 5000.0, 4999.0) == 5000.0


def test_past_a_limit_that_is_not_enforced_twice_the_time_so_far_is_believed() -> None:
    assert residual_s(EVEN, 0.8, 500.0, 500.0) == 1000.0
    assert residual_s(EVEN, 0.8, 0.0, 0.0) == STEP_S_MIN


@given(
    curve_s=curves,
    tau=st.sampled_from([0.5, 0.8, 0.95]),
    limit_s=st.floats(0.0, 1e7),
    ran_s=st.floats(0.0, 1e8),
)
def test_a_running_job_is_always_believed_to_end_later_than_now(
    curve_s: tuple[float, ...], tau: float, limit_s: float, ran_s: float
) -> None:
    believed_s = residual_s(curve_s, tau, limit_s, ran_s)

    assert believed_s > ran_s
    assert math.isfinite(believed_s)
    assert believed_s <= limit_s or ran_s >= limit_s


@given(curve_s=curves, tau=st.sampled_from([0.5, 0.8]), limit_s=st.floats(1.0, 1e7))
def test_the_number_of_corrections_is_bounded(
    curve_s: tuple[float, ...], tau: float, limit_s: float
) -> None:
    ran_s, corrections = 0.0, 0
    while ran_s < limit_s:
        ran_s = residual_s(curve_s, tau, limit_s, ran_s)
        corrections += 1

    short = STEP_S_MIN / STEP_MIN
    assert (
        corrections
        <= short / STEP_S_MIN + math.log(max(limit_s / short, 1.0)) / math.log1p(STEP_MIN) + 2
    )


def test_where_the_distribution_is_known_it_decides_and_elsewhere_the_published_steps() -> None:
    guarded = Guarded(Constant(Estimate.point(1.0)))
    known = Estimate(EVEN[5], EVEN[8], EVEN[11], EVEN)
    unknown = Estimate(EVEN[5], EVEN[8], EVEN[11])
    ran_s = known.q80_s + 1.0

    assert guarded.correct(job(), known, 0.8, 0, ran_s) == (
        residual_s(EVEN, 0.8, 1e6, ran_s),
        1,
    )
    assert guarded.correct(job(), unknown, 0.8, 0, ran_s) == corrected_s(
        unknown.q80_s, 0, 1e6, ran_s
    )
    assert guarded.correct(job(), unknown, 0.5, 0, ran_s) == corrected_s(
        unknown.q50_s, 0, 1e6, ran_s
    )
