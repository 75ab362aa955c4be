"""The data behind the page's plots, as plain values for JSON.

Every curve is thinned and every list is bounded, so that a year's trace makes a page of a few
megabytes. Times are seconds since the first submission of any run; amounts are GPUs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from noljima.model.resources import GPU
from noljima.report import curves, metrics, promises
from noljima.report.page import thinning, timeline
from noljima.report.page.roster import Roster
from noljima.report.page.rounding import significant, whole
from noljima.report.record import Floats, RunRecord

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
RANKS_MAX: Final = 800
"""Users in the curve of all users."""
NAMED_USERS: Final = 12
SCATTER_MAX: Final = 4000

Value = object
"""A JSON value."""


def of(runs: Sequence[RunRecord], capacity_milli: int) -> dict[str, Value]:
    """Return everything that the page's script draws."""
    first_s = first_submission(runs)
    last_s = max((run.last_s for run in runs), default=0.0)
    edges_s = thinning.edges(first_s, last_s)
    roster = Roster()
    drawn = timeline.of(runs, capacity_milli, first_s, roster)
    compared = scatter(runs, roster)
    return {
        "runs": run_names(runs),
        "gpus": capacity_milli / GPU,
        "time": whole(edges_s[:-1] - first_s, 1),
        "slice_s": float(edges_s[1] - edges_s[0]),
        "curves": [over_time(run, edges_s, capacity_milli) for run in runs],
        "promises": promised(runs, edges_s),
        "wait": distribution([run.ended.wait_s for run in runs], low=1.0),
        "slowdown": distribution([metrics.bounded_slowdown(run.ended) for run in runs], low=1.0),
        "users": fairness(runs),
        "scatter": compared,
        "timeline": drawn,
        # Last: the timeline and the scatter say which jobs are needed.
        "jobs": roster.columns(first_s),
    }


def first_submission(runs: Sequence[RunRecord]) -> float:
    """Return when the first job of any run was submitted: the page's time zero."""
    return min((float(run.jobs.submit_s.min()) for run in runs if len(run.jobs)), default=0.0)


def run_names(runs: Sequence[RunRecord]) -> list[str]:
    """Name each run by its policy, and by its estimates where the policy is there twice."""
    policies = Counter(run.policy for run in runs)
    names = [
        f"{run.policy} ({run.estimates})" if policies[run.policy] > 1 else run.policy
        for run in runs
    ]
    twice = Counter(names)
    return [
        f"{name} #{names[: place + 1].count(name)}" if twice[name] > 1 else name
        for place, name in enumerate(names)
    ]


def over_time(run: RunRecord, edges_s: Floats, capacity_milli: int) -> dict[str, Value]:
    """Return utilisation in per cent, waiting jobs and waiting GPUs, slice by slice."""
    scales = {
        "held": (curves.held_gpu_milli(run), 100 / max(capacity_milli, 1)),
        "jobs": (curves.waiting_jobs(run), 1.0),
        "asked": (curves.waiting_gpu_milli(run), 1 / GPU),
    }
    told: dict[str, Value] = {}
    for name, (curve, scale) in scales.items():
        slices = thinning.sliced(curve, edges_s)
        told[name] = {
            "mean": whole(slices.mean * scale, 2),
            "low": whole(slices.low * scale, 2),
            "high": whole(slices.high * scale, 2),
        }
    return told


def promised(runs: Sequence[RunRecord], edges_s: Floats) -> dict[str, Value] | None:
    """Return how well promises were kept, in per cent, at the end of each slice."""
    if all(run.promises is None for run in runs):
        return None
    return {
        "window": promises.WINDOW,
        "kept": [whole(100 * promises.kept_by(run.promises or (), edges_s[1:]), 2) for run in runs],
    }


def distribution(columns: Sequence[Floats], low: float) -> dict[str, Value]:
    """Return the share of values up to each point of a common logarithmic axis, and quantiles."""
    top = max((float(column.max()) for column in columns if len(column)), default=low)
    grid = thinning.log_grid(low, top)
    return {
        "grid": significant(grid),
        "share": [whole(100 * thinning.share_up_to(column, grid), 3) for column in columns],
        "levels": list(QUANTILES),
        "quantiles": [
            significant(np.array([metrics.quantile(column, level) for level in QUANTILES]))
            for column in columns
        ],
    }


def fairness(runs: Sequence[RunRecord]) -> dict[str, Value]:
    """Return each run's users by falling mean slowdown, and the worst off by name."""
    told = [_users(run) for run in runs]
    worst: dict[str, float] = {}
    for users in told:
        for user, (slowdown, _) in users.items():
            worst[user] = max(worst.get(user, 0.0), slowdown)
    named = sorted(worst, key=lambda user: (-worst[user], user))[:NAMED_USERS]
    return {
        "count": len(worst),
        "ranked": [_ranked([slowdown for slowdown, _ in users.values()]) for users in told],
        "named": named,
        "slowdown": [
            [round(users[user][0], 2) if user in users else None for user in named]
            for users in told
        ],
        "jobs": [max(users.get(user, (0.0, 0))[1] for users in told) for user in named],
    }


def scatter(runs: Sequence[RunRecord], roster: Roster) -> dict[str, Value] | None:
    """Return the waits of the same jobs under each run, and how many waited less under which."""
    if len(runs) < 2:
        return None
    rows_by_id = [{job: row for row, job in enumerate(run.ended.id.tolist())} for run in runs]
    common = [job for job in rows_by_id[0] if all(job in rows for rows in rows_by_id[1:])]
    waits_s = [
        run.ended.wait_s[[rows[job] for job in common]] if common else np.empty(0)
        for run, rows in zip(runs, rows_by_id, strict=True)
    ]
    shown = thinning.evenly(len(common), SCATTER_MAX)
    places = {job: place for place, job in enumerate(runs[0].jobs.id.tolist())}
    return {
        "jobs": [roster.place(runs[0], places[common[row]]) for row in shown.tolist()],
        "wait": [whole(column[shown], 1) for column in waits_s],
        "count": len(common),
        "mean": whole(np.array([metrics.mean(column) for column in waits_s]), 1),
        "shorter": [[_shorter(one, other) for other in waits_s] for one in waits_s],
        "longer_most": [
            whole(np.array([metrics.largest(one - other) for other in waits_s]), 1)
            for one in waits_s
        ],
    }


def _users(run: RunRecord) -> dict[str, tuple[float, int]]:
    """Map each user to the mean slowdown and the number of their jobs."""
    names, slowdowns, counts = metrics.user_slowdowns(run.ended)
    return dict(zip(names, zip(slowdowns.tolist(), counts.tolist(), strict=True), strict=True))


def _ranked(slowdowns: list[float]) -> list[float | None]:
    falling = np.sort(np.array(slowdowns, dtype=np.float64))[::-1]
    return significant(falling[thinning.evenly(len(falling), RANKS_MAX)])


def _shorter(one: Floats, other: Floats) -> int:
    return int(np.count_nonzero(one < other - metrics.LATE_S))
