"""How long one decision takes on a full cluster with a long queue."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import numpy as np

from bench import workloads
from bench.backlog import Backlog
from bench.row import Point, Result, Row
from noljima import app
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Finished, Submitted
from noljima.policy.presets import policy_of
from noljima.prediction.sources import source_of
from noljima.runtime.loop import run

_KINDS: Final = (Submitted, Finished)
_SETTLED_S: Final = 86_400.0
_WINDOW_S: Final = 300.0


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cluster, a queue and how many decisions are measured."""

    policy: str = "fair"
    nodes: int
    waiting: int
    running: int
    samples: int = 300
    """Of each kind of event."""
    p50_ms_max: float | None = None
    p99_ms_max: float | None = None
    explain: bool = False
    curve: str = ""
    """The curve that this is a point of, instead of rows."""


class TimedEngine(Engine):
    """An engine that notes how long it takes for each event of its own."""

    def __init__(self, policy: str) -> None:
        space = app.build_space(app.GRID, "pack")
        super().__init__(policy_of(policy), source_of("limit"), space)
        self.milliseconds: dict[type, list[float]] = {kind: [] for kind in _KINDS}

    def handle(self, *events: Event) -> list[Command]:
        """Decide, with an eye on the CPU clock of this thread."""
        began_ns = time.thread_time_ns()
        commands = super().handle(*events)
        passed_ms = (time.thread_time_ns() - began_ns) / 1e6
        alone = len(events) == 1 and events[0].at_s > _SETTLED_S
        if alone and type(events[0]) in self.milliseconds:
            self.milliseconds[type(events[0])].append(passed_ms)
        return commands


def settled(plan: Plan) -> TimedEngine:
    """Return an engine that has lived for days with so many jobs, and its times after that."""
    engine = TimedEngine(plan.policy)
    backlog = plan.waiting + plan.running
    world = Backlog(
        app.equal_nodes(plan.nodes, workloads.GPUS_PER_NODE),
        workloads.endless(plan.nodes * workloads.GPUS_PER_NODE, backlog),
        backlog,
        enough=lambda: all(len(t) >= plan.samples for t in engine.milliseconds.values()),
        window_s=_WINDOW_S,
        single_from_s=_SETTLED_S,
    )
    asyncio.run(run(engine, world))
    return engine


def measure(plan: Plan) -> Result:
    """Measure decisions after single submissions and single ends."""
    engine = settled(plan)
    if plan.curve:
        size = plan.nodes if plan.curve == "nodes" else plan.waiting
        times = [each for kind in _KINDS for each in engine.milliseconds[kind]]
        p50, p99 = (float(each) for each in np.percentile(times, [50, 99]))
        series = (f"{plan.policy}, half of them", f"{plan.policy}, 99 %")
        points = [
            Point(plan.curve, name, size, at) for name, at in zip(series, (p50, p99), strict=True)
        ]
        return Result(points=points)
    rows = [row for kind in _KINDS for row in _rows(plan, engine, kind)]
    if plan.explain:
        rows += _explained(plan, engine)
    return Result(rows=rows)


def _where(plan: Plan, engine: Engine) -> str:
    running, waiting = len(engine.state.running), len(engine.state.line)
    return f"{plan.policy}, {plan.nodes:,} nodes, {waiting:,} waiting, {running:,} running"


def _rows(plan: Plan, engine: TimedEngine, kind: type) -> list[Row]:
    times = engine.milliseconds[kind]
    after = "a submission" if kind is Submitted else "an end"
    return [
        Row(
            section="One decision",
            what=f"{_where(plan, engine)}: after {after}, {name}",
            values=(float(np.percentile(times, share)),),
            unit="ms",
            note=f"{len(times):,} decisions",
            budget=budget,
        )
        for share, name, budget in ((50, "p50", plan.p50_ms_max), (99, "p99", plan.p99_ms_max))
    ]


def _explained(plan: Plan, engine: TimedEngine) -> list[Row]:
    began_s = time.thread_time()
    reasons = engine.explain_all()
    passed_s = time.thread_time() - began_s
    one = next(iter(engine.state.line)).job.id
    began_one_s = time.thread_time()
    engine.explain(one)
    one_s = time.thread_time() - began_one_s
    where = _where(plan, engine)
    return [
        Row(
            section="Reasons",
            what=f"{where}: the reason of every waiting job",
            values=(passed_s,),
            unit="s",
            note=f"{1e6 * passed_s / max(len(reasons), 1):,.0f} µs each",
        ),
        Row(section="Reasons", what=f"{where}: of one job", values=(one_s * 1e3,), unit="ms"),
    ]
