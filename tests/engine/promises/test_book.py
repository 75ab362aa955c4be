"""What is promised, moved and learned: a book driven by forecasts whose worth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine.promises.book import MISSES, Forecast, PromiseBook
from noljima.engine.promises.crowds import Crowds
from noljima.engine.promises.settled import Settled
from noljima.model.resources import JobId

HOUR_S = 3600.0


def job(number: int) -> JobId:
    return JobId(f"j{number}")


def by_s(book: PromiseBook, name: JobId) -> float:
    promise = book.of(name)
    assert promise is not None
    return promise.by_s


def test_a_promise_is_told_moved_and_settled() -> None:
    book = PromiseBook()
    book.tell(job(1), 0.0, Forecast(HOUR_S, 10 * HOUR_S, 5))
    first_s = by_s(book, job(1))
    book.tell(job(1), HOUR_S, Forecast(60.0, 120.0, 0))
    moved_s = by_s(book, job(1))

    settled = book.started(job(1), HOUR_S + 30.0)

    assert HOUR_S < moved_s < first_s
    assert settled is not None
    assert (settled.first_by_s, settled.by_s, settled.moves) == (first_s, moved_s, 1)
    assert settled.kept
    assert book.of(job(1)) is None


def test_a_promise_never_moves_later_and_not_for_nothing() -> None:
    book = PromiseBook()
    book.tell(job(1), 0.0, Forecast(HOUR_S, 2 * HOUR_S, 0))
    first_s = by_s(book, job(1))

    book.tell(job(1), 60.0, Forecast(9 * HOUR_S, 90 * HOUR_S, 0))
    book.tell(job(1), 120.0, Forecast(0.97 * HOUR_S, 1.97 * HOUR_S, 0))

    assert by_s(book, job(1)) == first_s


def test_few_promises_are_moved_before_any_that_was_moved_is_over() -> None:
    book = PromiseBook()
    for number in range(40):
        book.tell(job(number), 0.0, Forecast(HOUR_S, 9 * HOUR_S, number))
    for number in range(40):
        book.tell(job(number), 60.0, Forecast(60.0, 60.0, number))

    moved = [promise.job for promise in book if promise.moves]
    assert len(moved) == 4
    for name in moved:
        book.started(name, 90.0)
    for number in range(40):
        book.tell(job(number), 120.0, Forecast(60.0, 60.0, number))

    assert sum(promise.moves for promise in book) == 4


def test_who_starts_at_the_very_second_was_promised_right() -> None:
    book = PromiseBook()
    book.tell(job(1), 0.0, Forecast(60.0, 120.0, 0))
    last_s = by_s(book, job(1))
    book.pass_time(last_s)
    promise = book.of(job(1))

    assert promise is not None
    assert not promise.missed
    settled = book.started(job(1), last_s)
    assert settled is not None
    assert settled.kept


def test_a_missed_promise_stays_what_it_was_while_the_middle_case_goes_on() -> None:
    book = PromiseBook()
    book.tell(job(1), 0.0, Forecast(60.0, 120.0, 0))
    first_s = by_s(book, job(1))
    late_s = first_s + HOUR_S
    book.pass_time(late_s)
    book.tell(job(1), late_s, Forecast(60.0, 120.0, 0))

    promise = book.of(job(1))

    assert promise is not None
    assert promise.missed
    assert promise.by_s == first_s
    assert promise.about_s > late_s
    settled = book.started(job(1), late_s + 1.0)
    assert settled is not None
    assert not settled.kept


def test_a_miss_is_learned_when_the_promise_passes_and_not_when_the_job_starts() -> None:
    one, other = PromiseBook(), PromiseBook()
    forecast = Forecast(HOUR_S, 2 * HOUR_S, 0)
    for book in (one, other):
        for number in range(30):
            book.tell(job(number), 0.0, forecast)
    passed_s = by_s(one, job(0)) + 1.0
    one.pass_time(passed_s)
    for book in (one, other):
        book.tell(job(99), passed_s, forecast)

    assert by_s(one, job(99)) > by_s(other, job(99))


def test_a_miss_counts_once() -> None:
    once, again = PromiseBook(), PromiseBook()
    forecast = Forecast(HOUR_S, 2 * HOUR_S, 0)
    for book in (once, again):
        book.tell(job(1), 0.0, forecast)
        book.pass_time(1e7)
    again.pass_time(2e7)
    for book in (once, again):
        book.started(job(1), 2e7)
        book.tell(job(2), 2e7, forecast)

    assert by_s(once, job(2)) == by_s(again, job(2))


def test_a_job_that_counts_little_is_promised_with_more_care() -> None:
    alone, crowd = PromiseBook(), PromiseBook()
    alone.tell(job(1), 0.0, Forecast(HOUR_S, 2 * HOUR_S, 0), 1.0)
    crowd.tell(job(1), 0.0, Forecast(HOUR_S, 2 * HOUR_S, 0), 1 / 64)

    assert by_s(crowd, job(1)) > by_s(alone, job(1))


def settled_of(spread: float, bias: float, *, count: int = 4000) -> list[Settled]:
    """Let jobs start one by one; forecasts say an hour, or with 95 % at most two."""
    generator = np.random.default_rng(11)
    book = PromiseBook()
    settled: list[Settled] = []
    now_s = 0.0
    for number in range(count):
        wait_s = HOUR_S * math.exp(generator.normal(bias, spread))
        book.tell(job(number), now_s, Forecast(HOUR_S, 2 * HOUR_S, 3))
        book.pass_time(now_s + wait_s)
        over = book.started(job(number), now_s + wait_s)
        assert over is not None
        settled.append(over)
        now_s += wait_s
    return settled


@pytest.mark.parametrize(("spread", "bias"), [(0.2, 0.0), (0.42, 0.0), (1.0, 0.0), (0.5, 2.0)])
def test_nineteen_in_twenty_are_kept_whatever_forecasts_are_worth(
    spread: float, bias: float
) -> None:
    kept = [each.kept for each in settled_of(spread, bias)]

    assert np.mean(kept) == pytest.approx(1.0 - MISSES, abs=0.015)
    assert np.mean(kept[-1000:]) == pytest.approx(1.0 - MISSES, abs=0.02)


def test_better_forecasts_make_nearer_promises() -> None:
    near, far = (
        np.median([each.first_by_s - each.made_s for each in settled_of(spread, 0.0)])
        for spread in (0.2, 1.0)
    )

    assert near < 0.6 * far


def test_the_middle_case_is_as_often_too_early_as_too_late_in_the_end() -> None:
    late = [each.start_s > each.about_s for each in settled_of(0.5, 2.0)[1000:]]

    assert np.mean(late) == pytest.approx(0.5, abs=0.06)


def test_the_middle_case_is_never_told_later_than_the_promise() -> None:
    book = PromiseBook()
    for number in range(200):
        book.tell(job(number), 0.0, Forecast(60.0, 60.0, 0), 1e-4)
    for number in range(200):
        # The middle case learns of the whole crowd, the promise of as good as one job.
        book.started(job(number), 100 * HOUR_S)
    book.tell(job(999), 100 * HOUR_S, Forecast(60.0, 60.0, 0))
    promise = book.of(job(999))

    assert promise is not None
    assert promise.about_s == promise.by_s == promise.first_about_s


said = st.tuples(
    st.integers(0, 5), st.floats(0.0, 1e7), st.floats(0.0, 1e8), st.booleans(), st.floats(0, 1e5)
)


@given(moments=st.lists(said, max_size=60))
def test_whatever_is_forecast_promises_move_only_earlier(
    moments: list[tuple[int, float, float, bool, float]],
) -> None:
    book, told, now_s = PromiseBook(), dict[JobId, float](), 0.0
    for number, mid_s, more_s, starts, gap_s in moments:
        now_s += gap_s
        book.pass_time(now_s)
        name = job(number)
        if starts and name in told:
            settled = book.started(name, now_s)
            assert settled is not None
            assert settled.by_s == told.pop(name)
            assert settled.kept == (now_s <= settled.by_s)
            continue
        book.tell(name, now_s, Forecast(mid_s, mid_s + more_s, number))
        promise = book.of(name)
        assert promise is not None
        assert math.isfinite(promise.by_s)
        assert promise.by_s <= told.get(name, math.inf)
        assert promise.missed == (promise.by_s < now_s)
        assert promise.missed or promise.about_s <= promise.by_s
        told[name] = promise.by_s
    assert {promise.job for promise in book} == told.keys()


def test_jobs_that_are_alike_and_come_together_count_less_and_less() -> None:
    crowds = Crowds()
    weights = [crowds.weight("a", 60.0 * number) for number in range(4)]

    assert weights == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert crowds.weight("b", 240.0) == 1.0
    assert crowds.weight("a", 240.0 + HOUR_S) == 1.0
