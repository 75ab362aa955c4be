"""`noljima queue`, `noljima ps` and `noljima history`: jobs that wait, run and have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from noljima.cli.asking import CODES, answered, ask, at_option, job_names, jobs_argument, myself
from noljima.cli.printing import Form, form_option, repeated, show, watch_option
from noljima.cli.rows import RUNS, history_table, queue_table, running_table
from noljima.cli.spans import span
from noljima.control.messages import History, JobRows, Jobs
from noljima.submission import texts

STATES = ("queued", "held", "infeasible", "starting", "running", "stopping")

QUEUE_EPILOG = f"""\
Start is `14:05 (by 14:40)`: about when, and by when in 95 of 100 cases. `reserved` means that GPUs
are kept for it from then on; `estimate` means that it may come sooner or later.

{CODES}
Examples:

\b
  Mine, again at each change:
    noljima queue --mine --watch
\b
  The jobs that wait, for a script:
    noljima queue --state queued -o json
"""

PS_EPILOG = f"""\
{CODES}
Examples:

\b
    noljima ps
    noljima ps --user kim -o wide
"""

HISTORY_EPILOG = f"""\
{CODES}
Examples:

\b
    noljima history --mine --since 2d
    noljima history -o json --limit 10
"""


def _whose(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose whose jobs."""
    user = click.option(
        "-u", "--user", "users", multiple=True, metavar="NAME", help="Whose; may be repeated."
    )
    return user(click.option("--mine", is_flag=True, help="Only my own.")(command))


def _users(users: Sequence[str], *, mine: bool) -> tuple[str, ...]:
    named = tuple(texts.name("--user", user, low=1) for user in users)
    return (*named, myself()) if mine else named


_limit = click.option("--limit", type=click.IntRange(1, 1_000_000), help="Not more than so many.")


@click.command(epilog=QUEUE_EPILOG)
@jobs_argument(required=False)
@_whose
@click.option(
    "-s",
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    metavar="STATE",
    help=f"Only {', '.join(STATES)}; may be repeated.",
)
@_limit
@form_option
@watch_option
@at_option
@answered
def queue(*, jobs: Sequence[str], states: Sequence[str], **given: object) -> None:
    """Show the jobs that have not ended, the line in its order.

    With JOB only those; an array's name stands for all of its jobs.
    """
    _show(_Given(jobs, states, given), queue_table)


@click.command(epilog=PS_EPILOG)
@jobs_argument(required=False)
@_whose
@_limit
@form_option
@watch_option
@at_option
@answered
def ps(*, jobs: Sequence[str], **given: object) -> None:
    """Show the jobs that run: where, how far they are, and when they are expected to end."""
    _show(_Given(jobs, RUNS, given), running_table)


@click.command(epilog=HISTORY_EPILOG)
@_whose
@click.option("--since", type=span, metavar="TIME", help="Ended no longer ago than that, as in 2d.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, help="Not more than so many; 50."
)
@form_option
@at_option
@answered
def history(
    *,
    users: Sequence[str],
    mine: bool,
    since: float | None,
    limit: int,
    form: str,
    at: Path | None,
) -> None:
    """Show the jobs that have ended, the latest first."""
    since_s = 0.0 if since is None else max(0.0, time.time() - since)  # noqa: TID251 - a face
    whose = _users(users, mine=mine)
    answer = ask(at, History(users=whose, since_s=since_s, limit=limit), JobRows)
    names = [row.job for row in answer.rows]
    show(answer, form, partial(history_table, wide=form == Form.WIDE), names)


class _Given:
    """What `queue` and `ps` have in common."""

    def __init__(
        self, jobs: Sequence[str], states: Sequence[str], given: dict[str, object]
    ) -> None:
        users, mine, limit = given["users"], given["mine"], given["limit"]
        assert isinstance(users, tuple)
        assert limit is None or isinstance(limit, int)
        self.jobs = job_names(jobs)
        self.users = _users(users, mine=bool(mine))
        self.states = tuple(states)
        self.limit = limit
        self.form = str(given["form"])
        self.watch = bool(given["watch"])
        at = given["at"]
        assert at is None or isinstance(at, Path)
        self.at = at


def _show(asked: _Given, table: Callable[..., str]) -> None:
    question = Jobs(users=asked.users, jobs=asked.jobs, states=asked.states, limit=asked.limit)
    for _ in repeated(asked.at, watch=asked.watch):
        answer = ask(asked.at, question, JobRows)
        names = [row.job for row in answer.rows]
        show(answer, asked.form, partial(table, wide=asked.form == Form.WIDE), names)
