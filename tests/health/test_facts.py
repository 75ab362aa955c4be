"""The door: garbage is refused in words, and what means nothing changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.config import HealthSettings
from noljima.health import Monitor
from noljima.health.facts import (
    METRICS,
    Began,
    Counted,
    Erred,
    Fact,
    Faulted,
    Over,
    Pause,
    Paused,
    Progressed,
    Repaired,
    Resumed,
    Sampled,
    Saved,
    Swept,
    Trouble,
)
from noljima.health.findings import Refusal
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import JobId, NodeId

A = JobId("a")
N = NodeId("n")


def sampled(**fields: object) -> Sampled:
    return Sampled(**({"at_s": 1.0, "job": A} | fields))  # type: ignore[arg-type]  # wrong types are the point


def progressed(**fields: object) -> Progressed:
    return Progressed(**({"at_s": 1.0, "job": A, "step": 1.0} | fields))  # type: ignore[arg-type]  # wrong too


def began(**fields: object) -> Began:
    return Began(**({"at_s": 1.0, "job": A} | fields))  # type: ignore[arg-type]  # wrong too


@pytest.mark.parametrize(
    ("build", "field", "words"),
    [
        (lambda: Swept(at_s=math.nan), "at_s", "is outside 0 to"),
        (lambda: Swept(at_s=-1.0), "at_s", "is outside 0 to"),
        (lambda: Swept(at_s="now"), "at_s", "is not a number of seconds"),  # type: ignore[arg-type]
        (lambda: began(job=""), "job id", "is not 1 to 256 characters"),
        (lambda: began(job="a\nb"), "job id", "has a control character"),
        (lambda: began(workers=0), "workers", "is outside 1 to"),
        (lambda: began(workers=10**9), "workers", "is outside 1 to"),
        (lambda: began(attempt=0), "attempt", "is outside 1 to"),
        (lambda: began(user="\x1b[2J"), "user", "has a control character"),
        (lambda: began(silence_s=1.0), "silence_s", "is outside 60 to"),
        (lambda: began(silence_s=math.inf), "silence_s", "is outside 60 to"),
        (lambda: sampled(cpu_s=-1.0), "cpu_s", "is outside 0 to"),
        (lambda: sampled(cpu_s=math.nan), "cpu_s", "is outside 0 to"),
        (lambda: sampled(cpu_s=True), "cpu_s", "is not a number"),
        (lambda: sampled(cpu_s="9"), "cpu_s", "is not a number"),
        (lambda: sampled(read_bytes=1e30), "read_bytes", "is outside 0 to"),
        (lambda: sampled(gpu_w=1e9), "gpu_w", "is outside 0 to"),
        (lambda: sampled(gpu_utilisation=95.0), "gpu_utilisation", "is outside 0 to 1"),
        (lambda: sampled(gpu_sm_activity=-0.1), "gpu_sm_activity", "is outside 0 to 1"),
        (lambda: sampled(running=1.5), "running", "is not a whole number"),
        (lambda: sampled(stopped=-1), "stopped", "is outside 0 to"),
        (lambda: sampled(worker=-1), "worker", "is outside 0 to"),
        (lambda: sampled(at_s=math.inf), "at_s", "is outside 0 to"),
        (lambda: progressed(step=math.nan), "step", "is outside 0 to"),
        (lambda: progressed(step=-1), "step", "is outside 0 to"),
        (lambda: progressed(total=math.inf), "total", "is outside 0 to"),
        (lambda: progressed(epoch="two"), "epoch", "is not a number"),
        (lambda: progressed(phase="p" * 65), "phase", "is not 0 to 64 characters"),
        (lambda: progressed(phase="a\x00b"), "phase", "has a control character"),
        (lambda: progressed(loss="nan"), "loss", "is not a number"),
        (lambda: progressed(loss=True), "loss", "is not a number"),
        (lambda: Paused(at_s=1.0, job=A, why="because"), "why", "is not one of suspended"),  # type: ignore[arg-type]
        (lambda: Over(at_s=1.0, job=A, exit_code=2**40), "exit_code", "is outside -255 to"),
        (lambda: Erred(at_s=1.0, job=A, trouble="bad"), "trouble", "is not one of exit"),  # type: ignore[arg-type]
        (lambda: Erred(at_s=1.0, job=A, trouble=Trouble.CUDA, line="x" * 300), "line", "is not 0"),
        (lambda: Erred(at_s=1.0, job=A, trouble=Trouble.CUDA, line="\a"), "line", "has a control"),
        (lambda: Faulted(at_s=1.0, node=N, gpu=-1, xid=79), "gpu", "is outside 0 to"),
        (lambda: Faulted(at_s=1.0, node=N, gpu=0, xid=10**9), "xid", "is outside 0 to 65,535"),
        (lambda: Faulted(at_s=1.0, node=NodeId(""), gpu=0, xid=1), "node id", "is not 1 to 256"),
        (lambda: Counted(at_s=1.0, node=N, gpu=0, remap_failed=1), "remap_failed", "is neither"),  # type: ignore[arg-type]
        (lambda: Counted(at_s=1.0, node=N, gpu=0, uncorrected=-3), "uncorrected", "is outside"),
        (lambda: Repaired(at_s=1.0, node=N, gpu=10**9), "gpu", "is outside 0 to"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    build: Callable[[], Fact], field: str, words: str
) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        build()

    assert refused.value.field == field
    assert words in str(refused.value)


def built(build: Callable[[], Fact], fields: Collection[str]) -> Fact | None:
    """Build a fact, or check that one of these fields was refused by name."""
    refused = ""
    try:
        return build()
    except InvalidFieldError as error:
        refused = error.field
    assert refused in fields
    return None


GARBAGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.just([]),
)


@given(field=st.sampled_from(METRICS), value=GARBAGE)
def test_any_garbage_is_a_number_or_refused_in_words(field: str, value: object) -> None:
    fact = built(lambda: sampled(**{field: value}), {field})
    if fact is not None:
        kept = getattr(fact, field)
        assert kept is None or (type(kept) in (int, float) and 0 <= kept <= 1e18)


@given(fields=st.dictionaries(st.sampled_from(["step", "total", "epoch", "loss"]), GARBAGE))
def test_any_garbage_of_progress_is_a_number_or_refused_in_words(fields: dict[str, object]) -> None:
    fact = built(lambda: progressed(**fields), fields)
    if fact is not None:
        assert Monitor().observe(began(), fact, Swept(at_s=2.0)) == []


@pytest.mark.parametrize(
    "fact",
    [
        sampled(),
        progressed(),
        Erred(at_s=1.0, job=A, trouble=Trouble.NCCL),
        Paused(at_s=1.0, job=A, why=Pause.STOPPING),
        Resumed(at_s=1.0, job=A),
        Saved(at_s=1.0, job=A),
        Over(at_s=1.0, job=A),
    ],
)
def test_what_is_told_of_an_unknown_job_is_refused(fact: Fact) -> None:
    monitor = Monitor()

    assert monitor.observe(fact) == [Refusal(at_s=1.0, words="no job a is running")]
    assert monitor.standing(A) is None


def test_a_worker_that_the_job_has_not_is_refused() -> None:
    monitor = Monitor()
    found = monitor.observe(
        began(workers=2), sampled(worker=2), Erred(at_s=1.0, job=A, trouble=Trouble.NCCL, worker=9)
    )

    assert [getattr(each, "words", "") for each in found] == [
        "job a has 2 workers and none 2",
        "job a has 2 workers and none 9",
    ]


def test_a_fact_of_another_kind_is_refused() -> None:
    (refusal,) = Monitor().observe(Fact(at_s=3.0))

    assert refusal == Refusal(at_s=3.0, words="Fact is no fact about health")


def test_faults_and_counters_of_gpus_without_a_job_are_taken() -> None:
    monitor = Monitor()
    gpu = Counted(at_s=1.0, node=N, gpu=0, job=A, remap_pending=True)

    assert len(monitor.observe(gpu)) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"silence_s": 1.0}, "health.silence_s: 1.0 is outside 60"),
        ({"silence_s": math.nan}, "health.silence_s: nan is outside"),
        ({"silence_gaps": 0.5}, "health.silence_gaps: 0.5 is outside 1"),
        ({"alive_factor": math.inf}, "health.alive_factor: inf is outside"),
        ({"cluster_end_share": 1.5}, "health.cluster_end_share: 1.5 is outside 0 to 1"),
        ({"doubt_share": "all"}, "health.doubt_share: 'all' is not a number"),
        ({"user_ends_per_hour": -1}, "health.user_ends_per_hour: -1 is outside 0"),
        ({"nan_steps": 1}, "health.nan_steps: 1 is outside 2"),
        ({"crash_count": 1}, "health.crash_count: 1 is outside 2"),
        ({"gap_s_max": 0.0}, "health.gap_s_max: 0.0 is outside 1"),
        ({"dry_run": 1}, "dry_run: 1 is neither true nor false"),
        ({"steps_min": True}, "health.steps_min: True is not a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(
    fields: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        HealthSettings(**fields)  # type: ignore[arg-type]  # wrong types are the point

    assert str(refused.value).startswith(words)
