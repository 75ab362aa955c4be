"""`noljima why` and `noljima show`: one job, in sentences or with all that is known of it."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli import details
from noljima.cli.asking import CODES, answered, ask, at_option, job_name, jobs_argument
from noljima.cli.printing import form_option, repeated, watch_option
from noljima.cli.printing import show as print_answer
from noljima.control.messages import Detail, Show

WHY_EPILOG = f"""\
Codes and sentences are in docs/reasons.md.

{CODES}
Example:

\b
    noljima why 812
"""
SHOW_EPILOG = f"""\
{CODES}
Examples:

\b
    noljima show 812
    noljima show 812 -o yaml
"""


@click.command(epilog=WHY_EPILOG)
@jobs_argument(one=True)
@form_option
@watch_option
@at_option
@answered
def why(*, job: str, form: str, watch: bool, at: Path | None) -> None:
    """Say why a job waits, when it starts and what would change that; or how it ended."""
    _print(job, form, at, watch=watch, wide=False)


@click.command(epilog=SHOW_EPILOG)
@jobs_argument(one=True)
@form_option
@watch_option
@at_option
@answered
def show(*, job: str, form: str, watch: bool, at: Path | None) -> None:
    """Show all that is known of a job, also of one that has ended."""
    _print(job, form, at, watch=watch, wide=True)


def _print(job: str, form: str, at: Path | None, *, watch: bool, wide: bool) -> None:
    name = job_name(job)
    write = details.everything if wide else details.sentences
    for _ in repeated(at, watch=watch):
        answer = ask(at, Show(job=name), Detail)
        print_answer(answer, form, lambda found: "\n".join(write(found)), [answer.row.job])
