"""What `noljima simulate` does once its options are read."""

from __future__ import annotations

import math
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.cli import outputs, reading
from noljima.cli.endings import fail
from noljima.cli.options import NEVER_S
from noljima.cli.progress import Bars
from noljima.cli.request import STDOUT, Request
from noljima.cli.settings import read_settings
from noljima.config import Settings
from noljima.drivers.sim import faults
from noljima.drivers.sim.faults import NO_FAULTS, Faults, NodeFault
from noljima.drivers.sim.stepping import Stepping
from noljima.engine.validate import BrokenInvariantError
from noljima.model.job import Checkpoint
from noljima.model.node import Node
from noljima.model.resources import GPU
from noljima.prediction.history import History
from noljima.report import atomic, metrics, page, promises, schedule, table
from noljima.report.catalogue import Value, nested
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder
from noljima.runtime.ports import Sink
from noljima.store.journal import JournalError, JournalWriter
from noljima.workload import cluster, jsonl
from noljima.workload.selection import Selection, parse_filter, parse_moment, select
from noljima.workload.trace import Trace

_FAULTS_MAX: Final = 100_000


def run(request: Request) -> None:
    """Run every policy with every source of estimates, then tell."""
    # 1. Refuse before the first long run what would fail after it.
    spec = _spec(request)
    specs = [
        msgspec.structs.replace(spec, policy=policy, estimates=estimates)
        for policy in request.policies
        for estimates in request.estimates
    ]
    for each in specs:
        app.build_engine(each)
    outputs.refuse_unwritable(request.outputs(), request.inputs())
    saved = None if request.history_in is None else request.history_in.read_bytes()
    if saved is not None:
        History.load(saved)
    scene = _scene(request)
    # 2. The strict queue is what every run is measured against.
    with Bars(len(scene.trace.jobs), len(specs) + 1) as bars:
        with bars.run("strict queue") as looking:
            strict = app.strict_starts(spec, scene, looking)
        results = [
            _one(request, each, scene, strict, bars, _history(request, scene, saved))
            for each in specs
        ]
    # 3. Tell.
    _tell(request, scene, [record for record, _ in results], [figures for _, figures in results])


def _one(
    request: Request,
    spec: EngineSpec,
    scene: Scene,
    strict: Mapping[str, float],
    bars: Bars,
    history: History | None,
) -> tuple[RunRecord, dict[str, Value]]:
    engine, recorder = app.build_engine(spec, history), Recorder()
    hearer = promises.Hearer(engine)
    sinks: list[Sink] = [recorder, hearer]
    if request.validate:
        sinks.append(app.Validator(engine))
    try:
        with (
            bars.run(f"{spec.policy}, {spec.estimates}") as looking,
            _journal(request.journal_to, spec) as journal,
        ):
            wall_s = app.simulate(engine, scene, [*sinks, *looking], journal)
    except BrokenInvariantError as error:
        click.echo(f"noljima: {spec.policy}: {error}", err=True)
        sys.exit(1)
    if request.history_out is not None and history is not None:
        atomic.write_bytes(request.history_out, history.save())
    record = hearer.entered(recorder.run(policy=spec.policy, estimates=spec.estimates))
    return record, metrics.figures(record, _gpus(scene.nodes) * GPU, strict, wall_s)


def _history(request: Request, scene: Scene, saved: bytes | None) -> History | None:
    """Build the history that a run begins with, where it is to be read or written."""
    if saved is None:
        return None if request.history_out is None else History()
    history = History.load(saved)
    history.begin_anew(scene.trace.jobs[0].submit_s)
    return history


@contextmanager
def _journal(path: Path | None, spec: EngineSpec) -> Iterator[JournalWriter | None]:
    """Write a journal beside its place and move it there in the end.

    Where the engine itself breaks, the journal stays: it tells how that came about. Otherwise
    there is a whole one or none.
    """
    if path is None:
        yield None
        return
    draft = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
    whole = False
    try:
        with JournalWriter(draft, msgspec.to_builtins(spec)) as journal:
            try:
                yield journal
            except (JournalError, OSError):
                raise
            except Exception:
                whole = True
                raise
        whole = True
    finally:
        if whole:
            draft.replace(path)
        else:
            draft.unlink(missing_ok=True)


def _spec(request: Request) -> EngineSpec:
    return EngineSpec(
        policy=request.policies[0],
        estimates=request.estimates[0],
        seed=request.seed,
        space=app.POOL if request.capacity is not None else app.GRID,
        placement=request.placement,
        settings=read_settings(request.settings) if request.settings else Settings(),
        promises=request.promises or request.promises_out is not None,
    )


def _scene(request: Request) -> Scene:
    if request.capacity is not None:
        nodes, shape = app.pool_nodes(request.capacity), None
    elif request.nodes is not None:
        nodes, shape = app.equal_nodes(request.nodes, request.gpus_per_node), request.gpus_per_node
    else:
        assert request.cluster is not None
        listing = cluster.read_nodes(request.cluster, strict=request.strict)
        reading.warn(request.cluster.name, "skipped", listing.problems, listing.problem_count)
        nodes = listing.items
        shape = max((node.gpus for node in nodes), default=0) or None
    trace = reading.read(request.trace, gpus_per_node=shape, strict=request.strict)
    trace = select(trace, _selection(request))
    if not trace.jobs:
        fail(f"{request.trace}: no job is left to run")
    stepping = None
    if request.progress is not None:
        stepping = Stepping(every_s=request.progress, seed=request.seed)
    return Scene(
        nodes=nodes,
        trace=trace,
        grace_s=request.grace,
        faults=_faults(request, nodes, trace),
        stepping=stepping,
    )


