"""How fast whole traces run through the real engine and the real loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from bench import workloads
from bench.row import Result, Row
from noljima import app
from noljima.app import EngineSpec
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.model.node import Node
from noljima.report.recorder import Recorder
from noljima.runtime.loop import run

_MONTH_DAYS = 30.0


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
        return Result(remarks=[f"{plan.what}: skipped, {error}"])
    seconds = tuple(case.run() for _ in range(plan.runs))
    what = f"{plan.what}, {len(case.jobs):,} jobs, {plan.policy} ({plan.estimates})"
    rates = tuple(len(case.jobs) / each for each in seconds)
    rows = [
        Row(
            section="Trace simulation",
            what=what,
            values=rates,
            unit="jobs/s",
            budget=plan.rate_min,
            at_least=True,
        )
    ]
    if plan.seconds_max is not None:
        total = Row(
            section="Trace simulation",
            what=f"{what}: the whole month",
            values=seconds,
            unit="s",
            budget=plan.seconds_max,
        )
        rows.append(total)
    return Result(rows=rows)
