"""How many workers are placed and given back in a second, every state kept up."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator

import msgspec

from bench import workloads
from bench.row import Result, Row
from noljima import app
from noljima.model.placements import Placement
from noljima.model.resources import GPU, Gang, Resources, gang_of
from noljima.placement.demand import Demand, Demands
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A full grid on which gangs come and go."""

    nodes: int
    workers_min: int
    """How many workers are placed at least, after the grid is full."""
    runs: int = 3


def _gangs() -> dict[str, list[Gang]]:
    node = workloads.GPUS_PER_NODE
    one = Resources(gpu_milli=GPU)
    mixed = itertools.islice(workloads.endless(1024, 4000), 4000)
    return {
        "single workers of 1 GPU": [gang_of(1, one)],
        "single workers of half a GPU": [gang_of(1, Resources(gpu_milli=GPU // 2))],
        "gangs of 32 workers of 1 GPU": [gang_of(32, one)],
        "gangs of 16 whole nodes": [gang_of(16, Resources(gpu_milli=node * GPU))],
        "a generated mix": [entry.job.gang for entry in mixed],
    }


def measure(plan: Plan) -> Result:
    """Measure a few kinds of gangs on a grid that stays full."""
    rows = [
        Row(
            section="Placement",
            what=f"{plan.nodes:,} nodes, full: {what}",
            values=tuple(_rate(plan, gangs) for _ in range(plan.runs)),
            unit="workers/s",
            budget=50_000.0,
            at_least=True,
        )
        for what, gangs in _gangs().items()
    ]
    return Result(rows=rows)


def _rate(plan: Plan, gangs: list[Gang]) -> float:
    """Let the oldest go until the next one fits, again and again; count those that are placed."""
    space = app.build_space(app.GRID, "pack")
    for machine in app.equal_nodes(plan.nodes, workloads.GPUS_PER_NODE):
        space.set_node(machine)
    demands = Demands()
    coming = itertools.cycle([demands.of(gang) for gang in gangs])
    held: deque[tuple[Demand, Placement]] = deque()
    next_ = _fill(space, coming, held)
    placed, began_s = 0, time.thread_time()
    while placed < plan.workers_min:
        placement = space.take(next_)
        if isinstance(placement, Refusal):
            space.give_back(*held.popleft())
            continue
        held.append((next_, placement))
        placed += len(placement.workers)
        next_ = next(coming)
    return placed / (time.thread_time() - began_s)


def _fill(space: Space, coming: Iterator[Demand], held: deque[tuple[Demand, Placement]]) -> Demand:
    """Take until one does not fit; return that one."""
    for demand in coming:
        placement = space.take(demand)
        if isinstance(placement, Refusal):
            return demand
        held.append((demand, placement))
    raise AssertionError("gangs come without end")
