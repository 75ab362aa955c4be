"""How fast whole traces run through the real engine and the real loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from bench import machine, workloads
from bench.row import Point, Result, Row
from noljima import app
from noljima.app import EngineSpec
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.model.node import Node
from noljima.report.recorder import Recorder
from noljima.runtime.loop import run

SECTION: Final = "Trace simulation"
_MONTH_DAYS: Final = 30.0


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
    runs: int = 3
    curve: str = ""
    """The curve that this adds a point to."""
    rate_min: float | None = None
    seconds_max: float | None = None


class Case:
    """A plan with its jobs read."""

    def __init__(self, plan: Plan) -> None:
        if plan.log:
            per_node = workloads.GPUS_PER_NODE if plan.nodes else None
            trace = workloads.real(plan.log, plan.cluster, per_node)
        else:
            trace = workloads.generated(plan.jobs, plan.gpus, _MONTH_DAYS, nodes=plan.nodes)
        if plan.policy == "fair":
            trace = workloads.saving(trace, evictable=True if plan.log else None)
        self._spec = EngineSpec(
            policy=plan.policy,
            estimates=plan.estimates,
            space=app.GRID if plan.nodes else app.POOL,
        )
        self._nodes = _nodes(plan)
        self.jobs = [SimulatedJob(t.job, t.submit_s, t.run_s, t.outcome) for t in trace.jobs]

    def run(self) -> float:
        """Run it to its end with a recorder looking on; return the CPU seconds."""
        engine = app.build_engine(self._spec)
        world = Simulation(self._nodes, self.jobs)
        began_s = time.process_time()
        asyncio.run(run(engine, world, sinks=[Recorder()]))
        return time.process_time() - began_s


def _nodes(plan: Plan) -> Sequence[Node]:
    if not plan.nodes:
        return app.pool_nodes(plan.gpus)
    return app.equal_nodes(plan.gpus // workloads.GPUS_PER_NODE, workloads.GPUS_PER_NODE)


def measure(plan: Plan) -> Result:
    """Measure jobs per CPU second, or the CPU seconds where the budget is one of seconds."""
    try:
        case = Case(plan)
    except workloads.MissingTraceError as error:
        return Result(remarks=[f"{plan.what}: {error}"])
    seconds = tuple(case.run() for _ in range(plan.runs))
    rss_mib = machine.rss_gib() * 1024
    what = f"{plan.what}, {len(case.jobs):,} jobs, {plan.policy} ({plan.estimates})"
    rates = tuple(len(case.jobs) / each for each in seconds)
    rows = [
        Row(
            section=SECTION,
            what=what,
            values=rates,
            unit="jobs/s",
            budget=plan.rate_min,
            at_least=True,
        )
    ]
    if plan.seconds_max is not None:
        total = Row(
            section=SECTION,
            what=f"{what}: the whole month",
            values=seconds,
            unit="s",
            budget=plan.seconds_max,
        )
        rows.append(total)
    points: list[Point] = []
    if plan.curve:
        size, series = len(case.jobs), f"{plan.policy} on nodes" if plan.nodes else plan.policy
        points.append(Point(plan.curve, series, size, median(rates)))
        points.append(Point(f"{plan.curve}-memory", series, size, rss_mib))
    return Result(rows=rows, points=points)
