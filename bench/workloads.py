"""The jobs that are measured with: real logs beside the checkout, and generated ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from noljima.model.job import Checkpoint
from noljima.model.resources import JobId
from noljima.workload import generator, selection
from noljima.workload.generator import Recipe
from noljima.workload.reader import read_trace
from noljima.workload.trace import Trace, TraceJob

TRACES: Final = Path(__file__).parents[2] / "shared" / "data" / "traces"
GPUS_PER_NODE: Final = 8
CHECKPOINT: Final = Checkpoint(interval_s=600.0)


class MissingTraceError(Exception):
    """A real log that is not beside the checkout."""


def real(name: str, cluster: str = "", gpus_per_node: int | None = None) -> Trace:
    """Read a real log, or one virtual cluster of it."""
    path = TRACES / name
    if not path.exists():
        raise MissingTraceError(f"{name} is not beside the checkout")
    trace = read_trace(path, gpus_per_node=gpus_per_node)
    if cluster:
        trace = selection.where(trace, [selection.parse_filter(f"cluster={cluster}")])
    return trace


def generated(jobs: int, gpus: int, days: float, *, nodes: bool, load: float | None = 0.9) -> Trace:
    """Generate about so many jobs; None for the load leaves run times as they are drawn."""
    recipe = Recipe(seed=1, gpus=gpus, days=days, load=load, jobs_per_day=jobs / days, users=200)
    return generator.generate(recipe, gpus_per_node=GPUS_PER_NODE if nodes else None)


def saving(trace: Trace, *, evictable: bool | None = None) -> Trace:
    """Let all jobs save their state every ten minutes; True lets all of them be evicted."""
    jobs = tuple(
        msgspec.structs.replace(
            entry,
            job=msgspec.structs.replace(entry.job, checkpoint=CHECKPOINT, evictable=evictable),
        )
        for entry in trace.jobs
    )
    return msgspec.structs.replace(trace, jobs=jobs)


def endless(nodes: int, *, long: bool = False) -> Iterator[TraceJob]:
    """Give jobs of mixed shapes without end, each name once, for a cluster of so many nodes.

    Run times as they are drawn, ten minutes in the median, or so long that fifteen jobs a node
    fill a week.
    """
    gpus, jobs_per_day = nodes * GPUS_PER_NODE, 15 * nodes / 7.0
    for seed in itertools.count(1):
        recipe = Recipe(
            seed=seed,
            gpus=gpus,
            days=7.0,
            load=1.0 if long else None,
            jobs_per_day=jobs_per_day,
            users=200,
        )
        trace = saving(generator.generate(recipe, gpus_per_node=GPUS_PER_NODE))
        for entry in trace.jobs:
            name = JobId(f"{seed}-{entry.job.id}")
            yield msgspec.structs.replace(entry, job=msgspec.structs.replace(entry.job, id=name))
