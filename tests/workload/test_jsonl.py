"""Our own format: exact both ways, and nothing unknown slips in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.events import Outcome
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Job, Priority
from noljima.model.resources import Gang, JobId, Resources, TaskGroup
from noljima.workload import jsonl
from noljima.workload.files import TraceError
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

WriteFile = Callable[..., Path]

HEADER = '{"noljima_trace": 1}\n'


def row(**fields: object) -> str:
    return json.dumps({"id": "a", "submit_s": 0, "run_s": 60, "gpus": 1, **fields}) + "\n"


def read_only(write_file: WriteFile, words: str, gpus_per_node: int | None = None) -> TraceJob:
    (only,) = jsonl.read(write_file(HEADER + words), gpus_per_node=gpus_per_node, strict=True).jobs
    return only


def test_every_field_finds_its_place(write_file: WriteFile) -> None:
    group = {
        "workers": 2,
        "gpu_milli": 4000,
        "gpu_memory_mib": 40_000,
        "cpu_milli": 8000,
        "memory_mib": 65_536,
        "gpu_types": ["A100", "H100"],
        "name": "trainer",
    }
    words = row(
        submit_s=1.5, outcome="limit", gpus=None, groups=[group], user="kim", name="bert",
        queue="vision", priority=0, limit_s=3600, evictable=True, checkpoint_s=600, restart_s=30,
    )  # fmt: skip

    each = Resources(gpu_milli=4000, gpu_memory_mib=40_000, cpu_milli=8000, memory_mib=65_536)
    types = ("A100", "H100")
    job = Job(
        id=JobId("a"),
        gang=Gang((TaskGroup(workers=2, each=each, gpu_types=types, name="trainer"),)),
        user="kim",
        name="bert",
        queue="vision",
        priority=Priority.URGENT,
        limit_s=3600,
        evictable=True,
        checkpoint=Checkpoint(interval_s=600, restart_s=30),
    )
    assert read_only(write_file, words) == TraceJob(1.5, 60, job, Outcome.LIMIT)


def test_a_number_of_gpus_is_shaped_for_the_nodes(write_file: WriteFile) -> None:
    assert read_only(write_file, row(gpus=16)).job.gang is shape(16)
    assert read_only(write_file, row(gpus=16), gpus_per_node=8).job.gang is shape(16, 8)


def test_what_is_left_out_has_the_model_s_default(write_file: WriteFile) -> None:
    job = read_only(write_file, row()).job

    assert job == Job(id=JobId("a"), gang=shape(1))
    assert job.checkpoint is NO_CHECKPOINT


def test_equal_groups_share_one_gang(write_file: WriteFile) -> None:
    groups = [{"workers": 2, "gpu_milli": 500}]
    rows = [row(id=name, gpus=None, groups=groups) for name in "ab"]
    one, two = jsonl.read(write_file(HEADER + "".join(rows))).jobs

    assert one.job.gang is two.job.gang


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (row(colour="red"), "Object contains unknown field `colour`"),
        (row(gpus=None), "job: 'a' needs either gpus or groups"),
        (row(groups=[{"workers": 1}]), "job: 'a' needs either gpus or groups"),
        (row(gpus=None, groups=[]), "task groups: 0 is outside"),
        (row(gpus=None, groups=[{"wrokers": 1}]), "Object contains unknown field `wrokers`"),
        (row(gpus=1.5), "Expected `int | null`, got `float`"),
        (row(gpus=0), "gpus: 0 is outside"),
        (row(run_s=0), "run_s: 0.0 is no time to run for"),
        (row(submit_s=-1), "submit_s: -1.0 is outside"),
        (row(submit_s=1e30), "submit_s: 1e+30 is outside"),
        (row(outcome="lost"), "Invalid enum value 'lost'"),
        (row(priority=7), "Invalid enum value 7"),
        (row(checkpoint_s=-1), "checkpoint interval_s: -1.0 is outside"),
        (row(user="a\nb"), "user: 'a\\nb' has a control character"),
        (row(id=""), "job id: '' is not 1 to"),
        ('{"id": "a", "submit_s": 0, "gpus": 1}\n', "Object missing required field `run_s`"),
        ('{"id": "a", "submit_s": NaN}\n', "JSON is malformed"),
        ("[" * 5000 + "\n", "JSON is malformed"),
        ("[1, 2]\n", "Expected `object`, got `array`"),
    ],
)
def test_a_row_that_is_no_job_is_reported_with_its_line(
    write_file: WriteFile, words: str, reason: str
) -> None:
    trace = jsonl.read(write_file(HEADER + row(id="other") + words))

    assert [problem.line for problem in trace.problems] == [3]
    assert reason in trace.problems[0].words or "[[[" in words
    assert len(trace.jobs) == 1


def test_a_strict_reader_refuses_an_unknown_field_with_line_and_name(
    write_file: WriteFile,
) -> None:
    with pytest.raises(TraceError, match=r", line 2: Object contains unknown field `colour`"):
        jsonl.read(write_file(HEADER + row(colour="red")), strict=True)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('{"noljima_trace": 2}', "is version 2 of the format; this reads version 1"),
        ('{"noljima_trace": 1, "gpus": 0}', "gpus: 0 is outside"),
        ('{"noljima_trace": 1, "epoch_s": -1}', "epoch_s: -1.0 is outside"),
        ('{"noljima_trace": 1, "colour": 1}', "Object contains unknown field `colour`"),
        ("{}", "Object missing required field `noljima_trace`"),
        ("", "does not begin with a header like"),
    ],
)
def test_a_file_without_our_header_is_refused(
    write_file: WriteFile, header: str, reason: str
) -> None:
    with pytest.raises(TraceError, match=r", line 1: ") as caught:
        jsonl.read(write_file(header + "\n" + row()))

    assert reason in caught.value.words


def test_a_trace_comes_back_as_it_was_written(
    tmp_path: Path, drawn_traces: st.SearchStrategy[Trace]
) -> None:
    path = tmp_path / "any.jsonl"

    @given(trace=drawn_traces, gpus_per_node=st.sampled_from([None, 8]))
    def round_trip(trace: Trace, gpus_per_node: int | None) -> None:
        jsonl.write(trace, path)
        again = jsonl.read(path, gpus_per_node=gpus_per_node, strict=True)

        assert msgspec.structs.replace(again, source=trace.source) == trace

    round_trip()


def test_a_name_that_ends_in_gz_is_packed_and_the_same_each_time(tmp_path: Path) -> None:
    trace = Trace(name="one", jobs=(TraceJob(0, 5, Job(id=JobId("a"), gang=shape(1))),))
    jsonl.write(trace, tmp_path / "one.jsonl.gz")
    jsonl.write(trace, tmp_path / "two.jsonl.gz")
    packed = (tmp_path / "one.jsonl.gz").read_bytes()

    assert packed == (tmp_path / "two.jsonl.gz").read_bytes()
    assert gzip.decompress(packed).startswith(b'{"noljima_trace":1,"name":"one"}\n')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jsonl.gz", "two.jsonl.gz"]


@pytest.mark.parametrize("place", ["missing/one.jsonl", "file/one.jsonl", "a\0b"])
def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(TraceError, match="cannot be written"):
        jsonl.write(Trace(name="none", jobs=()), tmp_path / place)


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4))
names = st.sampled_from([*jsonl.FIELDS, "other"])
objects = st.dictionaries(names, values | st.lists(st.dictionaries(names, values), max_size=2))


@given(st.lists(objects.map(json.dumps) | st.builds(row, id=names, gpus=values), max_size=6))
def test_every_row_is_a_job_or_a_problem(write_file: WriteFile, lines: list[str]) -> None:
    trace = jsonl.read(write_file(HEADER + "\n".join(line.strip() for line in lines)))

    assert len(trace.jobs) + trace.problem_count == len(lines)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(write_file: WriteFile, content: bytes) -> None:
    try:
        jsonl.read(write_file(HEADER.encode() + content))
    except TraceError as error:
        refused = str(error)
    else:
        return
    assert refused
