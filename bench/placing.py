"""How many workers are placed and given back in a second, every state kept up.

As the engine does it: it asks whether a gang fits before it takes. A refusal with its words is only
made for whoever asks why, so it is measured by itself.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from typing import Final

import msgspec

from bench import workloads
from bench.row import Result, Row
from noljima import app
from noljima.model.placements import Placement
from noljima.model.resources import GPU, Gang, Resources, gang_of
from noljima.placement.demand import Demand, Demands
from noljima.placement.refusal import Refusal


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A full grid on which gangs come and go."""

    nodes: int
    workers_min: int
    """How many workers are placed at least, after the grid is full."""
    runs: int = 3


RATE_MIN: Final = 50_000.0


def _gangs() -> dict[str, list[Gang]]:
    node = workloads.GPUS_PER_NODE
    one = Resources(gpu_milli=GPU)
    mixed = itertools.islice(workloads.endless(128), 4000)
    return {
        "single workers of 1 GPU": [gang_of(1, one)],
        "single workers of half a GPU": [gang_of(1, Resources(gpu_milli=GPU // 2))],
        "gangs of 32 workers of 1 GPU": [gang_of(32, one)],
        "gangs of 16 whole nodes": [gang_of(16, Resources(gpu_milli=node * GPU))],
        "a generated mix": [entry.job.gang for entry in mixed],
    }


def measure(plan: Plan) -> Result:
    """Measure a few kinds of gangs on a grid that stays full, and one refusal."""
    kinds = _gangs()
    rows = [
        Row(
            section="Placement",
            what=f"{plan.nodes:,} nodes, full: {what}",
            values=_Full(plan.nodes, gangs).rates(plan.workers_min, plan.runs),
            unit="workers/s",
            budget=RATE_MIN,
            at_least=True,
        )
        for what, gangs in kinds.items()
    ]
    refused = Row(
        section="Placement",
        what=f"{plan.nodes:,} nodes, full: a refusal with its reason",
        values=(_Full(plan.nodes, kinds["gangs of 32 workers of 1 GPU"]).refusal_us(plan.nodes),),
        unit="µs",
    )
    return Result(rows=[*rows, refused])


class _Full:
    """A grid that was filled, and what is on it, the oldest first."""

    def __init__(self, nodes: int, gangs: list[Gang]) -> None:
        self._space = app.build_space(app.GRID, "pack")
        for machine in app.equal_nodes(nodes, workloads.GPUS_PER_NODE):
            self._space.set_node(machine)
        demands = Demands()
        self._coming = itertools.cycle([demands.of(gang) for gang in gangs])
        self._held: deque[tuple[Demand, Placement]] = deque()
        self._next = next(self._coming)
        while self._space.fits(self._next):
            self._place()

    def rates(self, workers_min: int, runs: int) -> tuple[float, ...]:
        """Return the workers placed in a second, run by run."""
        return tuple(self._rate(workers_min) for _ in range(runs))

    def _rate(self, workers_min: int) -> float:
        """Let the oldest go until the next one fits, again and again; count those placed."""
        placed, began_s = 0, time.thread_time()
        while placed < workers_min:
            while not self._space.fits(self._next):
                self._space.give_back(*self._held.popleft())
            placed += self._place()
        return placed / (time.thread_time() - began_s)

    def refusal_us(self, nodes: int, times: int = 20) -> float:
        """Ask for a place that there is none of; return the microseconds of one answer."""
        everything = Resources(gpu_milli=workloads.GPUS_PER_NODE * GPU)
        demand = Demands().of(gang_of(nodes, everything))
        began_s = time.thread_time()
        for _ in range(times):
            refusal = self._space.take(demand)
            assert isinstance(refusal, Refusal)
        return 1e6 * (time.thread_time() - began_s) / times

    def _place(self) -> int:
        placement = self._space.take(self._next)
        assert not isinstance(placement, Refusal)
        self._held.append((self._next, placement))
        self._next = next(self._coming)
        return len(placement.workers)
