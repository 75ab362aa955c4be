"""How fast whole traces run through the real engine and the real loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from bench import machine, workloads
from bench.row import Point, Result, Row
from noljima import app
from noljima.app import EngineSpec
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.model.events import Event, Finished
from noljima.model.node import Node
from noljima.report.recorder import Recorder
from noljima.runtime.loop import run

SECTION: Final = "Trace simulation"
_MONTH_DAYS: Final = 30.0
_WAITS_A_LOOK: Final = 1_000
"""How often the driver is asked between two looks at the clock."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A trace on a cluster under a policy."""

    what: str
    policy: str
    estimates: str
    gpus: int
    nodes: bool = False
    log: str = ""
    """A real log; without one, a month is generated."""
    cluster: str = ""
    jobs: int = 0
    load: float = 0.9
    """Of the generated month."""
    runs: int = 3
    rate_min: float | None = None
    cpu_s_max: float = math.inf
    """A run that takes longer is broken off; the jobs that have ended by then count."""
    curve: str = ""
    """The curve that this adds a point to."""


class Run(NamedTuple):
    """How a run went."""

    cpu_s: float
    ended: int
    broken_off: bool

    @property
    def rate(self) -> float:
        """Jobs in a CPU second."""
        return self.ended / self.cpu_s


class Patience(Simulation):
    """A simulation that is broken off where it takes too long."""

    def __init__(self, nodes: Sequence[Node], jobs: Sequence[SimulatedJob], cpu_s: float) -> None:
        super().__init__(nodes, jobs)
        self.ended = 0
        self.broken_off = False
        self._until_s = time.process_time() + cpu_s
        self._waits = 0

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what happens next, and count the jobs that have ended."""
        self._waits += 1
        if not self._waits % _WAITS_A_LOOK and time.process_time() > self._until_s:
            self.broken_off = True
            return ()
        events = await super().wait(until_s)
        for event in events:
            if type(event) is Finished:
                self.ended += 1
        return events


class Case:
    """A plan with its jobs read."""

    def __init__(self, plan: Plan) -> None:
        if plan.log:
            per_node = workloads.GPUS_PER_NODE if plan.nodes else None
            trace = workloads.real(plan.log, plan.cluster, per_node)
        else:
            trace = workloads.generated(
                plan.jobs, plan.gpus, _MONTH_DAYS, nodes=plan.nodes, load=plan.load
            )
        if plan.policy == "fair":
            trace = workloads.saving(trace, evictable=True if plan.log else None)
        self._plan = plan
        self._spec = EngineSpec(
            policy=plan.policy,
            estimates=plan.estimates,
            space=app.GRID if plan.nodes else app.POOL,
        )
        self._nodes = _nodes(plan)
        self.jobs = [SimulatedJob(t.job, t.submit_s, t.run_s, t.outcome) for t in trace.jobs]

    def run(self) -> Run:
        """Run it with a recorder looking on, to its end or as long as it may take."""
        engine = app.build_engine(self._spec)
        world = Patience(self._nodes, self.jobs, self._plan.cpu_s_max)
        began_s = time.process_time()
        asyncio.run(run(engine, world, sinks=[Recorder()]))
        return Run(time.process_time() - began_s, world.ended, world.broken_off)


def _nodes(plan: Plan) -> Sequence[Node]:
    if not plan.nodes:
        return app.pool_nodes(plan.gpus)
    return app.equal_nodes(plan.gpus // workloads.GPUS_PER_NODE, workloads.GPUS_PER_NODE)


def measure(plan: Plan) -> Result:
    """Measure jobs per CPU second."""
    try:
        case = Case(plan)
    except workloads.MissingTraceError as error:
        return Result(remarks=[f"{plan.what}: {error}"])
    runs = [case.run() for _ in range(plan.runs)]
    rss_mib = machine.rss_gib() * 1024
    row = Row(
        section=SECTION,
        what=f"{plan.what}, {len(case.jobs):,} jobs, {plan.policy} ({plan.estimates})",
        values=tuple(each.rate for each in runs),
        unit="jobs/s",
        note=_length(runs[-1]),
        budget=plan.rate_min,
        at_least=True,
    )
    points: list[Point] = []
    if plan.curve:
        size, series = len(case.jobs), f"{plan.policy} on nodes" if plan.nodes else plan.policy
        points.append(Point(plan.curve, series, size, row.value))
        points.append(Point(f"{plan.curve}-memory", series, size, rss_mib))
    return Result(rows=[row], points=points)


def _length(last: Run) -> str:
    if last.broken_off:
        return f"broken off after {last.cpu_s:,.0f} s, when {last.ended:,} jobs had ended"
    return f"{last.cpu_s:,.1f} s"
