"""Hypothesis strategies for what the core takes in: a failing example shrinks to a small one.

The only module of the package that needs Hypothesis, which is a development dependency.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from noljima.drivers.sim import SimulatedJob
from noljima.model.estimate import Estimate
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    Outcome,
    Progressed,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Checkpoint, Job, Priority
from noljima.model.node import Node
from noljima.model.phase import Phase
from noljima.model.resources import GPU, Gang, JobId, NodeId, Resources, TaskGroup, gang_of
from noljima.testing.scenario import Scenario

ESTIMATES: Final = ("limit", "last-two", "true", "random", "adversarial", "noisy:1")
"""Names of estimate sources, from none to perfect, with a liar between them."""


def seconds(high: int = 60) -> SearchStrategy[float]:
    """Draw whole seconds: so that much falls into one moment."""
    return st.integers(0, high).map(float)


def checkpoints() -> SearchStrategy[Checkpoint]:
    """Draw what an eviction costs: everything, nothing, or what came after the last save."""
    interval_s = st.one_of(st.none(), st.just(0.0), seconds(20))
    return st.builds(Checkpoint, interval_s=interval_s, restart_s=seconds(15))


def resources(gpus_max: int = 8) -> SearchStrategy[Resources]:
    """Draw the need of one worker: whole GPUs, or a fraction of one."""
    milli = st.one_of(
        st.integers(0, gpus_max).map(lambda gpus: gpus * GPU), st.integers(1, GPU - 1)
    )
    return st.builds(Resources, gpu_milli=milli, cpu_milli=st.integers(0, 4000))


def gangs(workers_max: int = 4, gpus_max: int = 8) -> SearchStrategy[Gang]:
    """Draw a gang of one or two groups."""
    groups = st.builds(
        TaskGroup, workers=st.integers(1, workers_max), each=resources(gpus_max=gpus_max)
    )
    return st.lists(groups, min_size=1, max_size=2).map(lambda drawn: Gang(tuple(drawn)))


def names() -> SearchStrategy[str]:
    """Draw printable text, in any script."""
    return st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


def jobs() -> SearchStrategy[Job]:
    """Draw a job as a user might make it, every field."""
    return st.builds(
        Job,
        id=names().map(JobId),
        gang=gangs(),
        user=names(),
        name=names(),
        queue=names(),
        priority=st.sampled_from(Priority),
        limit_s=st.one_of(st.none(), st.floats(0.0, 1e6)),
        evictable=st.sampled_from([None, True, False]),
        checkpoint=checkpoints(),
    )


def nodes() -> SearchStrategy[Node]:
    """Draw a machine."""
    return st.builds(
        Node,
        id=names().map(NodeId),
        gpus=st.integers(0, 16),
        gpu_type=st.sampled_from(["", "a100", "h200"]),
        rack=st.sampled_from(["", "r1", "r2"]),
        labels=st.dictionaries(names(), names(), max_size=2),
        drained=st.booleans(),
    )


def events() -> SearchStrategy[Event]:
    """Draw an event of any kind."""
    at_s = st.floats(0.0, 1e9)
    job = names().map(JobId)
    oracle_s = st.one_of(st.none(), st.floats(0.0, 1e6))
    attempt, saved_s, outcome = st.integers(0, 3), st.floats(0.0, 1e6), st.sampled_from(Outcome)
    return st.one_of(
        st.builds(Submitted, at_s=at_s, job=jobs(), oracle_s=oracle_s),
        st.builds(Cancelled, at_s=at_s, job=job),
        st.builds(Held, at_s=at_s, job=job),
        st.builds(Released, at_s=at_s, job=job),
        st.builds(Started, at_s=at_s, job=job, attempt=attempt),
        st.builds(StartFailed, at_s=at_s, job=job, attempt=attempt, reason=names()),
        st.builds(Evicted, at_s=at_s, job=job, attempt=attempt, saved_s=saved_s),
        st.builds(Finished, at_s=at_s, job=job, attempt=attempt, outcome=outcome),
        st.builds(
            Progressed,
            at_s=at_s,
            job=job,
            step=st.floats(0.0, 1e15),
            total=st.one_of(st.none(), st.floats(0.0, 1e15)),
            phase=st.sampled_from(Phase),
        ),
        st.builds(NodeSeen, at_s=at_s, node=nodes()),
        st.builds(NodeLost, at_s=at_s, node=names().map(NodeId)),
        st.builds(Ticked, at_s=at_s),
    )


def estimates() -> SearchStrategy[Estimate]:
    """Draw what a source might answer: any three numbers, in any order."""
    anything = st.one_of(st.floats(), st.floats(0.0, 1e5), st.integers())
    return st.builds(Estimate, anything, anything, anything)


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    jobs_max: int = 10,
    gpus_max: int = 6,
    run_s_min: int = 0,
    evictable: bool | None = True,
    urgent: bool = False,
) -> Scenario:
    """Draw a pool and the jobs that come to it; `evictable` is None where some are."""
    gpus = draw(st.integers(1, gpus_max))
    submit_s = 0.0
    entries: list[SimulatedJob] = []
    for number in range(draw(st.integers(1, jobs_max))):
        submit_s += draw(st.sampled_from([0.0, 0.0, 1.0, 7.0]))
        run_s = float(draw(st.integers(run_s_min, 40)))
        job = Job(
            id=JobId(f"j{number}"),
            gang=gang_of(1, Resources(gpu_milli=draw(st.integers(1, gpus)) * GPU)),
            user=draw(st.sampled_from("uv")),
            limit_s=float(draw(st.integers(1, 60))),
            evictable=draw(st.booleans()) if evictable is None else evictable,
            priority=Priority.URGENT if urgent and draw(st.booleans()) else Priority.NORMAL,
            checkpoint=draw(checkpoints()),
        )
        entries.append(SimulatedJob(job, submit_s, run_s))
    return Scenario(gpus=gpus, jobs=tuple(entries))
