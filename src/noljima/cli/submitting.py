"""What `noljima submit` does: a submission of what was said, its plan, a question, and the wait."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from noljima.cli import clocks, details, rows
from noljima.cli.asking import FAILED, ask, end, stream
from noljima.cli.columns import harmless
from noljima.cli.printing import Form, show
from noljima.control.client import NoSchedulerError
from noljima.control.messages import Accepted, Detail, JobRow, Plan, Planned, Scene, Submit, Watch
from noljima.control.messages import Show as ShowJob
from noljima.model.amounts import gpus, several
from noljima.submission import directives, files, texts
from noljima.submission.drafts import Draft, Surroundings, finished, over
from noljima.submission.nouns import SCRIPT_MAX, Submission

_TRIES: Final = 3

_CODE_MAX: Final = 255
_SIGNAL: Final = 128


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, typed."""

    command: tuple[str, ...]
    script: Path | None
    arguments: tuple[str, ...]
    file: Path | None
    said: Mapping[str, object]
    """What the keys of a job file are called, as options have them."""
    yes: bool
    dry_run: bool
    wait: bool
    key: str
    form: str
    at: Path | None


def hand_in(asked: Asked, folder: str, environment: Mapping[str, str]) -> None:
    """Plan a job, ask, hand it in, and wait for it where that was asked for."""
    texts.name("--key", asked.key, high=64)
    submission = submission_of(asked, Surroundings(folder, environment))
    ask_first = not (asked.yes or asked.dry_run) and _somebody_is_there()
    if asked.dry_run or ask_first:
        planned = ask(asked.at, Submit(submissions=(submission,), dry_run=True), Planned)
        if asked.dry_run:
            names = [plan.name for plan in planned.plans]
            show(planned, asked.form, _plans, names)
            return
        click.echo(_plans(planned), err=asked.form != Form.TABLE)
        if not click.confirm("Hand it in?", default=True, err=True):
            end("nothing was handed in", FAILED)
    key = asked.key or secrets.token_hex(16)
    accepted = _handed_in(asked, Submit(submissions=(submission,), key=key))
    write = partial(_accepted, submission=submission)
    show(accepted, asked.form, write, [row.job for row in accepted.rows])
    if asked.wait:
        sys.exit(waited(asked, [row.job for row in accepted.rows]))


def submission_of(asked: Asked, around: Surroundings) -> Submission:
    """Make a submission of the command line, laid over a script's head or a job file."""
    said = directives.draft_from(asked.said, around)
    if asked.command:
        said = over(said, Draft(command=texts.command("command", asked.command)))
    if asked.script is not None:
        return finished(over(said, _of_script(asked, around)), around)
    if asked.file is not None:
        said = over(said, files.read_path(asked.file, around))
    return finished(said, around)


def _of_script(asked: Asked, around: Surroundings) -> Draft:
    assert asked.script is not None
    name = asked.script.name
    with asked.script.open("rb") as file:
        raw = file.read(SCRIPT_MAX + 1)
    text = texts.script(name, files.text_of(name, raw, high=SCRIPT_MAX), high=SCRIPT_MAX)
    head = directives.read(name, text, around)
    for notice in head.notices:
        click.echo(f"noljima: {harmless(notice)}", err=True)
    arguments = tuple(texts.command("argument", asked.arguments)) if asked.arguments else None
    called = Draft(name=texts.name("name", name), script=text, command=arguments)
    return over(head.draft, called)


def _handed_in(asked: Asked, question: Submit) -> Accepted:
    """Hand it in; where nobody answers, again with the same key, which makes one job of it."""
    for _ in range(_TRIES - 1):
        try:
            return ask(asked.at, question, Accepted)
        except NoSchedulerError:
            continue
    return ask(asked.at, question, Accepted)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _plans(planned: Planned) -> str:
    return "\n".join(
        harmless(line) for plan in planned.plans for line in plan_lines(plan, planned.now_s)
    )


def plan_lines(plan: Plan, now_s: float) -> Iterator[str]:
    """Tell what would become of a submission."""
    many = f"{several(plan.jobs, 'job')} of " if plan.jobs > 1 else ""
    workers = f" for {several(plan.workers, 'worker')}" if plan.workers > 1 else ""
    yield f"{plan.name or 'a job without a name'}: {many}{gpus(plan.gpu_milli)}{workers}"
    if plan.estimate is not None:
        yield f"  runs    {details.estimated(plan.estimate, plan.source)}"
    else:
        yield "  runs    nobody knows how long: give it a --limit"
    where = f", on GPU {rows.ranges(plan.gpus)}" if plan.gpus else ""
    if plan.now:
        yield f"  starts  at once{where}"
    else:
        starts = clocks.start(plan.about_s, plan.by_s, now_s, reserved=plan.reserved)
        yield f"  starts  {starts if starts != '-' else 'nobody knows when'}{where}"
    if plan.reason:
        yield f"  why     {plan.reason}"
    for advice in plan.advice:
        yield f"  sooner  {advice}"
    if plan.evictable:
        yield "  guest   it may be evicted for an earlier job, and go on later"


def _accepted(accepted: Accepted, *, submission: Submission) -> str:
    """Tell what was accepted: an array in one line."""
    first, last = accepted.rows[0], accepted.rows[-1]
    if first is not last:
        count = several(len(accepted.rows), "job")
        return f"{first.job} to {last.job}: {count} {harmless(submission.name)} handed in"
    return harmless(rows.line_of(first, accepted.now_s))


def waited(asked: Asked, jobs: Sequence[str]) -> int:
    """Wait for the end of jobs and tell each change; return the exit code."""
    try:
        ended = _ends(asked, jobs)
    except KeyboardInterrupt:
        words = f"{jobs[0]} goes on; `noljima stop {jobs[0]}` ends it"
        click.echo(f"noljima: {words}", err=True)
        raise
    return max((code_of(row) for row in ended), default=0)


def code_of(row: JobRow) -> int:
    """Return the exit code of a job, as a shell would have it: 0 only where it succeeded."""
    if row.state == "succeeded":
        return 0
    codes = [code for code in row.exit_codes if code]
    if not codes:
        return FAILED
    return codes[0] if 0 < codes[0] <= _CODE_MAX else _SIGNAL + abs(codes[0]) % _SIGNAL


def _ends(asked: Asked, jobs: Sequence[str]) -> list[JobRow]:
    told: dict[str, str] = {}
    ended: dict[str, JobRow] = {}
    for _ in stream(asked.at, Watch(), Scene):
        for job in jobs:
            if job in ended:
                continue
            detail = ask(asked.at, ShowJob(job=job), Detail)
            words = _state_of(detail)
            if told.get(job) != words:
                told[job] = words
                click.echo(harmless(rows.line_of(detail.row, detail.now_s)), err=True)
            if details.ended(detail.row):
                ended[job] = detail.row
        if len(ended) == len(jobs):
            return list(ended.values())
    raise NoSchedulerError(f"the scheduler has ended; {jobs[0]} goes on without it")


def _state_of(detail: Detail) -> str:
    return f"{detail.row.state} {detail.row.code} {detail.row.attempt}"
