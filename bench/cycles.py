"""How long one decision takes on a full cluster with a long queue, and what memory it needs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from bench import machine, predicting, workloads
from bench.backlog import Backlog
from bench.row import Point, Result, Row
from noljima import app
from noljima.engine import Engine
from noljima.engine.promises import Promises
from noljima.engine.promises.book import Forecast, PromiseBook
from noljima.engine.promises.keeper import Books
from noljima.model.commands import Command
from noljima.model.estimate import Estimate
from noljima.model.events import Event, Finished, Submitted
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.policy.presets import policy_of
from noljima.prediction.source import Guarded, Source
from noljima.prediction.sources import source_of
from noljima.runtime.loop import run

_KINDS: Final[dict[type, str]] = {Submitted: "a submission", Finished: "an end"}
_SETTLED_S: Final = 86_400.0
SECTION: Final = "One decision"


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cluster, a queue and how many decisions are measured."""

    policy: str
    estimates: str = "limit"
    nodes: int
    waiting: int
    running: int
    long: bool = True
    """Whether jobs run for a day in the median, or for ten minutes."""
    samples: int = 300
    """Of each kind of event."""
    window_s: float = 300.0
    """Until the cluster is as after a day, what ends within so long ends together."""
    rows: bool = True
    p50_ms_max: float | None = None
    p99_ms_max: float | None = None
    rss_gib_max: float | None = None
    predicted_share_max: float | None = None
    promises: bool = False
    """Whether waiting jobs are told when they start; then that is measured, too."""
    curves: tuple[str, ...] = ()
    """The curves that this adds points to."""


class TimedEstimates(Guarded):
    """Estimates that note how long each takes."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.milliseconds: list[float] = []

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Predict, with an eye on the CPU clock of this thread."""
        began_ns = time.thread_time_ns()
        estimate = super().predict(job, oracle_s)
        self.milliseconds.append((time.thread_time_ns() - began_ns) / 1e6)
        return estimate


