"""What one prediction costs, once much has been learned.

Jobs come as they were submitted; each has ended by the time that a hundred more have come, so that
there always are siblings that run.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec
import numpy as np

from bench import workloads
from bench.row import Result, Row
from noljima.prediction.source import Guarded
from noljima.prediction.sources import source_of
from noljima.workload.trace import TraceJob

SECTION: Final = "Prediction"
BUDGET_US: Final = 300.0
_RUNNING: Final = 100


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is learned, and how many predictions are measured after that."""

    learned: int = 20_000
    samples: int = 5_000


def measure(plan: Plan) -> Result:
    """Measure predictions from history, and learning."""
    jobs = plan.learned + plan.samples
    trace = workloads.generated(jobs, 512, 30.0, nodes=True, load=None)
    estimates = Guarded(source_of("history"))
    running: deque[TraceJob] = deque()
    predict_us: list[float] = []
    learn_us: list[float] = []
    for entry in trace.jobs:
        estimates.advance(entry.submit_s)
        began_ns = time.thread_time_ns()
        estimates.predict(entry.job, None)
        predict_us.append((time.thread_time_ns() - began_ns) / 1e3)
        estimates.started(entry.job)
        running.append(entry)
        if len(running) > _RUNNING:
            ended = running.popleft()
            began_ns = time.thread_time_ns()
            estimates.learn(ended.job, ended.run_s)
            learn_us.append((time.thread_time_ns() - began_ns) / 1e3)
    assert not estimates.failures, estimates.last_failure
    settled = slice(plan.learned, None)
    return Result(
        rows=[
            *_rows("one prediction from history", predict_us[settled], BUDGET_US),
            *_rows("learning how one job ended", learn_us[settled], None),
        ]
    )


def _rows(what: str, times_us: list[float], budget: float | None) -> list[Row]:
    """Make a row of the mean, which the budget is for, and one of the slow ones."""
    mean_us, p99_us = float(np.mean(times_us)), float(np.percentile(times_us, 99))
    note = f"{len(times_us):,} of them"
    return [
        Row(
            section=SECTION,
            what=f"{what}, mean",
            values=(mean_us,),
            unit="µs",
            note=note,
            budget=budget,
        ),
        Row(section=SECTION, what=f"{what}, p99", values=(p99_us,), unit="µs", note=note),
    ]
