"""`noljima generate`: a realistic GPU trace from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from noljima.cli import outputs
from noljima.cli.options import fail, gpu_count, in_words, seed, share
from noljima.cli.outputs import Output
from noljima.model.amounts import several

EPILOG = """\
Examples:

\b
  A busy day of a 64-GPU cluster:
    noljima generate --gpus 64 --days 1 --load 1.1 -o day.jsonl
\b
  A month with a mix of sizes of your own (sizes and weights):
    noljima generate --gpus 512 --days 30 --mix 1:0.5,2:0.2,8:0.2,64:0.1 -o month.jsonl.gz
"""


@click.command(epilog=EPILOG)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="JSON Lines; gzipped where the name ends in .gz.",
)
@click.option(
    "--seed",
    type=seed(),
    default=0,
    show_default=True,
    metavar="N",
    help="The same seed gives the same trace on every machine.",
)
@click.option(
    "--gpus",
    type=gpu_count(),
    default=64,
    show_default=True,
    metavar="P",
    help="The cluster that the load is meant for.",
)
@click.option(
    "--gpus-per-node",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    metavar="G",
    help="Shapes gangs for nodes of this size.",
)
@click.option(
    "--days",
    type=float,
    default=1.0,
    show_default=True,
    metavar="N",
    help="How long jobs are submitted.",
)
@click.option(
    "--load",
    type=float,
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="Work offered over capacity.",
)
@click.option(
    "--jobs-per-day",
    type=float,
    metavar="N",
    help="Default: as many as make the load. Given, the run times are scaled to make it.",
)
@click.option(
    "--mix",
    metavar="SIZE:WEIGHT,...",
    help="Job sizes in GPUs. Default: 93 % one GPU, the rest up to 256.",
)
@click.option(
    "--users",
    type=int,
    default=40,
    show_default=True,
    metavar="N",
    help="How many people submit.",
)
@click.option(
    "--failures",
    type=share(),
    default="0.3",
    show_default=True,
    metavar="SHARE",
    help="Share of the jobs that fail.",
)
@in_words
def generate(
    output: Path, gpus_per_node: int, mix: str | None, failures: float, **given: object
) -> None:
    """Write a trace with heavy tails, bursts, day and week rhythm, users and recurring names."""
    from noljima.workload import jsonl  # noqa: PLC0415 - numpy, only when it runs
    from noljima.workload.generator import Recipe  # noqa: PLC0415
    from noljima.workload.generator import generate as made  # noqa: PLC0415

    outputs.refuse_unwritable([Output("--output", output)], ())
    recipe = Recipe(mix=_mix(mix), failure_share=failures, **given)  # type: ignore[arg-type]  # typed by click
    trace = made(recipe, gpus_per_node=gpus_per_node)
    jsonl.write(trace, output)
    click.echo(f"{output}: {several(len(trace.jobs), 'job')}, load {trace.load(recipe.gpus):.2f}")


def _mix(words: str | None) -> Mapping[int, float] | None:
    if words is None:
        return None
    mix: dict[int, float] = {}
    for part in words.split(","):
        size, _, weight = part.partition(":")
        try:
            gpus, share_ = int(size), float(weight)
        except ValueError:
            fail(f"--mix: {words!r} is not like 1:0.5,8:0.5")
        if gpus in mix:
            fail(f"--mix: size {gpus} is there twice")
        mix[gpus] = share_
    return mix
