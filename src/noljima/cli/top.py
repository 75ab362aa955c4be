"""`noljima top`: the queue and the GPUs, live; needs the extra `top`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import click

from noljima.cli import details
from noljima.cli.asking import BAD, CODES, answered, ask, at_option, end, stream
from noljima.control.messages import Detail, Hello, Scene, Show, Watch, Welcome

EPILOG: Final = f"""\
Keys: up and down choose a job, Tab goes to the next table, w or Enter says why it waits, q ends.

{CODES}
Examples:

\b
    pip install 'noljima[top]'
    noljima top
"""
_MISSING: Final = (
    "top needs Textual: `pip install 'noljima[top]'`; `noljima queue --watch` needs none"
)


@click.command(epilog=EPILOG)
@at_option
@answered
def top(*, at: Path | None) -> None:
    """Show the queue, the GPUs and what has ended, and keep it up to date."""
    try:
        from noljima.cli.live import Live  # noqa: PLC0415 - an extra, and 0.2 s
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        end(_MISSING, BAD)
    # Whoever has no scheduler is told so before the screen is taken.
    ask(at, Hello(), Welcome)
    Live(partial(scenes, at), partial(why, at)).run()


def scenes(at: Path | None) -> Iterator[Scene]:
    """Give everything, again and again."""
    return stream(at, Watch(), Scene)


def why(at: Path | None, job: str) -> str:
    """Say why a job waits, in lines."""
    return "\n".join(details.sentences(ask(at, Show(job=job), Detail)))
