"""What a job tells of its steps: what is regular, what goes in circles, what is not a number."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.health.facts import Progressed
from noljima.health.steps import Steps
from noljima.model.resources import JobId


def told(
    steps: Iterable[float],
    *,
    total: float | None = 1000.0,
    epoch: float | None = None,
    losses: Iterable[float] = (),
    into: Steps | None = None,
) -> Steps:
    """Tell these steps, one every ten seconds."""
    kept = into or Steps()
    given_losses = iter(losses)
    for step in steps:
        at_s = kept._at_s + 10.0
        fact = Progressed(
            at_s=at_s,
            job=JobId("a"),
            step=step,
            total=total,
            epoch=epoch,
            loss=next(given_losses, None),
        )
        kept.told(fact, at_s)
    return kept


def test_told_again_unchanged_it_is_no_progress() -> None:
    kept = told([1, 2, 3])
    fact = Progressed(at_s=500.0, job=JobId("a"), step=3.0, total=1000.0)

    assert not kept.told(fact, 500.0)
    assert (kept.advances, kept.clock_s) == (2, 30.0)


def test_the_pause_between_two_steps_is_its_habit() -> None:
    assert told(range(10)).gaps.longest_s == 10.0


def test_a_pause_that_was_interrupted_is_no_habit() -> None:
    kept = told(range(10))
    kept.interrupt()
    kept.told(Progressed(at_s=9000.0, job=JobId("a"), step=50.0), 100.0)

    assert kept.gaps.longest_s == 10.0


def test_steps_within_epochs_are_no_circle() -> None:
    kept = told([*range(0, 1000, 100), 999] * 8)

    assert kept.returns == 0


def test_steps_of_epochs_that_are_told_are_no_circle() -> None:
    kept = Steps()
    for epoch in range(1, 8):
        told(range(0, 1000, 100), total=None, epoch=float(epoch), into=kept)

    assert kept.returns == 0


def test_without_an_end_and_an_epoch_nobody_can_say() -> None:
    assert told([*range(0, 900, 100)] * 8, total=None).returns == 0


def test_to_be_thrown_back_again_and_again_is_a_circle() -> None:
    assert told([*range(0, 500, 100), *[*range(200, 500, 100)] * 4]).returns == 4


def test_to_get_a_little_further_each_time_is_still_a_circle() -> None:
    rounds = [step for turn in range(5) for step in (200, 300, 400 + turn)]

    assert told(rounds).returns == 4


def test_to_get_beyond_what_was_lost_is_none() -> None:
    rounds = [step for turn in range(6) for step in range(turn * 300, turn * 300 + 500, 100)]

    assert told(rounds, total=1e6).returns <= 1


def test_to_be_thrown_back_within_an_epoch_is_a_circle() -> None:
    kept = told([100, 500], epoch=3.0)
    for _ in range(4):
        told([200, 400], epoch=3.0, into=kept)

    assert kept.returns == 4


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_losses_that_are_no_number_are_counted_in_a_row(loss: float) -> None:
    kept = told(range(12), losses=[1.0, 1.0, *[loss] * 10])

    assert (kept.nans, kept.nan_clock_s) == (10, 30.0)


def test_a_number_ends_the_row() -> None:
    assert told(range(6), losses=[1.0, math.nan, math.nan, math.nan, 0.5]).nans == 0


def test_a_loss_that_is_not_told_says_nothing() -> None:
    kept = told(range(6), losses=[1.0, math.nan, math.nan])

    assert kept.nans == 2


def test_the_very_same_loss_is_counted_but_not_that_of_zero() -> None:
    assert told(range(50), losses=[0.7] * 50).same == 49
    assert told(range(50), losses=[0.0] * 50).same == 1


@given(
    steps=st.lists(st.integers(0, 30).map(float), max_size=60),
    total=st.sampled_from([None, 20.0, 1e6]),
    epochs=st.lists(st.sampled_from([None, 1.0, 2.0]), min_size=1, max_size=3),
)
def test_any_steps_leave_the_books_in_order(
    steps: list[float], total: float | None, epochs: list[float | None]
) -> None:
    kept = Steps()
    moved = 0
    for number, step in enumerate(steps):
        fact = Progressed(
            at_s=number * 10.0,
            job=JobId("a"),
            step=step,
            total=total,
            epoch=epochs[number % len(epochs)],
        )
        moved += kept.told(fact, number * 10.0)

    assert kept.advances == max(moved - 1, 0)
    assert 0 <= kept.returns <= kept.advances
    assert kept.clock_s <= max(len(steps) - 1, 0) * 10.0


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=100))
def test_steps_that_only_grow_are_never_a_circle(steps: list[int]) -> None:
    assert told([float(step) for step in sorted(steps)]).returns == 0
