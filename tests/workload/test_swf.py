"""The Standard Workload Format: every row becomes a job or a reported problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.events import Outcome
from noljima.model.resources import JobId
from noljima.workload import swf
from noljima.workload.draft import PROBLEMS_KEPT
from noljima.workload.files import TraceError
from noljima.workload.shape import shape

WriteFile = Callable[..., Path]

HEADER = """\
; Computer: Somewhere
; MaxProcs: 100
; UnixStartTime: 1163199901
; Note: one
; Note: two
;  without a colon
"""


def row(  # noqa: PLR0917 - one for each field that we read
    job: object = 1,
    submit: object = 10,
    run: object = 600,
    allocated: object = 8,
    requested: object = 16,
    limit: object = 3600,
    status: object = 1,
    user: object = 5,
    executable: object = 3,
    queue: object = 2,
) -> str:
    fields = [job, submit, -1, run, allocated, -1, -1, requested, limit, -1, status, user, 7]
    return " ".join(str(field) for field in [*fields, executable, queue, -1, -1, -1]) + "\n"


def problem_of(write_file: WriteFile, words: str) -> str:
    trace = swf.read(write_file(words))
    assert trace.problem_count == 1
    assert len(trace.problems) == 1
    return trace.problems[0].words


def test_a_row_becomes_a_job_with_all_that_the_format_tells(write_file: WriteFile) -> None:
    (only,) = swf.read(write_file(row()), gpus_per_node=8).jobs

    assert (only.submit_s, only.run_s, only.outcome) == (10, 600, Outcome.SUCCEEDED)
    assert only.job.id == JobId("1")
    assert only.job.gang is shape(16, 8)
    assert (only.job.user, only.job.name, only.job.queue) == ("u5", "exe3", "q2")
    assert only.job.limit_s == 3600


def test_unknown_fields_stay_empty(write_file: WriteFile) -> None:
    words = row(requested=-1, limit=-1, user=-1, executable=-1, queue=-1)
    (only,) = swf.read(write_file(words)).jobs

    assert only.job.gang is shape(8)
    assert (only.job.user, only.job.name, only.job.queue) == ("", "", "")
    assert only.job.limit_s is None


def test_the_header_tells_machine_and_epoch(write_file: WriteFile) -> None:
    trace = swf.read(write_file(HEADER + row()))

    assert trace.gpus == 100
    assert trace.epoch_s == 1163199901
    assert trace.header["Computer"] == "Somewhere"
    assert trace.header["Note"] == "one\ntwo"


@pytest.mark.parametrize("value", ["many", "-5", "0", "1e3", "9" * 30, "\u0663"])
def test_an_absurd_header_value_is_no_value(write_file: WriteFile, value: str) -> None:
    assert swf.read(write_file(f"; MaxProcs: {value}\n" + row())).gpus is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (-1, Outcome.SUCCEEDED),
        (0, Outcome.FAILED),
        (1, Outcome.SUCCEEDED),
        (5, Outcome.CANCELLED),
    ],
)
def test_the_status_is_the_outcome(write_file: WriteFile, status: int, outcome: Outcome) -> None:
    (only,) = swf.read(write_file(row(status=status))).jobs

    assert only.outcome is outcome


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (row(run=-1), "run time: -1 is outside"),
        (row(run=0), "run_s: 0.0 is no time to run for"),
        (row(requested=0, allocated=0), "processors: 0 is outside"),
        (row(requested=2.5), "processors: 2.5 is not a whole number"),
        (row(requested=2_000_000), "processors: 2000000 is outside"),
        (row(submit=-5), "submit time: -5.0 is outside"),
        (row(submit="1e30"), "submit time: 1e+30 is outside"),
        (row(run="nan"), "field 4: 'nan' is not a number"),
        (row(run="inf"), "field 4: 'inf' is not a number"),
        (row(limit="1e30"), "limit_s: 1e+30 is outside"),
        (row(user="you"), "field 12: 'you' is not a number"),
        (row(user="1_0"), "field 12: '1_0' is not a number"),
        (row(user="\u0663"), "field 12: '\u0663' is not a number"),
        (row(status=2), "status: 2 is a part of a job"),
        (row(status=9), "status: 9 is none that the format knows"),
        (row(job=-1), "job number: -1 is outside"),
        ("1 2 3\n", "has 3 fields; the format has 18"),
        (row().strip() + " 19\n", "has 19 fields; the format has 18"),
    ],
)
def test_a_row_that_cannot_be_a_job_is_reported(
    write_file: WriteFile, words: str, reason: str
) -> None:
    assert problem_of(write_file, words).startswith(reason)


def test_a_problem_names_its_line_and_the_other_rows_are_read(write_file: WriteFile) -> None:
    trace = swf.read(write_file(HEADER + row(job=1) + row(job=2, run=-1) + "\n" + row(job=3)))

    assert [job.job.id for job in trace.jobs] == ["1", "3"]
    assert [problem.line for problem in trace.problems] == [8]


def test_a_strict_reader_refuses_the_file_at_the_first_bad_row(write_file: WriteFile) -> None:
    path = write_file(row() + row(job=2, run=-1))

    with pytest.raises(TraceError, match=r", line 2: run time: -1 is outside"):
        swf.read(path, strict=True)


def test_a_job_number_counts_once(write_file: WriteFile) -> None:
    assert problem_of(write_file, row() + row(run=5)) == "job 1 was on line 1 already"


def test_a_limit_that_was_not_enforced_is_raised_with_a_note(write_file: WriteFile) -> None:
    trace = swf.read(write_file(row(run=700, limit=600)), strict=True)

    assert trace.jobs[0].job.limit_s == 700
    assert trace.note_count == 1
    assert trace.notes[0].words == "ran 700 s, longer than its limit of 600 s"


def test_jobs_are_in_order_of_submission_and_ties_in_order_of_the_file(
    write_file: WriteFile,
) -> None:
    rows = [row(job=4, submit=9), row(job=3, submit=5), row(job=2, submit=9), row(job=1, submit=5)]
    trace = swf.read(write_file("".join(rows)))

    assert [job.job.id for job in trace.jobs] == ["3", "1", "4", "2"]


def test_of_many_problems_some_are_kept_and_all_are_counted(write_file: WriteFile) -> None:
    trace = swf.read(write_file("bad\n" * 500))

    assert trace.problem_count == 500
    assert len(trace.problems) == PROBLEMS_KEPT


def test_names_in_an_old_encoding_do_not_spoil_the_log(write_file: WriteFile) -> None:
    trace = swf.read(write_file("; Acknowledge: J\u00f6rg\n".encode("latin-1") + row().encode()))

    assert len(trace.jobs) == 1


fields = st.one_of(
    st.integers(-2, 50).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["-1", "0", "1e30", "nan", "1_0", "x", "\u0663", "0x1f", "9" * 5000, "--1", "+"]
    ),
)
rows = st.lists(fields, min_size=16, max_size=19).map(" ".join)
plausible = st.builds(
    row,
    job=st.integers(0, 5) | fields,
    submit=fields,
    run=st.integers(0, 100) | fields,
    allocated=fields,
    requested=fields,
    limit=fields,
    status=st.integers(-1, 6),
    user=fields,
    executable=fields,
    queue=fields,
)


@given(st.lists(rows | plausible, max_size=8), st.sampled_from([None, 1, 8]))
def test_every_row_is_a_job_or_a_problem(
    write_file: WriteFile, lines: list[str], gpus_per_node: int | None
) -> None:
    content = "\n".join(line.strip() for line in lines)
    trace = swf.read(write_file(content), gpus_per_node=gpus_per_node)

    assert len(trace.jobs) + trace.problem_count == len(lines)
    assert len({job.job.id for job in trace.jobs}) == len(trace.jobs)
    assert all(job.job.limit_s is None or job.job.limit_s >= job.run_s for job in trace.jobs)


@given(st.binary(max_size=400))
def test_any_file_is_a_log_or_refused(write_file: WriteFile, content: bytes) -> None:
    try:
        trace = swf.read(write_file(content))
    except TraceError:
        return
    assert len(trace.jobs) == 0 or trace.source
