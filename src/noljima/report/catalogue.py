"""The figures of a run: what each is called, how it is defined, how it is written.

The table, the page and the documentation all read it from here, so that they cannot drift from
what `metrics` computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from noljima.report import wording

Value = float | int | str | None


class Kind(StrEnum):
    """How a figure is written."""

    TEXT = "text"
    COUNT = "count"
    SECONDS = "seconds"
    RATIO = "ratio"
    SHARE = "share"
    HOURS = "hours"


class Better(StrEnum):
    """Which way is better."""

    LOW = "low"
    HIGH = "high"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its JSON key, its name, its kind, which way is better, its definition."""

    key: str
    label: str
    kind: Kind
    better: Better
    definition: str


_QUANTILE: Final = "numpy's 'linear' quantile"

FIGURES: Final = (
    Figure("policy", "Policy", Kind.TEXT, Better.NEITHER, "The policy that decided."),
    Figure(
        "estimates",
        "Estimates",
        Kind.TEXT,
        Better.NEITHER,
        "Where the policy's run-time estimates came from.",
    ),
    Figure(
        "jobs",
        "Jobs",
        Kind.COUNT,
        Better.NEITHER,
        "Jobs that ran to an end, whatever their outcome; all other figures speak of these "
        "unless they say otherwise.",
    ),
    Figure(
        "mean_wait_s",
        "Mean wait",
        Kind.SECONDS,
        Better.LOW,
        "Mean of wait = end - submission - run time. For a job that was never evicted that is "
        "start - submission; work lost to an eviction and restart costs count as waiting.",
    ),
    Figure("p50_wait_s", "Median wait", Kind.SECONDS, Better.LOW, f"50 % of waits ({_QUANTILE})."),
    Figure("p95_wait_s", "95 % wait", Kind.SECONDS, Better.LOW, f"95 % of waits ({_QUANTILE})."),
    Figure("max_wait_s", "Longest wait", Kind.SECONDS, Better.LOW, "The longest wait."),
    Figure(
        "mean_bounded_slowdown",
        "Mean slowdown",
        Kind.RATIO,
        Better.LOW,
        "Mean bounded slowdown: max(1, (end - submission) / max(run time, 10 s)) "
        "(Feitelson et al., Theory and practice in parallel job scheduling, JSSPP 1997).",
    ),
    Figure(
        "p99_bounded_slowdown",
        "99 % slowdown",
        Kind.RATIO,
        Better.LOW,
        f"99 % of bounded slowdowns ({_QUANTILE}).",
    ),
    Figure(
        "max_bounded_slowdown",
        "Largest slowdown",
        Kind.RATIO,
        Better.LOW,
        "The largest bounded slowdown.",
    ),
    Figure(
        "mean_completion_s",
        "Mean completion",
        Kind.SECONDS,
        Better.LOW,
        "Mean of end - submission.",
    ),
    Figure(
        "makespan_s",
        "Makespan",
        Kind.SECONDS,
        Better.LOW,
        "Last end - first submission.",
    ),
    Figure(
        "utilisation",
        "Utilisation",
        Kind.SHARE,
        Better.HIGH,
        "Held GPU-time / (GPUs x makespan). Held is held: work that was lost to evictions, "
        "restarts and failed starts is included.",
    ),
    Figure(
        "idle_gpu_hours_while_waiting",
        "Idle while waiting",
        Kind.HOURS,
        Better.LOW,
        "Integral over the makespan of min(free GPUs, GPUs that waiting jobs ask for), in "
        "GPU-hours.",
    ),
    Figure(
        "evictions",
        "Evictions",
        Kind.COUNT,
        Better.LOW,
        "How often a running job was stopped to run again later, unfinished jobs included.",
    ),
    Figure(
        "lost_work_share",
        "Lost work",
        Kind.SHARE,
        Better.LOW,
        "GPU-time held beyond the jobs' work (redone work, restarts, failed starts) / held "
        "GPU-time.",
    ),
    Figure(
        "order_violations",
        "Late jobs",
        Kind.COUNT,
        Better.LOW,
        "Jobs whose last start is more than 1e-6 s later than their start in a strict "
        "first-come-first-served queue.",
    ),
    Figure(
        "late_share",
        "Late jobs, share",
        Kind.SHARE,
        Better.LOW,
        "Late jobs / jobs that the strict queue started too.",
    ),
    Figure(
        "mean_lateness_s",
        "Mean lateness",
        Kind.SECONDS,
        Better.LOW,
        "Mean over the late jobs of last start - strict start; 0 when none is late.",
    ),
    Figure(
        "max_lateness_s",
        "Largest lateness",
        Kind.SECONDS,
        Better.LOW,
        "The largest last start - strict start; 0 when none is late.",
    ),
    Figure(
        "user_fairness_jain",
        "Fairness",
        Kind.RATIO,
        Better.HIGH,
        "Jain's index (sum x)^2 / (n * sum x^2) over the users' mean bounded slowdowns x: 1 when "
        "all are alike, 1/n when one user has it all (Jain, Chiu, Hawe, DEC-TR-301, 1984).",
    ),
    Figure(
        "promises.made",
        "Promises",
        Kind.COUNT,
        Better.NEITHER,
        "Waits for GPUs that did not end at once, were told a start time and ended with a start; "
        "a job that was evicted waits again.",
    ),
    Figure(
        "promises.kept",
        "Promises kept, number",
        Kind.COUNT,
        Better.NEITHER,
        "Those that ended no later than the earliest time that was ever promised.",
    ),
    Figure(
        "promises.share_kept",
        "Promises kept",
        Kind.SHARE,
        Better.NEITHER,
        "Kept / made; 95 % is meant, and more is not better: then promises are later than need be.",
    ),
    Figure(
        "promises.first_kept",
        "First promise kept",
        Kind.SHARE,
        Better.NEITHER,
        "The share that ended no later than the time that was promised at first.",
    ),
    Figure(
        "promises.lowest_window",
        "Promises kept, worst 500",
        Kind.SHARE,
        Better.HIGH,
        "The lowest share kept of 500 promises in a row, as they were made; of fewer, of all.",
    ),
    Figure(
        "promises.median_error_s",
        "Start told, median error",
        Kind.SECONDS,
        Better.LOW,
        "Median of |start - the middle case as it was told at first|.",
    ),
    Figure(
        "promises.median_wait_s",
        "Promised waits, median",
        Kind.SECONDS,
        Better.NEITHER,
        "Median of start - the moment of the first promise: what the error is to be seen against.",
    ),
    Figure(
        "promises.median_width_s",
        "Promise ahead, median",
        Kind.SECONDS,
        Better.LOW,
        "Median of first promised time - the moment of that promise.",
    ),
    Figure(
        "promises.moves_mean",
        "Moves of a promise",
        Kind.RATIO,
        Better.NEITHER,
        "How often a promise was moved earlier, on average.",
    ),
    Figure(
        "refused",
        "Refused",
        Kind.COUNT,
        Better.NEITHER,
        "Jobs that never fit the cluster and were told so.",
    ),
    Figure(
        "unfinished",
        "Unfinished",
        Kind.COUNT,
        Better.NEITHER,
        "Jobs that still waited or ran at the last event.",
    ),
    Figure(
        "withdrawn",
        "Withdrawn",
        Kind.COUNT,
        Better.NEITHER,
        "Jobs that their owners cancelled before they ran to an end.",
    ),
    Figure(
        "wall_s",
        "Computed in",
        Kind.SECONDS,
        Better.NEITHER,
        "Seconds that the run took to compute.",
    ),
    Figure("jobs_per_s", "Jobs per second", Kind.RATIO, Better.NEITHER, "Jobs / seconds computed."),
)

