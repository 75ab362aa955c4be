"""What `noljima evaluate` does once its options are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.cli import outputs, reading
from noljima.cli.endings import fail
from noljima.cli.outputs import Output
from noljima.cli.progress import Bars
from noljima.model.node import Node
from noljima.prediction.source import Guarded
from noljima.prediction.sources import source_of
from noljima.report import atomic, evaluation, promises, table, wording
from noljima.report.evaluation import LAST_TWO, LIMIT, OURS, Evaluation
from noljima.report.forecasts import Witness
from noljima.report.page import quality
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder
from noljima.runtime.ports import Sink
from noljima.workload.selection import Selection, parse_filter, parse_moment, select
from noljima.workload.trace import Trace

STDOUT: Final = "-"
_GPUS_PER_NODE: Final = 8
_PROMISING: Final = "fair"
_HEAD: Final = ("", "ours", "last two", "limit")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, typed."""

    trace: Path
    estimates: str
    filters: Sequence[str]
    seed: int
    strict: bool
    promises: bool
    capacity: int | None = None
    nodes: int | None = None
    gpus_per_node: int = _GPUS_PER_NODE
    since: str | None = None
    until: str | None = None
    json_to: str | None = None
    report_to: Path | None = None

    def outputs(self) -> list[Output]:
        """List the files that will be written."""
        wanted = []
        if self.json_to not in (None, STDOUT):
            wanted.append(Output("--json", Path(str(self.json_to))))
        if self.report_to is not None:
            wanted.append(Output("--report", self.report_to, folder=True))
        return wanted


def request_of(options: Mapping[str, object]) -> Request:
    """Type the options, and refuse those that do not go together."""
    given = {name: value for name, value in options.items() if value is not None}
    if "capacity" in given and "nodes" in given:
        fail("--capacity and --nodes exclude each other")
    if "gpus_per_node" in given and "nodes" not in given:
        fail("--gpus-per-node does nothing without --nodes")
    return Request(**given)  # type: ignore[arg-type]  # click has converted each of them


def run(request: Request) -> None:
    """Play the trace once, let the sources predict beside it, and tell how well they did."""
    # 1. Refuse before the run what would fail after it.
    witness = Witness(
        {
            OURS: Guarded(app.build_source(request.estimates, request.seed)),
            LAST_TWO: Guarded(source_of("last-two")),
            LIMIT: Guarded(source_of("limit")),
        }
    )
    outputs.refuse_unwritable(request.outputs(), [request.trace])
    scene = _scene(request)
    # 2. EASY with limits says when each job ends: no source has a say in what it is shown.
    spec = EngineSpec(policy="easy", space=app.GRID if request.nodes else app.POOL)
    with Bars(len(scene.trace.jobs), 1 + request.promises) as bars:
        with bars.run(request.estimates) as looking:
            app.simulate(app.build_engine(spec), scene, [witness, *looking])
        found = evaluation.evaluate(scene.trace.name, witness)
        # 3. What are they worth to who waits? `fair` with them promises every start.
        if request.promises:
            with bars.run(f"{_PROMISING}, {request.estimates}") as looking:
                found = evaluation.with_promises(found, _promised(request, scene, looking))
    # 4. Tell.
    _tell(request, scene, found, witness)


def _promised(request: Request, scene: Scene, looking: Sequence[Sink]) -> RunRecord:
    engine = app.build_engine(
        EngineSpec(
            policy=_PROMISING,
            estimates=request.estimates,
            seed=request.seed,
            space=app.GRID if request.nodes else app.POOL,
            promises=True,
        )
    )
    recorder, hearer = Recorder(), promises.Hearer(engine)
    app.simulate(engine, scene, [recorder, hearer, *looking])
    return hearer.entered(recorder.run(policy=_PROMISING, estimates=request.estimates))


def _scene(request: Request) -> Scene:
    shape = request.gpus_per_node if request.nodes is not None else None
    trace = reading.read(request.trace, gpus_per_node=shape, strict=request.strict)
    nodes = _nodes(request, trace)
    trace = select(
        trace,
        Selection(
            since=parse_moment(request.since) if request.since else None,
            until=parse_moment(request.until) if request.until else None,
            filters=tuple(parse_filter(words) for words in request.filters),
            seed=request.seed,
        ),
    )
    if not trace.jobs:
        fail(f"{request.trace}: no job is left to predict")
    return Scene(nodes=nodes, trace=trace)


def _nodes(request: Request, trace: Trace) -> tuple[Node, ...]:
    if request.nodes is not None:
        return app.equal_nodes(request.nodes, request.gpus_per_node)
    capacity = request.capacity or trace.gpus
    if capacity is None:
        fail(
            f"{request.trace} does not say how large its machine was; "
            "say it with --capacity or --nodes"
        )
    return app.pool_nodes(capacity)


def _tell(request: Request, scene: Scene, found: Evaluation, witness: Witness) -> None:
    if request.report_to is not None:
        title = f"{found.trace}: run times predicted by {request.estimates}"
        path = quality.write(request.report_to, title, _facts(request, scene), found, witness)
        click.echo(f"noljima: the report is {path}", err=True)
    written = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    if request.json_to == STDOUT:
        click.echo(written)
        return
    if request.json_to is not None:
        atomic.write_text(Path(request.json_to), written + "\n")
    _show(found, Console())


def _show(found: Evaluation, console: Console) -> None:
    """Print the figures; into a file or a pipe they go in ASCII."""
    rows = evaluation.rows(found)
    if not console.is_terminal:
        click.echo(f"{found.trace}: {found.jobs:,} jobs")
        click.echo(table.aligned([_HEAD, *rows]))
        return
    told = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(_HEAD):
        told.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        told.add_row(*row)
    console.print(Text(f"{found.trace}: {wording.count(found.jobs)} jobs"), told)


def _facts(request: Request, scene: Scene) -> dict[str, str]:
    asked = {"from": request.since, "until": request.until, "filters": ", ".join(request.filters)}
    return {
        "trace": scene.trace.name,
        "jobs": wording.count(len(scene.trace.jobs)),
        "processors or GPUs": wording.count(sum(node.gpus for node in scene.nodes)),
        "estimates": request.estimates,
        "schedule": "EASY with user limits",
        **{name: words for name, words in asked.items() if words},
    }
