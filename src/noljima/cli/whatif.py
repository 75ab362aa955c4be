"""`noljima whatif`: what a change would change, tried on a copy."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

import click

from noljima.cli import clocks
from noljima.cli.asking import BAD, CODES, answered, ask, at_option, end, job_name
from noljima.cli.columns import Column, harmless, table
from noljima.cli.orders import gpu_numbers
from noljima.cli.printing import Form, form_option, show
from noljima.cli.spans import span
from noljima.control.messages import Compared, Shift, WhatIf
from noljima.submission import amounts, files, texts
from noljima.submission.drafts import Surroundings, finished

EPILOG: Final = f"""\
Played forward with every job taking its middle run time: nothing real changes, and reality will
differ. Times are when jobs start.

{CODES}
Examples:

\b
    noljima whatif --policy efficient
    noljima whatif --drain 0-3
    noljima whatif --job 812 --gpus 4 --limit 2h
    noljima whatif --file job.yaml
"""


@click.command(epilog=EPILOG)
@click.option("--policy", default="", metavar="NAME", help="Another policy.")
@click.option("--drain", metavar="GPU,...", help="Without these GPUs.")
@click.option("--job", metavar="JOB", help="This waiting job, with the following options.")
@click.option("--workers", metavar="N", help="So many workers, with --job.")
@click.option("--gpus", metavar="N", help="GPUs of each worker, with --job.")
@click.option("--limit", type=span, metavar="TIME", help="Another time limit, with --job.")
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With one more job.",
)
@form_option
@at_option
@answered
def whatif(*, form: str, at: Path | None, **given: object) -> None:
    """Say who would start earlier and who later, if something were different."""
    answer = ask(at, _question(given), Compared)
    names = [shift.job for shift in answer.shifts]
    show(answer, form, partial(compared, wide=form == Form.WIDE), names)


def compared(answer: Compared, *, wide: bool) -> str:
    """Write who would start when, and what it would be for all of them."""
    now_s = answer.now_s
    columns = [
        Column[Shift]("Job", lambda shift: shift.job),
        Column[Shift]("User", lambda shift: shift.user or "-"),
        Column[Shift]("Name", lambda shift: shift.name or "-", cut=True),
        Column[Shift]("Starts", lambda shift: clocks.at(shift.start_s, now_s)),
        Column[Shift]("Would start", lambda shift: clocks.at(shift.would_s, now_s)),
        Column[Shift]("Change", change_of, right=True),
    ]
    waits, ends = answer.mean_wait_s, answer.end_s
    lines = [
        harmless(answer.change),
        table(answer.shifts, columns, wide=wide) if answer.shifts else "No job waits.",
        f"mean wait {clocks.lasting(waits[0])}, would be {clocks.lasting(waits[1])}",
        f"all ended {clocks.at(ends[0], now_s)}, would be {clocks.at(ends[1], now_s)}",
    ]
    return "\n".join(lines)


def change_of(shift: Shift) -> str:
    """Write how much earlier or later a job would start."""
    if shift.start_s is None or shift.would_s is None:
        return "-" if shift.start_s == shift.would_s else "never" if shift.start_s else "new"
    change_s = shift.would_s - shift.start_s
    if abs(change_s) < 1:
        return "same"
    return f"{clocks.lasting(abs(change_s))} {'later' if change_s > 0 else 'earlier'}"


def _question(given: dict[str, object]) -> WhatIf:
    job, workers, gpus, limit = given["job"], given["workers"], given["gpus"], given["limit"]
    changes = [name for name in ("workers", "gpus", "limit") if given[name] is not None]
    if changes and job is None:
        end(f"whatif: --{changes[0]} does nothing without --job", BAD)
    if job is not None and not changes:
        end("whatif: --job needs --workers, --gpus or --limit", BAD)
    file, drain = given["file"], given["drain"]
    if not (given["policy"] or drain or job or file):
        end("whatif: say what: --policy, --drain, --job or --file", BAD)
    assert limit is None or isinstance(limit, float | int)
    around = Surroundings(os.getcwd(), os.environ)  # noqa: PTH109 - a text is what is needed
    return WhatIf(
        policy=texts.name("--policy", given["policy"]),
        drain=gpu_numbers(str(drain).split()) if drain else (),
        job=job_name(str(job)) if job is not None else "",
        workers=None if workers is None else amounts.count("--workers", workers, low=1, high=10**6),
        gpu_milli=None if gpus is None else amounts.gpu_milli("--gpus", gpus),
        limit_s=limit,
        submissions=(finished(files.read_path(file, around), around),)
        if isinstance(file, Path)
        else (),
    )
