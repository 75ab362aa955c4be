"""How fast a job steps: steady, noisy, drifting, pausing, silent, or begun anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.phase import Phase
from noljima.prediction.progress.pace import Pace

TRAIN = Phase.TRAIN


def draws(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


class Job:
    """A job that steps in virtual time, and a pace that looks on."""

    def __init__(self, total: float, start_up_s: float = 0.0) -> None:
        self.total = total
        self.now_s = start_up_s
        self.step = 0.0
        self.pace = Pace(self.now_s, 0.0, total)

    def steps(self, count: int, each_s: float, *, every: int = 1) -> None:
        """Take steps, and tell of each `every`-th."""
        for number in range(1, count + 1):
            self.now_s += each_s
            self.step += 1
            if number % every == 0:
                self.tell()

    def tell(self, phase: Phase = TRAIN) -> None:
        self.pace.see(self.now_s, self.step, self.total, phase)

    def rest_s(self, after_s: float = 0.0) -> float:
        rest = self.pace.remaining(self.now_s + after_s)
        assert rest is not None
        return rest.seconds

    def sigma(self, after_s: float = 0.0) -> float:
        rest = self.pace.remaining(self.now_s + after_s)
        assert rest is not None
        return rest.sigma


def test_steady_steps_leave_what_they_have_left() -> None:
    job = Job(total=1000)
    job.steps(100, each_s=2.0)

    assert job.rest_s() == pytest.approx(900 * 2.0)
    assert job.sigma() < 0.1


def test_nothing_is_said_before_a_step_was_timed() -> None:
    job = Job(total=1000)
    assert job.pace.remaining(0.0) is None
    job.now_s = 50.0
    job.tell()
    assert job.pace.remaining(50.0) is None
    job.steps(1, each_s=2.0)
    assert job.pace.remaining(52.0) is not None


def test_start_up_and_a_first_step_that_compiles_are_forgotten() -> None:
    job = Job(total=1000, start_up_s=300.0)
    job.steps(1, each_s=60.0)
    assert job.rest_s() == pytest.approx(999 * 60.0)
    job.steps(5, each_s=1.0)

    assert job.rest_s() == pytest.approx(994.0)


def test_without_a_total_or_past_it_nothing_is_said() -> None:
    open_end = Pace(0.0, 0.0, None)
    over = Job(total=10)
    over.steps(10, each_s=1.0)
    for step in range(1, 20):
        open_end.see(float(step), float(step), None, TRAIN)

    assert open_end.remaining(20.0) is None
    assert over.pace.remaining(10.0) is None


def test_a_total_that_becomes_known_later_is_taken_up() -> None:
    pace = Pace(0.0, 0.0, None)
    for step in range(1, 20):
        pace.see(2.0 * step, float(step), 100.0 if step > 10 else None, TRAIN)
    rest = pace.remaining(38.0)

    assert rest is not None
    assert rest.seconds == pytest.approx(81 * 2.0)


@pytest.mark.parametrize("named", [True, False])
def test_evaluations_at_even_distances_are_foreseen_each(named: bool) -> None:  # noqa: FBT001
    job = Job(total=1000)
    for _ in range(4):
        job.steps(100, each_s=1.0)
        if named:
            job.tell(Phase.EVALUATE)
        job.now_s += 50.0
    job.steps(10, each_s=1.0)

    # The last one comes after the last step.
    assert job.rest_s() == pytest.approx(590 + 6 * 50.0, rel=0.05)


def test_pauses_at_uneven_distances_keep_their_share_of_the_time() -> None:
    job, draw = Job(total=20_000), draws(5)
    while job.step < 10_000:
        job.steps(int(draw.integers(20, 400)), each_s=1.0)
        job.now_s += 60.0
    job.steps(5, each_s=1.0)
    stepping_s = 20_000 - job.step
    pausing_s = (job.now_s - job.step) / job.step * stepping_s

    assert job.rest_s() == pytest.approx(stepping_s + pausing_s, rel=0.03)


def test_one_hiccup_is_no_habit() -> None:
    job = Job(total=1000)
    job.steps(10, each_s=1.0)
    job.now_s += 100.0
    job.steps(190, each_s=1.0)

    # One in 200 steps, so some six more in 800; not one every ten.
    assert 800.0 < job.rest_s() < 800.0 + 8 * 100.0


def test_steps_that_become_slower_for_good_are_believed_soon() -> None:
    job = Job(total=1000)
    job.steps(100, each_s=1.0)
    job.steps(30, each_s=4.0)

    assert job.rest_s() == pytest.approx(870 * 4.0, rel=0.05)


def test_steps_that_become_a_little_slower_are_followed() -> None:
    job = Job(total=10_000)
    job.steps(300, each_s=1.0)
    job.steps(300, each_s=1.5)

    assert job.rest_s() == pytest.approx(9400 * 1.5, rel=0.05)


def test_a_pause_that_is_known_is_not_taken_for_steps_while_it_lasts() -> None:
    job = Job(total=1000)
    job.steps(100, each_s=1.0)
    job.tell(Phase.EVALUATE)

    assert job.rest_s(after_s=40.0) == pytest.approx(900.0)


def test_silence_widens_the_spread_and_in_the_end_nothing_is_said() -> None:
    job = Job(total=100_000)
    job.steps(100, each_s=1.0)
    sigmas = [job.sigma(after_s) for after_s in (0.0, 30.0, 120.0, 500.0)]

    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > 5 * sigmas[0]
    assert job.pace.remaining(job.now_s + 601.0) is None


def test_a_job_that_should_have_ended_goes_on_for_some_time() -> None:
    job = Job(total=1000)
    job.steps(990, each_s=1.0)

    assert job.rest_s(after_s=100.0) == pytest.approx(50.0)


def test_steps_that_begin_anew_are_of_another_run() -> None:
    job = Job(total=1000)
    job.steps(500, each_s=1.0)
    job.step = 0.0
    job.tell()
    assert job.pace.remaining(job.now_s) is None
    job.steps(10, each_s=3.0)

    assert job.rest_s() == pytest.approx(990 * 3.0)


def test_another_total_is_another_count() -> None:
    job = Job(total=10)
    job.steps(3, each_s=100.0)
    job.total, job.step = 1000.0, 400.0
    job.tell()
    job.steps(10, each_s=1.0)

    assert job.rest_s() == pytest.approx(590.0)


def test_many_short_steps_weigh_no_more_than_the_time_they_take() -> None:
    job = Job(total=1e9)
    job.steps(10_000, each_s=0.01)
    job.steps(2_000, each_s=0.02)

    # Twenty steps a second at first: the average still knows of what was minutes ago.
    assert 0.010 < job.rest_s() / (1e9 - 12_000) < 0.016


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_noisy_but_steady_steps_are_known_within_five_percent_in_minutes(
    seed: int, noise: float
) -> None:
    job, draw = Job(total=20_000, start_up_s=45.0), draws(seed)
    while job.now_s < 300.0:
        job.steps(1, each_s=float(draw.lognormal(-noise * noise / 2, noise)), every=10**9)
        if int(job.step) % 10 == 0:
            job.tell()

    assert job.rest_s() == pytest.approx(20_000 - job.step, rel=0.05)


def test_the_spread_covers_what_turns_out() -> None:
    inside = 0
    for seed in range(200):
        job, draw = Job(total=300), draws(seed)
        for _ in range(30):
            job.steps(1, each_s=float(draw.lognormal(0.0, 0.5)))
        rest = job.pace.remaining(job.now_s)
        assert rest is not None
        true_s = sum(float(draw.lognormal(0.0, 0.5)) for _ in range(270))
        inside += abs(math.log(true_s / rest.seconds)) <= 1.28 * rest.sigma

    # 80 % were promised; more than that is the price of not knowing the noise beforehand.
    assert 150 <= inside <= 195


@given(
    told=st.lists(
        st.tuples(
            st.floats(0.0, 1e6),
            st.floats(0.0, 1e15),
            st.one_of(st.none(), st.floats(0.0, 1e15)),
            st.sampled_from(Phase),
            st.floats(0.0, 1e5),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_is_told_the_rest_is_positive_and_finite(
    told: list[tuple[float, float, float | None, Phase, float]],
) -> None:
    now_s = 0.0
    pace = Pace(now_s, told[0][1], told[0][2])
    for since_s, step, total, phase, after_s in told:
        now_s += since_s
        pace.see(now_s, step, total, phase)
        rest = pace.remaining(now_s + after_s)
        if rest is not None:
            assert 0.0 < rest.seconds < math.inf
            assert 0.0 < rest.sigma <= 1.5


@given(
    each_s=st.floats(1e-3, 1e4),
    total=st.integers(50, 10**6),
    every=st.integers(1, 20),
    count=st.integers(3, 60),
)
def test_any_steady_pace_is_found(each_s: float, total: int, every: int, count: int) -> None:
    pace = Pace(0.0, 0.0, float(total))
    step = 0.0
    for _ in range(count):
        step = min(step + every, total - 1.0)
        pace.see(step * each_s, step, float(total), TRAIN)
    rest = pace.remaining(step * each_s)
    if rest is not None:
        assert rest.seconds == pytest.approx((total - step) * each_s, rel=1e-6)
