"""What `noljima place` does once its options are read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from noljima.cli import outputs
from noljima.cli.endings import fail
from noljima.cli.outputs import Output
from noljima.model.amounts import several
from noljima.placement.strategies import NAMES, strategy_of
from noljima.report import atomic, packing
from noljima.report.packing import Benchmark, Curve, Report, Run
from noljima.workload import openb
from noljima.workload.openb import Item, Listing

STDOUT: Final = "-"
_SEED: Final = 42
_SEEDS_MAX: Final = 10_000
_PROBLEMS_SHOWN: Final = 3


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one call."""

    pods: Path
    cluster: Path
    demand: float
    seeds: tuple[int, ...] = ()
    placements: tuple[str, ...] = ()
    strict: bool = False
    json_to: str | None = None
    plot: Path | None = None

    def outputs(self) -> list[Output]:
        """List the files that will be written."""
        json_to = None if self.json_to in (None, STDOUT) else Path(str(self.json_to))
        files = (("--json", json_to), ("--plot", self.plot))
        return [Output(option, path) for option, path in files if path is not None]


def request_of(options: Mapping[str, object]) -> Request:
    """Type the options, and refuse those that do not go together."""
    given = {name: value for name, value in options.items() if value is not None}
    span = given.pop("span", None)
    request = Request(**given)  # type: ignore[arg-type]  # click has converted each of them
    placements = tuple(
        each for name in request.placements for each in (NAMES if name == "all" else (name,))
    )
    for placement in placements:
        strategy_of(placement)
    seeds = (*request.seeds, *(_span(str(span)) if span is not None else ())) or (_SEED,)
    for option, values in (("--placement", placements), ("--seed", seeds)):
        twice = [value for value in values if list(values).count(value) > 1][:1]
        if twice:
            fail(f"{option} {twice[0]} is given twice")
    return msgspec.structs.replace(request, placements=placements, seeds=seeds)


def _span(words: str) -> range:
    first, colon, last = words.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and len(words) <= 40):
        fail(f"--seeds: {words!r} is not two numbers as in 42:51")
    span = range(int(first), int(last) + 1)
    if not 0 < len(span) <= _SEEDS_MAX:
        fail(f"--seeds: {words} is not 1 to {_SEEDS_MAX:,} seeds, from the lower to the higher")
    return span


def run(request: Request) -> None:
    """Run every strategy with every seed, then tell."""
    outputs.refuse_unwritable(request.outputs(), [request.pods, request.cluster])
    nodes = _told(request.cluster, openb.read_nodes(request.cluster, strict=request.strict))
    pods = _told(request.pods, openb.read_pods(request.pods, strict=request.strict))
    if not any(node.gpus for node in nodes):
        fail(f"{request.cluster}: no node has a GPU")
    if not any(pod.gpu_milli for pod in pods):
        fail(f"{request.pods}: no pod asks for a GPU")
    runs, curves = _runs(request, Benchmark(nodes.items, pods.items, request.demand))
    _tell(request, runs, curves)


def _runs(request: Request, benchmark: Benchmark) -> tuple[list[Run], list[Curve]]:
    """Run the benchmark; draw a bar where somebody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:24s}"), BarColumn(), MofNCompleteColumn())
    runs: list[Run] = []
    curves: list[Curve] = []
    disable = not console.is_terminal
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=disable
    ) as progress:
        for placement in request.placements:
            for seed in request.seeds:
                pods = 0 if disable else len(benchmark.arriving(seed))
                bar = progress.add_task(f"{placement}, seed {seed}", total=pods)
                made, curve = benchmark.run(
                    placement, seed, time.perf_counter, partial(progress.advance, bar)
                )
                progress.remove_task(bar)
                runs.append(made)
                curves.append(curve)
    return runs, curves


def _told(path: Path, listing: Listing[Item]) -> Listing[Item]:
    """Tell of the rows that were left out: how many, and the first ones."""
    if listing.problem_count:
        click.echo(f"{path}: {several(listing.problem_count, 'row')} left out", err=True)
        for problem in listing.problems[:_PROBLEMS_SHOWN]:
            click.echo(f"  line {problem.line}: {problem.words}", err=True)
    return listing


def _tell(request: Request, runs: list[Run], curves: list[Curve]) -> None:
    report = Report(
        trace=str(request.pods),
        cluster=str(request.cluster),
        demand=request.demand,
        runs=tuple(runs),
        means=packing.means_of(runs),
    )
    written = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    if request.plot is not None:
        atomic.write_text(request.plot, packing.svg(curves))
    if request.json_to == STDOUT:
        click.echo(written)
        return
    if request.json_to is not None:
        atomic.write_text(Path(request.json_to), written + "\n")
    click.echo(packing.table(runs))
