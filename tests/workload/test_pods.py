"""Pod lists as traces: a pod is a job of one worker, told in full by its row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.events import Outcome
from noljima.model.resources import JobId, Resources
from noljima.workload import openb, pods
from noljima.workload.files import TraceError
from noljima.workload.trace import TraceJob

WriteFile = Callable[..., Path]

COLUMNS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
)


def read_only(write_file: WriteFile, row: str) -> TraceJob:
    (only,) = pods.read(write_file(COLUMNS + row)).jobs
    return only


def test_a_pod_runs_from_its_start_to_its_deletion(write_file: WriteFile) -> None:
    only = read_only(write_file, "pod-7,6000,12288,1,460,T4|P100,LS,Succeeded,100,700,160\n")

    assert (only.submit_s, only.run_s, only.outcome) == (100, 540, Outcome.SUCCEEDED)
    assert (only.job.id, only.job.queue) == (JobId("pod-7"), "LS")
    (group,) = only.job.gang.groups
    assert group.workers == 1
    assert group.each == Resources(gpu_milli=460, cpu_milli=6000, memory_mib=12_288)
    assert group.gpu_types == ("T4", "P100")


@pytest.mark.parametrize(
    ("gpus", "share", "gpu_milli"), [(0, 0, 0), (1, 1000, 1000), (8, 1000, 8000)]
)
def test_whole_gpus_and_none_are_counted(
    write_file: WriteFile, gpus: int, share: int, gpu_milli: int
) -> None:
    only = read_only(write_file, f"pod,1000,1024,{gpus},{share},,BE,Running,0,10,0\n")

    assert only.job.gang.gpu_milli == gpu_milli
    assert only.job.gang.groups[0].gpu_types == ()


def test_a_pod_that_was_never_scheduled_is_noted(write_file: WriteFile) -> None:
    trace = pods.read(write_file(COLUMNS + "pod,1000,1024,1,1000,,BE,Pending,50,80,\n"))

    assert trace.jobs[0].run_s == 30
    assert (trace.note_count, trace.notes[0].line) == (1, 2)


def test_a_failed_pod_failed(write_file: WriteFile) -> None:
    only = read_only(write_file, "pod,1000,1024,1,1000,,BE,Failed,0,10,0\n")

    assert only.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("pod,1000,1024,2,500,,LS,Running,0,10,0", "gpu_milli: 500 is not 1000 for each of 2"),
        ("pod,1000,1024,1,1500,,LS,Running,0,10,0", "gpu_milli: 1500 is outside 0 to 1,000"),
        ("pod,-5,1024,1,1000,,LS,Running,0,10,0", "cpu_milli: '-5' is not a whole number"),
        ("pod,1000,nan,1,1000,,LS,Running,0,10,0", "memory_mib: 'nan' is not a whole number"),
        ("pod,1000,1024,1,1000,,LS,Running,10,10,10", "run_s: 0.0 is no time to run for"),
        ("pod,1000,1024,1,1000,,LS,Running,10,5,", "run_s: -5.0 is outside"),
        ("pod,1000,1024,1,1000,,LS,Running,10,,", "deletion_time: '' is not a whole number"),
        (",1000,1024,1,1000,,LS,Running,0,10,0", "job id: '' is not 1 to 256"),
        ("pod,1000", "row: 2 is not the 11 fields of line 1"),
    ],
)
def test_a_row_that_cannot_be_a_job_is_reported(
    write_file: WriteFile, row: str, reason: str
) -> None:
    trace = pods.read(write_file(COLUMNS + row + "\n"))

    assert trace.jobs == ()
    assert trace.problems[0].words.startswith(reason)
    assert trace.problems[0].line == 2


def test_a_list_without_times_is_no_trace(write_file: WriteFile) -> None:
    path = write_file("name,cpu_milli,memory_mib,num_gpu,gpu_milli\npod,1000,1024,1,1000\n")

    with pytest.raises(TraceError, match="has no column creation_time, deletion_time"):
        pods.read(path)


fields = st.sampled_from(["", "0", "1", "1000", "10.0", "-1", "nan", "x", "9" * 5000, "\u0663"])
rows = st.lists(fields, min_size=10, max_size=12).map(",".join)


@given(st.lists(rows, max_size=8))
def test_every_row_is_a_job_or_a_problem(write_file: WriteFile, lines: list[str]) -> None:
    trace = pods.read(write_file(COLUMNS + "\n".join(lines)))

    assert len(trace.jobs) + trace.problem_count == len(lines)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(write_file: WriteFile, content: bytes) -> None:
    try:
        trace = pods.read(write_file(COLUMNS.encode() + content))
    except TraceError:
        return
    assert trace.source


AMOUNTS = st.sampled_from(["0", "1", "2", "460", "1000", "1500", "2000.0", "-1", "", "x", "9" * 20])


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=8))
def test_a_pod_is_the_same_gang_for_packing_and_in_a_trace(
    write_file: WriteFile, amounts: list[tuple[str, str, str, str]]
) -> None:
    lines = [
        f"pod-{number},{','.join(row)},T4,LS,Running,0,10,0" for number, row in enumerate(amounts)
    ]
    path = write_file(COLUMNS + "\n".join(["pod-good,1,1,1,500,,LS,Running,0,10,0", *lines]))
    trace, listing = pods.read(path), openb.read_pods(path)

    assert [entry.job.gang for entry in trace.jobs] == list(listing)
    assert trace.problems == listing.problems
