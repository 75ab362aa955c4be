"""The Philly CSV: times relative to the first job, tenants as queues, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.resources import JobId
from noljima.workload import philly
from noljima.workload.files import TraceError
from noljima.workload.shape import shape

WriteFile = Callable[..., Path]

COLUMNS = "timestamp,duration,num_gpus,gpu_time,cluster\n"
THREE = (
    COLUMNS
    + "2017-10-09 07:01:55,66.0,1,66.0,blue\n"
    + "2017-10-09 07:00:00,100.0,8,800.0,red\n"
    + "2017-10-09 07:00:30,5.0,16,80.0,blue\n"
)


def test_jobs_are_timed_from_the_first_and_sorted(write_file: WriteFile) -> None:
    trace = philly.read(write_file(THREE), gpus_per_node=8)

    assert [(job.job.id, job.submit_s, job.run_s) for job in trace.jobs] == [
        ("p3", 0, 100),
        ("p4", 30, 5),
        ("p2", 115, 66),
    ]
    assert trace.epoch_s == datetime(2017, 10, 9, 7, tzinfo=UTC).timestamp()
    assert [job.job.gang for job in trace.jobs] == [shape(8, 8), shape(16, 8), shape(1, 8)]
    assert [job.job.queue for job in trace.jobs] == ["red", "blue", "blue"]


def test_the_file_knows_no_users_names_and_limits(write_file: WriteFile) -> None:
    job = philly.read(write_file(THREE)).jobs[0].job

    assert (job.user, job.name, job.limit_s) == ("", "", None)


def test_one_cluster_is_timed_from_its_own_first_job(write_file: WriteFile) -> None:
    trace = philly.read(write_file(THREE), cluster="blue")

    assert [(job.job.id, job.submit_s) for job in trace.jobs] == [
        (JobId("p4"), 0),
        (JobId("p2"), 85),
    ]
    assert trace.epoch_s == datetime(2017, 10, 9, 7, 0, 30, tzinfo=UTC).timestamp()


def test_a_cluster_without_jobs_is_an_empty_trace(write_file: WriteFile) -> None:
    trace = philly.read(write_file(THREE), cluster="green")

    assert trace.jobs == ()
    assert trace.epoch_s is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("2017-10-09 07:00:00,,1,,blue", "duration: '' is not a number"),
        ("2017-10-09 07:00:00,0.0,1,0.0,blue", "duration: '0.0' is no time to run for"),
        ("2017-10-09 07:00:00,-3,1,0.0,blue", "duration: -3.0 is outside"),
        ("2017-10-09 07:00:00,nan,1,0.0,blue", "duration: 'nan' is not a number"),
        ("2017-10-09 07:00:00,1e30,1,0.0,blue", "duration: '1e30' is not a number"),
        ("2017-10-09 07:00:00,5,0,0.0,blue", "num_gpus: 0 is outside"),
        ("2017-10-09 07:00:00,5,0.5,0.0,blue", "num_gpus: '0.5' is not a whole number"),
        ("2017-10-09 07:00:00,5,2000000,0.0,blue", "num_gpus: 2000000 is outside"),
        ("yesterday,5,1,5,blue", "timestamp: 'yesterday' is not a time"),
        ("0001-01-01 00:00:00,5,1,5,blue", "timestamp: -62135596800.0 is outside"),
        ("2017-10-09 07:00:00,5,1", "row: '2017-10-09 07:00:00,5,1' is not a row of 5 fields"),
        ("2017-10-09 07:00:00,5,1,5,\x1b[31m", "queue: '\\x1b[31m' has a control character"),
    ],
)
def test_a_row_that_cannot_be_a_job_is_reported_with_its_line(
    write_file: WriteFile, words: str, reason: str
) -> None:
    trace = philly.read(write_file(THREE + words + "\n"))

    assert [problem.line for problem in trace.problems] == [5]
    assert trace.problems[0].words.startswith(reason)
    assert len(trace.jobs) == 3


def test_a_strict_reader_refuses_the_file_at_the_first_bad_row(write_file: WriteFile) -> None:
    with pytest.raises(TraceError, match=r", line 5: row: 'junk' is not a row"):
        philly.read(write_file(THREE + "junk\n"), strict=True)


@pytest.mark.parametrize("content", ["", "a,b\n", THREE.partition("\n")[2]])
def test_a_file_with_other_columns_is_refused(write_file: WriteFile, content: str) -> None:
    with pytest.raises(TraceError, match=r", line 1: does not begin with the columns timestamp,"):
        philly.read(write_file(content))


fields = st.sampled_from(
    (
        *("2017-10-09 07:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
        *("1", "1e9", "-1", "nan", "", "0", "x", "\u0663", "2017-13-01"),
    )
) | st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n,"), max_size=5)
plausible = st.tuples(
    st.just("2017-10-09 07:00:00") | fields, st.just("5.0") | fields, st.just("8") | fields,
    fields, fields,
)  # fmt: skip
rows = (plausible | st.lists(fields, min_size=1, max_size=7)).map(",".join).filter(str.strip)


@given(st.lists(rows, max_size=8))
def test_every_row_is_a_job_or_a_problem(write_file: WriteFile, lines: list[str]) -> None:
    trace = philly.read(write_file(COLUMNS + "\n".join(lines)))

    assert len(trace.jobs) + trace.problem_count == len(lines)
    assert not trace.jobs or trace.jobs[0].submit_s == 0


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(write_file: WriteFile, content: bytes) -> None:
    try:
        trace = philly.read(write_file(COLUMNS.encode() + content))
    except TraceError:
        return
    assert trace.epoch_s is None or trace.jobs
