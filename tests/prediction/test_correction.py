"""What is believed of a job that has outlived its estimate: the published steps, then doubling."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.correction import STEPS_S, corrected_s

MINUTE_S = 60.0


def test_the_steps_are_the_published_ones() -> None:
    minutes = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 3000, 6000]

    assert list(STEPS_S) == [count * MINUTE_S for count in minutes]


def test_each_step_is_added_to_the_first_estimate() -> None:
    ran_s = first_s = 100.0
    beliefs_s = []
    used = 0
    for _ in STEPS_S:
        ran_s, used = corrected_s(first_s, used, math.inf, ran_s)
        beliefs_s.append(ran_s)

    assert beliefs_s == [first_s + step_s for step_s in STEPS_S]
    assert used == len(STEPS_S)


def test_steps_that_end_before_now_are_passed_over() -> None:
    assert corrected_s(100.0, 0, math.inf, 500.0) == (100.0 + 15 * MINUTE_S, 3)


@pytest.mark.parametrize(
    ("limit_s", "ran_s", "believed"),
    [(130.0, 100.0, (130.0, 1)), (130.0, 130.0, (260.0, 11)), (5.0, 10.0, (60.0, 11))],
)
def test_the_limit_caps_a_belief_until_it_turns_out_not_to_be_enforced(
    limit_s: float, ran_s: float, believed: tuple[float, int]
) -> None:
    assert corrected_s(100.0, 0, limit_s, ran_s) == believed


def test_past_the_last_step_twice_the_time_so_far_is_believed() -> None:
    assert corrected_s(100.0, len(STEPS_S), math.inf, 1e6) == (2e6, len(STEPS_S))


@given(
    first_s=st.floats(0.0, 1e6),
    limit_s=st.floats(0.0, 1e6),
    rans_s=st.lists(st.floats(0.0, 1e8), min_size=1).map(sorted),
)
def test_a_running_job_is_always_believed_to_end_later_than_now(
    first_s: float, limit_s: float, rans_s: list[float]
) -> None:
    used = 0
    uses = [used]
    for ran_s in rans_s:
        believed_s, used = corrected_s(first_s, used, limit_s, ran_s)
        uses.append(used)
        assert believed_s > ran_s

    assert all(one <= next_ for one, next_ in itertools.pairwise(uses))
    assert used <= len(STEPS_S)
