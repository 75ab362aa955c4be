"""The report as one HTML file that works offline: figures, plots and a timeline of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from noljima.model.resources import GPU
from noljima.report import atomic, curves
from noljima.report.catalogue import Value
from noljima.report.page import markup, payload
from noljima.report.page.document import document
from noljima.report.record import RunRecord

FILE_NAME: Final = "index.html"
_SCRIPTS: Final = (
    "format.js",
    "plots.js",
    "canvas.js",
    "timeline.js",
    "scatter.js",
    "report.js",
)


def write(
    path_dir: Path,
    title: str,
    trace_facts: Mapping[str, str],
    cluster_facts: Mapping[str, str],
    runs: Sequence[RunRecord],
    figures: Sequence[Mapping[str, Value]],
) -> Path:
    """Write the page as `index.html` into a directory and return its path.

    `figures` holds what `metrics.figures` gave for each run, in the same order. The facts are
    shown as they are given, name by name.
    """
    if not runs or len(runs) != len(figures):
        raise ValueError(f"{len(runs)} runs, but figures of {len(figures)}")
    path = path_dir / FILE_NAME
    atomic.write_text(path, text(title, trace_facts, cluster_facts, runs, figures))
    return path


def text(
    title: str,
    trace_facts: Mapping[str, str],
    cluster_facts: Mapping[str, str],
    runs: Sequence[RunRecord],
    figures: Sequence[Mapping[str, Value]],
) -> str:
    """Return the page as HTML text."""
    names = payload.run_names(runs)
    return document(
        "report.html",
        _SCRIPTS,
        title,
        payload.of(runs, capacity_milli(runs)),
        {
            "facts": markup.facts({"Trace": trace_facts, "Cluster": cluster_facts}),
            "summary": markup.summary(names, figures),
            "definitions": markup.definitions(figures),
        },
    )


def capacity_milli(runs: Sequence[RunRecord]) -> int:
    """Return the cluster's GPUs in thousandths: its nodes', or the most that was ever held."""
    nodes = {node.id: node.gpus * GPU for run in runs for node in run.nodes if not node.drained}
    if nodes:
        return sum(nodes.values())
    return max((int(curves.held_gpu_milli(run).level.max(initial=0)) for run in runs), default=0)
