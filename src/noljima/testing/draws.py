"""Scenarios from a seed: fast, and the same on every machine, so that a failing seed is a row."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from noljima.drivers.sim import SimulatedJob
from noljima.drivers.sim.faults import Faults, node_faults
from noljima.model.events import Cancelled, Event, Held, Released
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Job, Priority
from noljima.model.node import Node
from noljima.model.resources import GPU, Gang, JobId, NodeId, Resources, gang_of
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
    gpus_per_node: int = 0
    """With 0 the cluster is a pool."""
    worker_gpus: tuple[int, ...] = (1, 2, 4, 8)
    """On nodes, what one worker may take; those that no node has are left out."""
    run_s_min: int = 0
    run_s_max: int = 60
    gap_s_max: int = 20
    """The longest time between two submissions; two in five come at the same moment."""
    evictable: Evictable = Evictable.ALL
    checkpoints: bool = True
    urgent_share: float = 0.0
    grace_s: float = 0.0
    start_failures_share: float = 0.0
    node_faults_mean_s: float = 0.0
    """With 0 no node is ever lost."""
    actions_share: float = 0.0
    """The share of jobs that somebody cancels, or holds and releases."""
    limits: bool = True
    """With False, half of the jobs have none."""


PLAIN: Final = Shape()


def draw(seed: int, shape: Shape = PLAIN) -> Scenario:
    """Draw a scenario that depends on the seed and the shape alone."""
    generator = np.random.Generator(np.random.PCG64(seed))
    gpus = int(generator.integers(1, shape.gpus_max, endpoint=True))
    if shape.gpus_per_node:
        gpus = -(-gpus // shape.gpus_per_node) * shape.gpus_per_node
    count = int(generator.integers(1, shape.jobs_max, endpoint=True))
    submit_s = 0.0
    jobs: list[SimulatedJob] = []
    for number in range(count):
        # Whole seconds and gaps of none: so that much falls into one moment.
        if generator.random() < 0.6:
            submit_s += float(generator.integers(0, shape.gap_s_max, endpoint=True))
        jobs.append(_job(generator, number, submit_s, gpus, shape))
    nodes = _nodes(gpus, shape)
    return Scenario(
        gpus=gpus,
        jobs=tuple(jobs),
        nodes=nodes,
        grace_s=shape.grace_s,
        faults=_faults(generator, jobs, nodes, shape),
        actions=_actions(generator, jobs, shape),
    )


def _nodes(gpus: int, shape: Shape) -> tuple[Node, ...]:
    if not shape.gpus_per_node:
        return ()
    return tuple(
        Node(id=NodeId(f"n{number}"), gpus=shape.gpus_per_node)
        for number in range(gpus // shape.gpus_per_node)
    )


def _job(
    generator: np.random.Generator, number: int, submit_s: float, gpus: int, shape: Shape
) -> SimulatedJob:
    run_s = float(generator.integers(shape.run_s_min, shape.run_s_max, endpoint=True))
    if generator.random() < 0.3:
        run_s = float(shape.run_s_max // 2)
    limit_s = max(run_s + float(generator.integers(-5, shape.run_s_max, endpoint=True)), 1.0)
    evictable = shape.evictable is Evictable.ALL or (
        shape.evictable is Evictable.SOME and bool(generator.random() < 0.6)
    )
    urgent = generator.random() < shape.urgent_share
    job = Job(
        id=JobId(f"j{number:03}"),
        gang=_gang(generator, gpus, shape),
        user=f"u{int(generator.integers(0, 3))}",
        limit_s=limit_s if shape.limits or generator.random() < 0.5 else None,
        evictable=evictable,
        priority=Priority.URGENT if urgent else Priority.NORMAL,
        checkpoint=_checkpoint(generator) if shape.checkpoints else NO_CHECKPOINT,
    )
    return SimulatedJob(job, submit_s, run_s)


def _gang(generator: np.random.Generator, gpus: int, shape: Shape) -> Gang:
    """Draw a gang: small ones are common, large ones are there, a few are too large."""
    per_node = shape.gpus_per_node
    units = gpus // per_node if per_node else gpus
    largest = units + 1 if generator.random() < 0.05 else units
    count = int(1 + (largest - 1) * generator.random() ** 2 + 0.5)
    if not per_node:
        return gang_of(1, Resources(gpu_milli=count * GPU))
    sizes = [size for size in shape.worker_gpus if size <= per_node]
    each = sizes[int(generator.integers(0, len(sizes)))]
    return gang_of(count, Resources(gpu_milli=each * GPU))


def _checkpoint(generator: np.random.Generator) -> Checkpoint:
    """Draw what an eviction costs: everything, nothing, or what came after the last save."""
    interval_s = (None, 0.0, float(generator.integers(1, 20)))[int(generator.integers(0, 3))]
    restart_s = (0.0, float(generator.integers(0, 15)))[int(generator.integers(0, 2))]
    return Checkpoint(interval_s=interval_s, restart_s=restart_s)


def _actions(
    generator: np.random.Generator, jobs: list[SimulatedJob], shape: Shape
) -> tuple[Event, ...]:
    actions: list[Event] = []
    for entry in jobs:
        if generator.random() >= shape.actions_share:
            continue
        at_s = entry.submit_s + float(generator.integers(0, 2 * shape.run_s_max))
        job = entry.job.id
        if generator.random() < 0.5:
            actions.append(Cancelled(at_s=at_s, job=job))
            continue
        until_s = at_s + float(generator.integers(0, 2 * shape.run_s_max))
        actions += [Held(at_s=at_s, job=job), Released(at_s=until_s, job=job)]
    return tuple(sorted(actions, key=lambda action: action.at_s))


def _faults(
    generator: np.random.Generator,
    jobs: list[SimulatedJob],
    nodes: tuple[Node, ...],
    shape: Shape,
) -> Faults:
    hits = generator.random(len(jobs)) < shape.start_failures_share
    failures = {entry.job.id: 1 for entry, hit in zip(jobs, hits, strict=True) if hit}
    if not shape.node_faults_mean_s:
        return Faults(start_failures=failures)
    span = jobs[0].submit_s, jobs[-1].submit_s + shape.run_s_max
    seed = int(generator.integers(0, 1 << 32))
    lost = node_faults(nodes, mean_s=shape.node_faults_mean_s, repair_s=30.0, span=span, seed=seed)
    return Faults(nodes=lost, start_failures=failures)
