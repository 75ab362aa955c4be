"""Scenarios from a seed: fast, and the same on every machine, so that a failing seed is a row."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from noljima.drivers.sim import SimulatedJob
from noljima.drivers.sim.faults import Faults
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Job, Priority
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.testing.scenario import Scenario


class Evictable(StrEnum):
    """Which jobs may be evicted."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What drawn scenarios look like."""

    jobs_max: int = 30
    gpus_max: int = 16
    run_s_max: int = 60
    run_s_min: int = 0
    gap_s_max: int = 20
    """The longest time between two submissions; more than half of them are closer."""
    evictable: Evictable = Evictable.ALL
    urgent_share: float = 0.0
    grace_s: float = 0.0
    start_failures_share: float = 0.0
    checkpoints: bool = True
    too_large: bool = True
    """Some jobs are larger than the pool."""


PLAIN: Final = Shape()


def draw(seed: int, shape: Shape = PLAIN) -> Scenario:
    """Draw a scenario that depends on the seed and the shape alone."""
    generator = np.random.Generator(np.random.PCG64(seed))
    gpus = int(generator.integers(1, shape.gpus_max, endpoint=True))
    count = int(generator.integers(1, shape.jobs_max, endpoint=True))
    submit_s = 0.0
    jobs: list[SimulatedJob] = []
    for number in range(count):
        # Whole seconds and gaps of none: so that much falls into one moment.
        if generator.random() < 0.6:
            submit_s += float(generator.integers(0, shape.gap_s_max, endpoint=True))
        jobs.append(_job(generator, number, submit_s, gpus, shape))
    failures: dict[JobId, int] = {}
    if shape.start_failures_share:
        hits = generator.random(count) < shape.start_failures_share
        failures = {entry.job.id: 1 for entry, hit in zip(jobs, hits, strict=True) if hit}
    return Scenario(
        gpus=gpus,
        jobs=tuple(jobs),
        grace_s=shape.grace_s,
        faults=Faults(start_failures=failures),
    )


def _job(
    generator: np.random.Generator, number: int, submit_s: float, gpus: int, shape: Shape
) -> SimulatedJob:
    # Small jobs are common, large ones are there, a few are larger than the pool.
    largest = gpus + 1 if shape.too_large and generator.random() < 0.05 else gpus
    size = int(1 + (largest - 1) * generator.random() ** 2 + 0.5)
    run_s = float(generator.integers(shape.run_s_min, shape.run_s_max, endpoint=True))
    if generator.random() < 0.3:
        run_s = float(shape.run_s_max // 2)
    limit_s = max(run_s + float(generator.integers(-5, shape.run_s_max, endpoint=True)), 1.0)
    evictable = {
        Evictable.ALL: True,
        Evictable.SOME: bool(generator.random() < 0.6),
        Evictable.NONE: False,
    }[shape.evictable]
    urgent = generator.random() < shape.urgent_share
    return SimulatedJob(
        Job(
            id=JobId(f"j{number:03}"),
            gang=gang_of(1, Resources(gpu_milli=size * GPU)),
            user=f"u{int(generator.integers(0, 3))}",
            limit_s=limit_s if generator.random() < 0.8 else None,
            evictable=evictable,
            priority=Priority.URGENT if urgent else Priority.NORMAL,
            checkpoint=_checkpoint(generator) if shape.checkpoints else NO_CHECKPOINT,
        ),
        submit_s,
        run_s,
    )


def _checkpoint(generator: np.random.Generator) -> Checkpoint:
    """Draw what an eviction costs: everything, nothing, or what came after the last save."""
    interval_s = (None, 0.0, float(generator.integers(1, 20)))[int(generator.integers(0, 3))]
    restart_s = (0.0, float(generator.integers(0, 15)))[int(generator.integers(0, 2))]
    return Checkpoint(interval_s=interval_s, restart_s=restart_s)