_WRITERS: Final[Mapping[Kind, Callable[[float], str]]] = {
    Kind.TEXT: wording.count,
    Kind.COUNT: wording.count,
    Kind.SECONDS: wording.duration,
    Kind.RATIO: wording.ratio,
    Kind.SHARE: wording.share,
    Kind.HOURS: lambda hours: f"{wording.ratio(hours)} h",
}

BY_KEY: Final[Mapping[str, Figure]] = MappingProxyType({figure.key: figure for figure in FIGURES})


def written(figure: Figure, value: Value) -> str:
    """Write a figure's value for people."""
    if value is None:
        return wording.UNKNOWN
    if isinstance(value, str):
        return value
    return _WRITERS[figure.kind](value)


def nested(figures: Mapping[str, Value]) -> dict[str, object]:
    """Return figures as JSON has them: those with a point in their key in an object together."""
    told: dict[str, object] = {}
    groups: dict[str, dict[str, Value]] = {}
    for key, value in figures.items():
        group, point, name = key.rpartition(".")
        if not point:
            told[key] = value
            continue
        if group not in groups:
            told[group] = groups[group] = {}
        groups[group][name] = value
    return told


def best(figure: Figure, values: list[Value]) -> list[bool]:
    """Mark the best of the runs' values; what reads alike is alike, and all alike are not best."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if figure.better is Better.NEITHER or len({written(figure, value) for value in numbers}) < 2:
        return [False] * len(values)
    top = written(figure, min(numbers) if figure.better is Better.LOW else max(numbers))
    return [value is not None and written(figure, value) == top for value in values]
