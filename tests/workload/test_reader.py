"""One way in: the content says what a file is."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.workload.files import TraceError
from noljima.workload.reader import Format, read_trace, recognise

WriteFile = Callable[..., Path]

SWF_ROW = "1 0 -1 60 8 -1 -1 8 600 -1 1 1 -1 -1 -1 -1 -1 -1\n"
CONTENTS = {
    Format.SWF: SWF_ROW,
    Format.PHILLY: "timestamp,duration,num_gpus,gpu_time,cluster\n2017-10-09 07:00:00,60,8,480,b\n",
    Format.JSONL: '{"noljima_trace": 1}\n{"id": "a", "submit_s": 0, "run_s": 60, "gpus": 8}\n',
    Format.OPENB: (
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
        "deletion_time,scheduled_time\na,8000,1024,8,1000,,LS,Running,0,60,0\n"
    ),
}


@pytest.mark.parametrize("kind", Format)
def test_every_format_is_recognised_and_read_whatever_the_name(
    write_file: WriteFile, kind: Format
) -> None:
    for content in (CONTENTS[kind].encode(), gzip.compress(CONTENTS[kind].encode())):
        path = write_file(content, ".bin")

        assert recognise(path) is kind
        (only,) = read_trace(path, gpus_per_node=8, strict=True).jobs
        assert (only.submit_s, only.run_s, only.job.gang.gpu_milli) == (0, 60, 8000)
        assert only.job.gang.workers == 1


def test_a_log_may_begin_with_comments_or_blank_lines(write_file: WriteFile) -> None:
    assert recognise(write_file("\n\n; Computer: X\n" + SWF_ROW)) is Format.SWF


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "begins with 'sn,cpu_milli,memory_mib,gpu,model'"),
        ("a long " * 100, "begins with 'a long a long"),
    ],
)
def test_anything_else_is_refused_with_what_it_begins_with(
    write_file: WriteFile, content: str, reason: str
) -> None:
    with pytest.raises(TraceError) as caught:
        read_trace(write_file(content))

    assert caught.value.words.startswith(reason)
    assert len(caught.value.words) < 200


def test_the_refusal_lists_what_can_be_read(write_file: WriteFile) -> None:
    with pytest.raises(TraceError, match="which is none of: Standard Workload Format, Philly CSV"):
        read_trace(write_file("hello"))


def test_a_strict_reader_refuses_a_bad_row(write_file: WriteFile) -> None:
    path = write_file(SWF_ROW + "1 2 3\n")

    assert read_trace(path).problem_count == 1
    with pytest.raises(TraceError, match=r", line 2: has 3 fields"):
        read_trace(path, strict=True)


@given(st.sampled_from(sorted(CONTENTS.values())), st.binary(max_size=100))
def test_any_file_is_read_or_refused(write_file: WriteFile, start: str, rest: bytes) -> None:
    try:
        trace = read_trace(write_file(start.encode() + rest))
    except TraceError as error:
        refused = str(error)
    else:
        assert len(trace.jobs) + trace.problem_count >= 1
        return
    assert refused
