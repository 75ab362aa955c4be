"""The figures by which runs are compared, one function each.

Every function but the last takes the jobs that ran to an end. What the figures mean in a sentence
stands in `catalogue`; here stand the formulas. Quantiles are numpy's 'linear' ones: of n sorted
values the q-quantile lies at place q * (n - 1), interpolated. A figure of no jobs at all is NaN,
and None where `figures` hands it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from noljima.model.resources import GPU
from noljima.report import curves, promises
from noljima.report.catalogue import FIGURES, Value
from noljima.report.record import Floats, Integers, Jobs, RunRecord

BOUND_S: Final = 10.0
"""Run times below this count as this in the bounded slowdown."""
LATE_S: Final = 1e-6
"""A start later than its reference by no more than this is not late."""
_HOUR_S: Final = 3600.0

definitions: Final[Mapping[str, str]] = {figure.key: figure.definition for figure in FIGURES}
"""What each figure means, in a sentence."""


def figures(
    run: RunRecord,
    capacity_milli: int,
    strict_starts: Mapping[str, float] | None,
    wall_s: float,
) -> dict[str, Value]:
    """Compute every figure of a run, by JSON key; None is a figure that nobody can know."""
    jobs = run.ended
    wait_s, slowdown = jobs.wait_s, bounded_slowdown(jobs)
    numbers: dict[str, float] = {
        "mean_wait_s": mean(wait_s),
        "p50_wait_s": quantile(wait_s, 0.50),
        "p95_wait_s": quantile(wait_s, 0.95),
        "max_wait_s": largest(wait_s),
        "mean_bounded_slowdown": mean(slowdown),
        "p99_bounded_slowdown": quantile(slowdown, 0.99),
        "max_bounded_slowdown": largest(slowdown),
        "mean_completion_s": mean(jobs.completion_s),
        "makespan_s": makespan_s(jobs),
        "utilisation": utilisation(run, capacity_milli),
        "idle_gpu_hours_while_waiting": idle_gpu_hours_while_waiting(run, capacity_milli),
        "evictions": int(run.jobs.evictions.sum()),
        "lost_work_share": lost_work_share(jobs),
        **_lateness_figures(jobs, strict_starts),
        "user_fairness_jain": user_fairness_jain(jobs),
        "refused": run.refused,
        "unfinished": run.unfinished,
        "withdrawn": run.withdrawn,
        "wall_s": wall_s,
        "jobs_per_s": len(jobs) / wall_s if wall_s > 0 else math.nan,
    }
    if run.promises is not None:
        numbers |= promises.figures(run.promises)
    known = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
    return {"policy": run.policy, "estimates": run.estimates, "jobs": len(jobs), **known}


def mean(values: Floats) -> float:
    """Return the arithmetic mean; NaN of nothing."""
    return float(values.mean()) if len(values) else math.nan


def quantile(values: Floats, q: float) -> float:
    """Return the value at place q * (n - 1) of the sorted values, interpolated; NaN of nothing."""
    return float(np.quantile(values, q, method="linear")) if len(values) else math.nan


def largest(values: Floats) -> float:
    """Return the largest value; NaN of nothing."""
    return float(values.max()) if len(values) else math.nan


def bounded_slowdown(jobs: Jobs) -> Floats:
    """Return max(1, (end - submit) / max(run, 10 s)) of each job.

    Feitelson, Rudolph, Schwiegelshohn, Sevcik, Wong: "Theory and practice in parallel job
    scheduling", JSSPP 1997. The bound keeps jobs of a few seconds from ruling the mean.
    """
    return np.maximum(1.0, jobs.completion_s / np.maximum(jobs.run_s, BOUND_S))


def makespan_s(jobs: Jobs) -> float:
    """Return the last end - the first submission."""
    return float(jobs.end_s.max() - jobs.submit_s.min()) if len(jobs) else math.nan


def utilisation(run: RunRecord, capacity_milli: int) -> float:
    """Return held GPU-time / (capacity * makespan); held includes work that was lost."""
    span_s = makespan_s(run.ended)
    if not span_s > 0 or capacity_milli <= 0:
        return math.nan
    first_s, last_s = float(run.ended.submit_s.min()), float(run.ended.end_s.max())
    held = run.segments
    held_s = np.clip(held.end_s, first_s, last_s) - np.clip(held.start_s, first_s, last_s)
    return float(held_s @ run.jobs.gpu_milli[held.job]) / (capacity_milli * span_s)


def idle_gpu_hours_while_waiting(run: RunRecord, capacity_milli: int) -> float:
    """Integrate min(free GPUs, GPUs that waiting jobs ask for) over the makespan, in hours."""
    if not len(run.ended):
        return math.nan
    first_s, last_s = float(run.ended.submit_s.min()), float(run.ended.end_s.max())
    held, asked = curves.held_gpu_milli(run), curves.waiting_gpu_milli(run)
    steps_s = np.unique(np.concatenate((held.time_s, asked.time_s, [first_s, last_s])))
    steps_s = steps_s[(steps_s >= first_s) & (steps_s <= last_s)]
    free_milli = np.maximum(capacity_milli - held.at(steps_s), 0)
    idle_milli = np.minimum(free_milli, asked.at(steps_s))
    return float(idle_milli[:-1] @ np.diff(steps_s)) / GPU / _HOUR_S


def lost_work_share(jobs: Jobs) -> float:
    """Return lost GPU-time / held GPU-time, where held = work + lost."""
    if not len(jobs):
        return math.nan
    lost = float(jobs.lost_gpu_s.sum())
    held = lost + float(jobs.run_s @ jobs.gpu_milli) / GPU
    return lost / held if held > 0 else 0.0


def lateness_s(jobs: Jobs, strict_starts: Mapping[str, float]) -> Floats:
    """Return last start - strict start of each job that the strict queue started too."""
    strict_s = np.array([strict_starts.get(job, math.nan) for job in jobs.id], dtype=np.float64)
    late_s = jobs.last_start_s - strict_s
    return late_s[~np.isnan(late_s)]


def user_fairness_jain(jobs: Jobs) -> float:
    """Return Jain's index over the users' mean bounded slowdowns."""
    return jain(user_slowdowns(jobs)[1])


def user_slowdowns(jobs: Jobs) -> tuple[list[str], Floats, Integers]:
    """Return the users, the mean bounded slowdown of each, and how many jobs each had."""
    places: dict[str, int] = {}
    codes = np.array([places.setdefault(user, len(places)) for user in jobs.user], dtype=np.int64)
    counts = np.bincount(codes, minlength=len(places))
    sums = np.bincount(codes, weights=bounded_slowdown(jobs), minlength=len(places))
    return list(places), sums / np.maximum(counts, 1), counts.astype(np.int64)


def jain(values: Floats) -> float:
    """Return (sum x)^2 / (n * sum x^2).

    Jain, Chiu, Hawe: "A quantitative measure of fairness and discrimination for resource
    allocation in shared computer systems", DEC Research Report TR-301, 1984.
    """
    squares = float(values @ values)
    return float(values.sum()) ** 2 / (len(values) * squares) if squares > 0 else math.nan


def _lateness_figures(
    jobs: Jobs, strict_starts: Mapping[str, float] | None
) -> dict[str, float | int]:
    if strict_starts is None:
        keys = ("order_violations", "late_share", "mean_lateness_s", "max_lateness_s")
        return dict.fromkeys(keys, math.nan)
    compared_s = lateness_s(jobs, strict_starts)
    late_s = compared_s[compared_s > LATE_S]
    return {
        "order_violations": len(late_s),
        "late_share": len(late_s) / len(compared_s) if len(compared_s) else 0.0,
        "mean_lateness_s": mean(late_s) if len(late_s) else 0.0,
        "max_lateness_s": largest(late_s) if len(late_s) else 0.0,
    }
