"""The timeline's data: which rectangles each run draws, on which lanes, for which jobs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from noljima.model.resources import GPU
from noljima.report import curves
from noljima.report.page import lanes, window
from noljima.report.page.roster import Roster
from noljima.report.page.rounding import whole
from noljima.report.record import RunRecord


def of(
    runs: Sequence[RunRecord], capacity_milli: int, first_s: float, roster: Roster
) -> dict[str, object]:
    """Return the rectangles of all runs in one window of time, and the lanes they lie on."""
    shown = window.bounded(runs, window.whole(runs), window.SEGMENTS_MAX // len(runs))
    viewed = window.readable(runs, shown)
    rows = [shown.rows(run) for run in runs]
    placements = chain.from_iterable(
        run.segments.placement[chosen] for run, chosen in zip(runs, rows, strict=True)
    )
    nodes: list[lanes.NodeLanes] = []
    if any(lanes.on_nodes(run) for run in runs):
        nodes = lanes.node_lanes(chain.from_iterable(run.nodes for run in runs), placements)
    peak_milli = max(
        (int(curves.held_gpu_milli(run).level.max(initial=0)) for run in runs), default=0
    )
    size_milli = max(capacity_milli, peak_milli, GPU)
    drawn = []
    for run, chosen in zip(runs, rows, strict=True):
        if lanes.on_nodes(run):
            chart = lanes.chart_of_nodes(run, chosen, nodes)
        else:
            chart = lanes.chart_of_pool(run, chosen, size_milli)
        drawn.append(_rectangles(run, chart, first_s, roster))
    return {
        "from": shown.first_s - first_s,
        "until": shown.last_s - first_s,
        "whole": shown.whole,
        "view": [viewed.first_s - first_s, viewed.last_s - first_s],
        "limit": window.SEGMENTS_MAX,
        "lanes": sum(node.gpus for node in nodes) if nodes else -(-size_milli // GPU),
        "nodes": [[node.name, node.first, node.gpus] for node in nodes],
        "runs": drawn,
    }


def _rectangles(
    run: RunRecord, chart: lanes.Chart, first_s: float, roster: Roster
) -> dict[str, object]:
    """Return the columns of one run's rectangles, and what its jobs went through."""
    segments = run.segments
    row = chart.segment
    jobs, place_of = np.unique(segments.job[row], return_inverse=True)
    places = np.array([roster.place(run, job) for job in jobs.tolist()], dtype=np.int64)
    return {
        "segments": len(segments),
        "unplaced": chart.unplaced,
        "job": places[place_of].tolist(),
        "from": whole(segments.start_s[row] - first_s, 1),
        "until": whole(segments.end_s[row] - first_s, 1),
        "top": whole(chart.top_milli / GPU, 3),
        "height": whole(chart.height_milli / GPU, 3),
        "kind": (segments.guest[row] + 2 * segments.ending[row]).tolist(),
        "facts": {
            "job": places.tolist(),
            "wait": whole(run.jobs.wait_s[jobs], 1),
            "evictions": run.jobs.evictions[jobs].tolist(),
            "outcome": run.jobs.outcome[jobs].tolist(),
        },
    }
