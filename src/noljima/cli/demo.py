"""`noljima demo`: the scheduler on eight virtual GPUs, with real jobs, in a minute and a half."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from noljima.cli.options import in_words

EPILOG = """\
Exit codes: 0 done; 1 a job did not end as it should, or something was left behind; 2 it could not
begin, told in one line.

Examples:

\b
  In a folder of its own:
    noljima demo
\b
  As lines, for a file:
    noljima demo --folder /tmp/demo | tee demo.txt

What it brings up is what `noljima up --gpus 8` brings up. The jobs are small Python programs that
train nothing; they step, meet, save, hang and crash as real ones do.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where everything is kept; what an earlier demo left there is replaced.",
)
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save a picture of the queue, 24 s after the beginning.",
)
@in_words
def demo(folder: Path, svg: Path | None) -> None:
    """Run a mixed set of real gangs on 8 virtual GPUs, and compare with a strict queue.

    Among them one job that hangs, one that crashes and one that does not end before its limit.
    """
    from noljima.cli import staging  # noqa: PLC0415 - rich, and a scheduler, only when it runs

    sys.exit(staging.run(folder.resolve(), svg))
