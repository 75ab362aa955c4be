"""What a trace says of itself."""

from __future__ import annotations

import math

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob


def job(name: str, submit_s: float, run_s: float, gpus: int) -> TraceJob:
    return TraceJob(submit_s, run_s, Job(id=JobId(name), gang=shape(gpus)))


def test_the_load_is_the_work_over_the_capacity_from_first_to_last_submission() -> None:
    trace = Trace(name="two", jobs=(job("a", 100, 50, 8), job("b", 300, 100, 4)))

    assert trace.span_s == 200
    assert trace.gpu_s == 800
    assert trace.gpus_max == 8
    assert trace.load(8) == 0.5


def test_work_in_no_time_is_an_infinite_load() -> None:
    assert Trace(name="one", jobs=(job("a", 100, 50, 8),)).load(8) == math.inf


def test_an_empty_trace_has_no_load() -> None:
    trace = Trace(name="none", jobs=())

    assert (trace.span_s, trace.gpu_s, trace.gpus_max, trace.load(8)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("submit_s", "run_s"), [(-1, 5), (math.nan, 5), (0, 0), (0, -1), (0, math.inf), (1e30, 5)]
)
def test_times_that_no_job_has_are_refused(submit_s: float, run_s: float) -> None:
    with pytest.raises(InvalidFieldError):
        job("a", submit_s, run_s, 1)


def test_jobs_out_of_order_are_no_trace() -> None:
    with pytest.raises(AssertionError, match="jobs out of order"):
        Trace(name="two", jobs=(job("a", 300, 50, 8), job("b", 100, 100, 4)))