class CountedBook(PromiseBook):
    """A book that counts how often it is looked whether a promise can be made or moved."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def tell(
        self,
        job: JobId,
        now_s: float,
        forecast: Forecast,
        weight: float = 1.0,
        latest_s: float = math.inf,
    ) -> None:
        """Tell, and count it."""
        self.looks += 1
        super().tell(job, now_s, forecast, weight, latest_s)


class TimedPromises(Promises):
    """Promises that note how long each moment takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.book = self.counted = CountedBook()
        self.milliseconds: list[float] = []

    def follow(self, books: Books, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Follow, with an eye on the CPU clock of this thread; the first day is not counted."""
        began_ns = time.thread_time_ns()
        super().follow(books, events, commands)
        if books.state.now_s <= _SETTLED_S:
            self.counted.looks = 0
        else:
            self.milliseconds.append((time.thread_time_ns() - began_ns) / 1e6)


class TimedEngine(Engine):
    """An engine that notes how long it takes for each event of its own."""

    def __init__(self, plan: Plan) -> None:
        source, space = source_of(plan.estimates), app.build_space(app.GRID, "pack")
        super().__init__(policy_of(plan.policy), source, space)
        self.estimates = self.timed_estimates = TimedEstimates(source)
        self.timed_promises = TimedPromises() if plan.promises else None
        self.promises = self.timed_promises
        self.milliseconds: dict[type, list[float]] = {kind: [] for kind in _KINDS}
        self._gathers = False

    def handle(self, *events: Event) -> list[Command]:
        """Decide, with an eye on the CPU clock of this thread."""
        if events[0].at_s <= _SETTLED_S:
            return self._decided_once(events)
        began_ns = time.thread_time_ns()
        commands = super().handle(*events)
        passed_ms = (time.thread_time_ns() - began_ns) / 1e6
        if len(events) == 1 and type(events[0]) in self.milliseconds:
            self.milliseconds[type(events[0])].append(passed_ms)
        return commands

    def _decided_once(self, events: tuple[Event, ...]) -> list[Command]:
        """Plan once for all events, under any policy: nobody measures the first day."""
        self._gathers = True
        commands = super().handle(*events)
        self._gathers = False
        self._plan()
        return commands

    def _plan(self) -> None:
        if not self._gathers:
            super()._plan()


def settled(plan: Plan) -> TimedEngine:
    """Return an engine that has lived for a day with so many jobs, and its times after that."""
    engine = TimedEngine(plan)
    backlog = plan.waiting + plan.running
    world = Backlog(
        app.equal_nodes(plan.nodes, workloads.GPUS_PER_NODE),
        workloads.endless(plan.nodes, long=plan.long),
        backlog,
        enough=lambda: all(len(t) >= plan.samples for t in engine.milliseconds.values()),
        window_s=plan.window_s,
        single_from_s=_SETTLED_S,
    )
    asyncio.run(run(engine, world))
    return engine


def measure(plan: Plan) -> Result:
    """Measure decisions after single submissions and single ends."""
    engine = settled(plan)
    rss_gib = machine.rss_gib()
    result = Result(points=_points(plan, engine, rss_gib))
    if plan.rows:
        result.rows += [*_decisions(plan, engine), _memory(plan, engine, rss_gib)]
        result.rows += _explained(plan, engine)
        if plan.predicted_share_max is not None:
            result.rows.append(_predicted(plan, engine))
        if engine.timed_promises is not None:
            result.rows += _promised(plan, engine, engine.timed_promises)
    return result


def _where(plan: Plan, engine: Engine) -> str:
    running, waiting = len(engine.state.running), len(engine.state.line)
    policy = plan.policy if plan.estimates == "limit" else f"{plan.policy} ({plan.estimates})"
    if plan.promises:
        policy += " with promises"
    kind = "" if plan.long else ", short jobs"
    return f"{policy}, {plan.nodes:,} nodes, {waiting:,} waiting, {running:,} running{kind}"


def _points(plan: Plan, engine: TimedEngine, rss_gib: float) -> list[Point]:
    times = [each for kind in _KINDS for each in engine.milliseconds[kind]]
    p50, p99 = (float(each) for each in np.percentile(times, [50, 99]))
    points: list[Point] = []
    for curve in plan.curves:
        size = plan.waiting if curve == "waiting" else plan.nodes
        points += [
            Point(curve, f"{plan.policy}, p50", size, p50),
            Point(curve, f"{plan.policy}, p99", size, p99),
            Point(f"{curve}-memory", plan.policy, size, rss_gib * 1024),
        ]
    return points


def _decisions(plan: Plan, engine: TimedEngine) -> list[Row]:
    """Make a row for each kind of event; the dearer kind has to keep to the budget."""
    rows: list[Row] = []
    for share, name, budget in ((50, "p50", plan.p50_ms_max), (99, "p99", plan.p99_ms_max)):
        figures = {
            kind: float(np.percentile(times, share)) for kind, times in engine.milliseconds.items()
        }
        dearer = max(figures, key=figures.__getitem__)
        rows += [
            Row(
                section=SECTION,
                what=f"{_where(plan, engine)}: {name} after {words}",
                values=(figures[kind],),
                unit="ms",
                note=f"{len(engine.milliseconds[kind]):,} decisions",
                budget=budget if kind is dearer else None,
            )
            for kind, words in _KINDS.items()
        ]
    return rows


def _predicted(plan: Plan, engine: TimedEngine) -> Row:
    """Compare what is predicted for a job with the two decisions that each job brings."""
    predicted_ms = np.mean(engine.timed_estimates.milliseconds[-plan.samples :])
    decided_ms = sum(np.mean(times) for times in engine.milliseconds.values())
    return Row(
        section=predicting.SECTION,
        what=f"{_where(plan, engine)}: share of the decisions about a job",
        values=(float(100 * predicted_ms / decided_ms),),
        unit="%",
        note=f"{decided_ms:.2f} ms for its submission and its end",
        budget=plan.predicted_share_max,
    )


def _promised(plan: Plan, engine: TimedEngine, promises: TimedPromises) -> list[Row]:
    """Say what promises cost in a moment, which is a part of the decision's time."""
    times, looks = promises.milliseconds, promises.counted.looks
    where, note = _where(plan, engine), f"{len(times):,} moments"
    shares = ((50, "p50"), (99, "p99"))
    return [
        Row(
            section="Promises",
            what=f"{where}: a promise made or looked at again, mean",
            values=(1e3 * sum(times) / max(looks, 1),),
            unit="µs",
            note=f"{looks:,} of them; {len(promises.book):,} are open",
        ),
        *(
            Row(
                section="Promises",
                what=f"{where}: all promises in a moment, {name}",
                values=(float(np.percentile(times, share)),),
                unit="ms",
                note=note,
            )
            for share, name in shares
        ),
    ]


def _memory(plan: Plan, engine: Engine, rss_gib: float) -> Row:
    return Row(
        section="Memory",
        what=f"{_where(plan, engine)}: resident, all jobs included",
        values=(rss_gib,),
        unit="GiB",
        budget=plan.rss_gib_max,
    )


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
