"""Shares learned over jobs: the guess first, then everybody's, then the user's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.progress.habits import Habit


def test_the_guess_stands_until_somebody_was_seen() -> None:
    assert Habit(0.05).of("kim") == 0.05


def test_everybodys_jobs_count_for_a_user_without_any() -> None:
    habit = Habit(0.0)
    for _ in range(180):
        habit.learn("lee", 1.0)

    assert habit.of("kim") == pytest.approx(0.9)


def test_a_users_own_jobs_count_more_with_each() -> None:
    habit = Habit(0.0)
    seen = [habit.of("kim")]
    for _ in range(20):
        habit.learn("kim", 1.0)
        habit.learn("lee", 0.0)
        seen.append(habit.of("kim"))

    assert seen == sorted(seen)
    assert seen[-1] > 0.8
    assert habit.of("lee") < 0.1


@given(
    guess=st.floats(0.0, 0.9),
    shares=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 1.0))),
)
def test_a_share_is_one(guess: float, shares: list[tuple[str, float]]) -> None:
    habit = Habit(guess)
    for user, share in shares:
        habit.learn(user, share)

    # Never all of them: what is made of it divides by the rest.
    assert all(0.0 <= habit.of(user) < 1.0 for user in "abcd")
