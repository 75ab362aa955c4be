"""`noljima evaluate`: how good run-time predictions are on a trace, job by job as it went."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import gpu_count, in_words, seed

EPILOG = """\
Exit codes: 0 done; 2 bad input, told in one line; 130 interrupted.

Examples:

\b
  A log that says how many processors its machine had:
    noljima evaluate KTH-SP2.swf.gz

\b
  With a page of plots: coverage over time, reliability, losses, predicted against real:
    noljima evaluate KTH-SP2.swf.gz --report out

\b
  For a script:
    noljima evaluate day.jsonl --nodes 8 --json - | jq .coverage

What the figures mean is in docs/forecasts.md.
"""

_FILE = click.Path(path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("trace", type=_FILE)
@click.option(
    "--capacity",
    type=gpu_count(),
    metavar="P",
    help="One pool of P processors or GPUs. Default: as many as the trace says its machine had.",
)
@click.option("--nodes", type=gpu_count(), metavar="N", help="N equal nodes.")
@click.option(
    "--gpus-per-node",
    type=click.IntRange(1, 64),
    metavar="G",
    help="GPUs of each of the N nodes. Default: 8.",
)
@click.option(
    "--estimates",
    default="history",
    show_default=True,
    metavar="SOURCE",
    help="Whose predictions are judged. `noljima policies` lists the sources.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Keep only such jobs, e.g. cluster=b436b2 or gpus>=8; repeatable.",
)
@click.option("--from", "since", metavar="TIME", help="Leave out jobs before: 3d12h, or a date.")
@click.option("--until", metavar="TIME", help="Leave out jobs from this time on.")
@click.option(
    "--seed",
    type=seed(),
    default=0,
    show_default=True,
    metavar="N",
    help="For everything by chance: the same seed, the same run.",
)
@click.option(
    "--strict", is_flag=True, help="Refuse a trace with broken rows instead of skipping them."
)
@click.option(
    "--promises/--no-promises",
    default=True,
    help="Also run policy fair with these predictions and judge the start times that it promises. "
    "Default: do.",
)
@click.option("--json", "json_to", metavar="FILE|-", help="Write the figures as one JSON object.")
@click.option(
    "--report",
    "report_to",
    type=_FILE,
    metavar="DIR",
    help="Write a page of plots, DIR/index.html.",
)
@in_words
def evaluate(**given: object) -> None:
    """Predict every job of TRACE from what had finished before it, and judge the predictions.

    The jobs run through EASY with their users' limits on a cluster of the size given; each is
    predicted in the moment of its submission, from the jobs that had ended by then and from nothing
    else. Beside them the same is asked of the mean of the user's last two runs, and of the limit.
    Then policy fair runs the trace with these predictions and tells every waiting job when it
    starts; how often that is kept is told, too.
    """
    from noljima.cli import evaluation  # noqa: PLC0415 - numpy and rich, only when it runs

    evaluation.run(evaluation.request_of(given))
