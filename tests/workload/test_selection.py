"""Cutting and bending traces: pure, deterministic, and independent of the order of jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import Checkpoint, Job
from noljima.model.resources import JobId
from noljima.workload import selection
from noljima.workload.selection import Moment, Selection, parse_filter, parse_moment, select
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

EPOCH_S = datetime(2024, 1, 1, tzinfo=UTC).timestamp()


def job(
    name: str, submit_s: float = 0, run_s: float = 60, gpus: int = 1, user: str = "kim"
) -> TraceJob:
    made = Job(id=JobId(name), gang=shape(gpus), user=user, name=f"bert-{name}", queue="vision")
    return TraceJob(submit_s, run_s, made, Outcome.FAILED if run_s < 60 else Outcome.SUCCEEDED)


FOUR = Trace(
    name="four",
    jobs=(
        job("a", 100, 30, 1),
        job("b", 200, 600, 8, user="lee"),
        job("c", 400, 7200, 16),
        job("d", 1000, 60, 4, user="lee [new]"),
    ),
    epoch_s=EPOCH_S,
)


def ids(trace: Trace) -> str:
    return "".join(job.job.id for job in trace.jobs)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("user=lee", "b"),
        ("user=lee*", "bd"),
        ("user=lee [new]", "d"),
        ("user!=kim", "bd"),
        ("user=", ""),
        ("name=bert-*", "abcd"),
        ("name=*-c", "c"),
        ("name=bert-?", ""),  # only the star is special
        ("cluster=vision", "abcd"),
        ("queue!=vision", ""),
        ("outcome=failed", "a"),
        ("id=a", "a"),
        ("gpus>=8", "bc"),
        ("gpus > 8", "c"),
        ("gpus=4", "d"),
        ("gpus!=4", "abc"),
        ("workers<8", "ad"),
        ("run<10m", "ad"),
        ("run<=10m", "abd"),
        ("run>1h", "c"),
    ],
)
def test_a_filter_keeps_the_jobs_that_it_describes(words: str, kept: str) -> None:
    assert ids(selection.where(FOUR, [parse_filter(words)])) == kept


def test_several_filters_must_all_hold() -> None:
    filters = [parse_filter("gpus>=8"), parse_filter("user=kim")]

    assert ids(selection.where(FOUR, filters)) == "c"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "is not like user=u7 or gpus>=8"),
        ("gpus", "is not like user=u7 or gpus>=8"),
        ("colour=red", "filter: 'colour' is none of id, user, name, queue, cluster"),
        ("user>=kim", "filter: '>=' cannot be asked of user; use = !="),
        ("gpus>=many", "gpus: 'many' is not a number"),
        ("gpus>=nan", "gpus: 'nan' is not a number"),
        ("run>soon", "run: 'soon' is not a duration"),
    ],
)
def test_a_filter_of_no_use_is_refused_in_words(words: str, reason: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        parse_filter(words)

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("300", Moment(300)),
        ("3d12h", Moment(302_400)),
        ("20240101", Moment(20_240_101)),  # seconds to people, a date to Python
        ("2024-01-01", Moment(EPOCH_S, absolute=True)),
        ("2024-01-01T01:00+01:00", Moment(EPOCH_S, absolute=True)),
    ],
)
def test_a_time_is_a_duration_or_a_date(words: str, moment: Moment) -> None:
    assert parse_moment(words) == moment


@pytest.mark.parametrize("words", ["", "soon", "-5", "0001-01-01", "nan"])
def test_what_is_no_time_is_refused(words: str) -> None:
    with pytest.raises(InvalidFieldError, match=r"^time: "):
        parse_moment(words)


def test_a_window_counts_from_the_first_job_and_leaves_its_end_out() -> None:
    assert ids(selection.between(FOUR, Moment(100), Moment(900))) == "bc"
    assert ids(selection.between(FOUR, None, Moment(100))) == "a"
    assert ids(selection.between(FOUR, Moment(101), None)) == "cd"


def test_a_window_may_be_given_as_dates_where_the_trace_has_an_epoch() -> None:
    since = parse_moment("2024-01-01T00:03:20")

    assert ids(selection.between(FOUR, since, None)) == "bcd"


def test_a_date_is_refused_where_the_trace_has_no_epoch() -> None:
    trace = Trace(name="undated", jobs=FOUR.jobs)

    with pytest.raises(InvalidFieldError, match="undated only knows seconds from its start"):
        selection.between(trace, parse_moment("2024-01-01"), None)


def test_a_part_of_a_trace_starts_again_at_second_0() -> None:
    part = select(FOUR, Selection(filters=(parse_filter("gpus>=8"),)))

    assert [job.submit_s for job in part.jobs] == [0, 200]
    assert part.epoch_s == EPOCH_S + 200


def test_a_whole_trace_keeps_its_seconds() -> None:
    assert select(FOUR, Selection()) == FOUR
    assert select(FOUR, Selection(filters=(parse_filter("queue=vision"),))) == FOUR


def test_double_pressure_halves_the_gaps_and_doubles_the_load() -> None:
    pressed = select(FOUR, Selection(load_factor=2))

    assert [job.submit_s for job in pressed.jobs] == [100, 150, 250, 550]
    assert pressed.load(8) == pytest.approx(2 * FOUR.load(8))


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf"), 1e7])
def test_a_pressure_of_no_use_is_refused(factor: float) -> None:
    with pytest.raises(InvalidFieldError, match="load factor"):
        select(FOUR, Selection(load_factor=factor))


def test_a_stretched_trace_beyond_all_time_is_refused() -> None:
    trace = Trace(name="long", jobs=(job("a", 0), job("b", 1e9)))

    with pytest.raises(InvalidFieldError, match="submit_s"):
        select(trace, Selection(load_factor=0.01))


def test_a_checkpoint_is_given_to_all() -> None:
    checkpoint = Checkpoint(interval_s=600, restart_s=30)

    assert {job.job.checkpoint for job in select(FOUR, Selection(checkpoint=checkpoint)).jobs} == {
        checkpoint
    }


MANY = Trace(name="many", jobs=tuple(job(f"job{number}") for number in range(2000)))


def marked(trace: Trace) -> set[str]:
    return {job.job.id for job in trace.jobs if job.job.evictable}


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_about_the_wanted_share_is_evictable(share: float) -> None:
    trace = select(MANY, Selection(evictable_share=share, seed=7))

    assert len(marked(trace)) / len(MANY.jobs) == pytest.approx(share, abs=0.03)
    assert all(job.job.evictable is not None for job in trace.jobs)


def test_a_larger_share_keeps_what_a_smaller_one_marked() -> None:
    small = select(MANY, Selection(evictable_share=0.2, seed=7))
    large = select(MANY, Selection(evictable_share=0.6, seed=7))

    assert marked(small) < marked(large)


def test_another_seed_marks_other_jobs() -> None:
    one = select(MANY, Selection(evictable_share=0.5, seed=1))
    two = select(MANY, Selection(evictable_share=0.5, seed=2))

    assert marked(one) != marked(two)


@given(st.sets(st.integers(0, 1999), max_size=20))
def test_whether_a_job_is_marked_does_not_depend_on_the_others(numbers: set[int]) -> None:
    all_marked = marked(select(MANY, Selection(evictable_share=0.5)))
    few = Trace(name="few", jobs=tuple(MANY.jobs[number] for number in sorted(numbers)))

    assert marked(select(few, Selection(evictable_share=0.5))) == all_marked & {
        job.job.id for job in few.jobs
    }


@given(st.text(max_size=20))
def test_any_words_are_a_filter_or_refused(words: str) -> None:
    try:
        found = parse_filter(words)
    except InvalidFieldError:
        return
    assert len(selection.where(FOUR, [found]).jobs) <= 4


@given(st.text(max_size=25))
def test_any_words_are_a_time_or_refused(words: str) -> None:
    try:
        found = parse_moment(words)
    except InvalidFieldError:
        return
    assert found.value_s >= 0


def test_selecting_from_nothing_is_nothing() -> None:
    empty = Trace(name="none", jobs=())
    everything = Selection(
        since=Moment(5),
        until=Moment(9),
        filters=(parse_filter("gpus>1"),),
        load_factor=2,
        evictable_share=0.5,
        checkpoint=Checkpoint(interval_s=1),
    )

    assert select(empty, everything) == empty