def _selection(request: Request) -> Selection:
    checkpoint = None
    if request.checkpoint is not None:
        interval_s = None if request.checkpoint == NEVER_S else request.checkpoint
        checkpoint = Checkpoint(interval_s=interval_s, restart_s=request.restart_cost)
    return Selection(
        since=parse_moment(request.since) if request.since else None,
        until=parse_moment(request.until) if request.until else None,
        filters=tuple(parse_filter(words) for words in request.filters),
        load_factor=request.load,
        evictable_share=request.evictable,
        checkpoint=checkpoint,
        early_exits=request.early_exits,
        seed=request.seed,
    )


def _faults(request: Request, nodes: Sequence[Node], trace: Trace) -> Faults:
    if request.node_mtbf is None and not request.start_failures:
        return NO_FAULTS
    hit: tuple[NodeFault, ...] = ()
    if request.node_mtbf is not None:
        expected = len(nodes) * trace.span_s / (request.node_mtbf + request.node_repair)
        if expected > _FAULTS_MAX:
            fail(f"--node-mtbf: that would be some {expected:,.0f} faults; {_FAULTS_MAX:,} at most")
        hit = faults.node_faults(
            nodes,
            mean_s=request.node_mtbf,
            repair_s=request.node_repair,
            span=(trace.jobs[0].submit_s, trace.jobs[-1].submit_s),
            seed=request.seed,
        )
    jobs = [job.job.id for job in trace.jobs]
    failing = faults.start_failures(jobs, share=request.start_failures, seed=request.seed)
    return Faults(nodes=hit, start_failures=failing)


def _tell(
    request: Request,
    scene: Scene,
    records: Sequence[RunRecord],
    figures: Sequence[Mapping[str, Value]],
) -> None:
    if request.save_trace is not None:
        jsonl.write(scene.trace, request.save_trace)
    if request.schedule_to is not None:
        schedule.write(request.schedule_to, records[0])
    if request.promises_out is not None:
        promises.write(request.promises_out, records[0])
    trace_facts = _trace_facts(request, scene)
    cluster_facts = _cluster_facts(request, scene.nodes)
    if request.report_to is not None:
        path = page.write(
            request.report_to,
            f"{scene.trace.name}: {', '.join(request.policies)}",
            _written(trace_facts),
            _written(cluster_facts),
            records,
            figures,
        )
        click.echo(f"noljima: the report is {path}", err=True)
    told = {
        "trace": trace_facts,
        "cluster": cluster_facts,
        "runs": [nested(each) for each in figures],
    }
    written = msgspec.json.format(msgspec.json.encode(told), indent=2).decode()
    if request.json_to == STDOUT:
        click.echo(written)
        return
    if request.json_to is not None:
        atomic.write_text(Path(request.json_to), written + "\n")
    table.show(figures, Console())


def _trace_facts(request: Request, scene: Scene) -> dict[str, Value]:
    trace = scene.trace
    load = trace.load(_gpus(scene.nodes))
    return {
        "name": trace.name,
        "file": str(request.trace),
        "jobs": len(trace.jobs),
        "skipped_rows": trace.problem_count,
        "span_s": trace.span_s,
        "gpu_hours": round(trace.gpu_s / 3600.0, 3),
        "largest_job_gpus": trace.gpus_max,
        "offered_load": round(load, 4) if math.isfinite(load) else None,
        "load_factor": request.load,
        "seed": request.seed,
        **_changes(request),
    }


def _changes(request: Request) -> dict[str, Value]:
    """Name what was asked for beyond the trace itself; the rest is as the trace says."""
    checkpoint = request.checkpoint
    asked: dict[str, Value] = {
        "from": request.since,
        "until": request.until,
        "filters": ", ".join(request.filters) or None,
        "evictable_share": request.evictable,
        "checkpoint_s": "never" if checkpoint == NEVER_S else checkpoint,
        "restart_cost_s": request.restart_cost or None,
        "grace_s": request.grace or None,
        "progress_s": request.progress,
        "node_mtbf_s": request.node_mtbf,
        "start_failures": request.start_failures or None,
        "early_exits": request.early_exits or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _cluster_facts(request: Request, nodes: Sequence[Node]) -> dict[str, Value]:
    gpus = _gpus(nodes)
    if request.capacity is not None:
        return {"kind": "pool", "gpus": gpus}
    types = sorted({node.gpu_type or "any" for node in nodes})
    return {
        "kind": "nodes",
        "nodes": len(nodes),
        "gpus": gpus,
        "gpu_types": ", ".join(types),
        "placement": request.placement,
    }


def _gpus(nodes: Sequence[Node]) -> int:
    return sum(node.gpus for node in nodes)


def _written(facts: Mapping[str, Value]) -> dict[str, str]:
    """Word facts for people: `largest_job_gpus: 100.0` reads `largest job gpus: 100`."""
    return {
        key.replace("_", " "): f"{value:,.10g}" if isinstance(value, int | float) else str(value)
        for key, value in facts.items()
    }
