"""Faults for a simulated world, drawn from a seed before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId


class NodeFault(msgspec.Struct, frozen=True):
    """A node that goes down with all that runs on it, and comes back."""

    node: NodeId
    at_s: float
    repair_s: float


class Faults(msgspec.Struct, frozen=True):
    """What goes wrong in a simulation."""

    nodes: tuple[NodeFault, ...] = ()
    start_failures: Mapping[JobId, int] = {}
    """How many times a job's start fails before one succeeds."""


NO_FAULTS = Faults()


def node_faults(
    nodes: Sequence[Node], *, mean_s: float, repair_s: float, span: tuple[float, float], seed: int
) -> tuple[NodeFault, ...]:
    """Draw faults for each node: a Poisson process of one fault in `mean_s` seconds of uptime."""
    generator = np.random.Generator(np.random.PCG64(seed))
    faults: list[NodeFault] = []
    for node in nodes:
        at_s = span[0] + float(generator.exponential(mean_s))
        while at_s < span[1]:
            faults.append(NodeFault(node.id, float(round(at_s)), repair_s))
            at_s += repair_s + float(generator.exponential(mean_s))
    return tuple(sorted(faults, key=lambda fault: (fault.at_s, fault.node)))


def start_failures(jobs: Sequence[JobId], *, share: float, seed: int) -> dict[JobId, int]:
    """Draw jobs whose start fails once or more: each attempt fails with probability `share`."""
    generator = np.random.Generator(np.random.PCG64(seed))
    # `share` is below one: a start that always fails would be tried for ever.
    failures = generator.geometric(1.0 - share, size=len(jobs)) - 1
    return {job: int(count) for job, count in zip(jobs, failures.tolist(), strict=True) if count}
