"""Draws of how long jobs may yet run: from what is believed, given how long they have run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine.promises.lives import DRAWS, Lives
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Checkpoint, Job
from noljima.model.lifecycle import State
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.placement.demand import Demand
from noljima.policy.ticket import Ticket
from noljima.prediction.distribution import Floats

HOUR_S = 3600.0
RISING = Estimate(
    HOUR_S, 2 * HOUR_S, 4 * HOUR_S, tuple(np.geomspace(360.0, 36_000.0, len(LEVELS)).tolist())
)


def ticket(number: int, estimate: Estimate = RISING, *, name: str = "", **job: object) -> Ticket:
    gang = gang_of(1, Resources(gpu_milli=2 * GPU))
    made = Job(id=JobId(f"j{number}"), gang=gang, name=name or f"n{number}", **job)  # type: ignore[arg-type]
    return Ticket(made, number, 0.0, Demand(gang), estimate)


def running(one: Ticket, start_s: float) -> Ticket:
    one.state = State.RUNNING
    one.start_s = start_s
    return one


def test_the_draws_of_a_job_are_its_distribution() -> None:
    (run_s,) = Lives().next_s([ticket(1)])

    assert len(set(run_s.tolist())) == DRAWS
    shares = [(run_s <= RISING.curve_s[LEVELS.index(level)]).mean() for level in LEVELS]
    assert shares == pytest.approx(LEVELS, abs=1.0 / DRAWS)


def test_jobs_have_their_luck_apart_and_a_users_jobs_of_one_name_a_part_of_it_together() -> None:
    lives = Lives()
    others = np.log(lives.next_s([ticket(number, user=f"u{number}") for number in range(200)]))
    alike = np.log(lives.next_s([ticket(number, name="same") for number in range(200, 400)]))

    def together(draws: Floats) -> float:
        matrix: Floats = np.asarray(np.corrcoef(draws))
        return float(matrix[np.triu_indices(len(draws), 1)].mean())

    assert abs(together(others)) < 0.05
    assert together(alike) > 0.4


def test_a_running_job_has_what_is_left_of_the_draws_that_it_has_not_outlived() -> None:
    lives = Lives()
    (whole_s,) = lives.next_s([ticket(1)])
    one = running(ticket(1), 0.0)
    (young_s,) = Lives().left_s([one], 1.0)
    (old_s,) = lives.left_s([one], 2 * HOUR_S)

    assert np.sort(young_s + 1.0) == pytest.approx(np.sort(whole_s))
    assert (old_s > 0.0).all()
    # Most short draws are outlived: what is left is longer than what was believed at first.
    assert np.median(old_s + 2 * HOUR_S) > 1.5 * np.median(whole_s)
    assert (old_s + 2 * HOUR_S).max() <= 36_001.0


def test_what_is_drawn_anew_is_what_is_left_of_the_distribution() -> None:
    worked_s = 4 * HOUR_S
    (left_s,) = Lives().left_s([running(ticket(1, limit_s=None), 0.0)], worked_s)
    log_curve = np.log(RISING.curve_s)
    lived = float(np.interp(np.log(worked_s), log_curve, LEVELS))
    levels = lived + (1.0 - lived) * (np.arange(DRAWS) + 0.5) / DRAWS
    true_s = np.exp(np.interp(levels, LEVELS, log_curve)) - worked_s

    assert np.sort(left_s)[:-4] == pytest.approx(true_s[:-4], rel=0.25, abs=120.0)


def test_what_outlives_all_that_was_believed_has_half_as_long_again_at_the_most() -> None:
    left_s = Lives().left_s([running(ticket(1), 0.0)], 100 * HOUR_S)

    assert (left_s > 0.0).all()
    assert (left_s <= 50 * HOUR_S + 1.0).all()


def test_no_draw_is_beyond_the_limit_of_the_job() -> None:
    (run_s,) = Lives().next_s([ticket(1, limit_s=HOUR_S)])

    assert run_s.max() == pytest.approx(HOUR_S)


def test_of_a_saved_job_only_the_rest_is_to_come_and_the_loading() -> None:
    one = ticket(1, checkpoint=Checkpoint(interval_s=60.0, restart_s=30.0))
    lives = Lives()
    (whole_s,) = lives.next_s([one])
    one.saved_s = 300.0
    (rest_s,) = lives.next_s([one])

    assert rest_s == pytest.approx(whole_s - 300.0 + 30.0)


def test_a_job_that_was_told_to_go_is_as_good_as_gone() -> None:
    one = running(ticket(1), 0.0)
    one.state = State.STOPPING

    assert (Lives().left_s([one], 60.0) == 0.0).all()


def test_of_a_source_with_one_number_it_is_learned_how_runs_compare_with_it() -> None:
    lives = Lives()
    for number in range(300):
        ended = ticket(number, Estimate.point(HOUR_S))
        ended.run_s = HOUR_S / 10
        lives.learn(ended, 1.0)
    (run_s,) = lives.next_s([ticket(1000, Estimate.point(HOUR_S))])

    assert np.median(run_s) == pytest.approx(HOUR_S / 10, rel=0.15)


def test_what_is_believed_anew_is_drawn_anew() -> None:
    lives, one = Lives(), ticket(1)
    (before_s,) = lives.next_s([one])
    one.estimate = Estimate(10.0, 20.0, 40.0, tuple(each / 360.0 for each in RISING.curve_s))
    (after_s,) = lives.next_s([one])

    # Runs shorter than a second count as one.
    assert after_s == pytest.approx(np.maximum(before_s / 360.0, 1.0), rel=0.3)


def test_a_job_that_is_forgotten_leaves_its_place_to_another() -> None:
    lives = Lives()
    for number in range(1000):
        one = ticket(number)
        lives.next_s([one])
        lives.forget(one)

    assert len(lives) == 0
    assert len(lives._gpus) == 256  # the columns do not grow


@given(
    q50_s=st.floats(1e-9, 1e15),
    up=st.floats(1.0, 1e6),
    more=st.floats(1.0, 1e6),
    ages_s=st.lists(st.floats(0.0, 1e9), min_size=1, max_size=5).map(sorted),
    limit_s=st.one_of(st.none(), st.floats(0.0, 1e9)),
)
def test_whatever_is_believed_there_is_a_time_left(
    q50_s: float, up: float, more: float, ages_s: list[float], limit_s: float | None
) -> None:
    lives = Lives()
    one = ticket(1, Estimate(q50_s, q50_s * up, q50_s * up * more), limit_s=limit_s)
    (run_s,) = lives.next_s([one])

    assert (np.isfinite(run_s) & (run_s > 0.0)).all()
    for age_s in ages_s:
        left_s = lives.left_s([running(one, 5.0)], 5.0 + age_s)
        assert (np.isfinite(left_s) & (left_s > 0.0)).all()
