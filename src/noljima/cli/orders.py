"""Orders to the scheduler: stop, hold and release jobs, drain and restore GPUs, end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from noljima.cli.asking import (
    BAD,
    CODE_OF,
    CODES,
    UNKNOWN,
    answered,
    ask,
    at_option,
    end,
    job_names,
    jobs_argument,
)
from noljima.cli.columns import harmless
from noljima.control.messages import (
    Asked,
    Done,
    Down,
    Drain,
    End,
    Hello,
    Hold,
    JobRows,
    Jobs,
    NodeRows,
    Nodes,
    Release,
    Restore,
    Welcome,
    Why,
)
from noljima.model.bounds import InvalidFieldError
from noljima.submission import arrays, texts

C = TypeVar("C", bound=Callable[..., object])


def _epilog(*examples: str) -> str:
    lines = "\n".join(f"    noljima {example}" for example in examples)
    return f"{CODES}\nExamples:\n\n\b\n{lines}\n"


def _dry_run(command: C) -> C:
    option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
    return option(command)


@click.command(epilog=_epilog("stop 812", "stop 812 813 --kill", "stop 900 --dry-run"))
@jobs_argument()
@click.option("--kill", is_flag=True, help="At once, without the time to end by itself.")
@_dry_run
@at_option
@answered
def stop(*, jobs: Sequence[str], kill: bool, dry_run: bool, at: Path | None) -> None:
    """End jobs, waiting or running. An array's name stands for all of its jobs.

    A running job is told by SIGTERM, has its --stop-grace to end, and is killed then.
    """
    names = job_names(jobs)
    _order(at, End(jobs=names, kill=kill), names, "stop", dry_run=dry_run)


@click.command(epilog=_epilog("hold 812"))
@jobs_argument()
@_dry_run
@at_option
@answered
def hold(*, jobs: Sequence[str], dry_run: bool, at: Path | None) -> None:
    """Let waiting jobs be passed over until they are released."""
    names = job_names(jobs)
    _order(at, Hold(jobs=names), names, "hold", dry_run=dry_run)


@click.command(epilog=_epilog("release 812"))
@jobs_argument()
@_dry_run
@at_option
@answered
def release(*, jobs: Sequence[str], dry_run: bool, at: Path | None) -> None:
    """Let held jobs wait for their turn again."""
    names = job_names(jobs)
    _order(at, Release(jobs=names), names, "release", dry_run=dry_run)


@click.command(epilog=_epilog('drain 3 --reason "fan is loud"', "drain 0,1"))
@click.argument("gpus", nargs=-1, required=True, metavar="GPU...")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown to everybody.")
@_dry_run
@at_option
@answered
def drain(*, gpus: Sequence[str], reason: str, dry_run: bool, at: Path | None) -> None:
    """Let GPUs take nothing new; what runs on them goes on. For operators."""
    numbers = gpu_numbers(gpus)
    question = Drain(gpus=numbers, reason=texts.name("--reason", reason))
    _order_gpus(at, question, numbers, "drain", dry_run=dry_run)


@click.command(epilog=_epilog("restore 3"))
@click.argument("gpus", nargs=-1, required=True, metavar="GPU...")
@_dry_run
@at_option
@answered
def restore(*, gpus: Sequence[str], dry_run: bool, at: Path | None) -> None:
    """Let GPUs take work again. For operators."""
    numbers = gpu_numbers(gpus)
    _order_gpus(at, Restore(gpus=numbers), numbers, "restore", dry_run=dry_run)


@click.command(epilog=_epilog("down", "down --stop-jobs"))
@click.option("--stop-jobs", is_flag=True, help="Evict what runs first, to switch the machine off.")
@_dry_run
@at_option
@answered
def down(*, stop_jobs: bool, dry_run: bool, at: Path | None) -> None:
    """End the scheduler. Its jobs go on, and it finds them when it is started again."""
    if dry_run:
        found = ask(at, Hello(), Welcome)
        what = "evict what runs, and end" if stop_jobs else "end, and leave its jobs running,"
        click.echo(f"would {what} the scheduler on {found.node} (pid {found.pid})")
        return
    _tell(ask(at, Down(stop_jobs=stop_jobs), Done))


def gpu_numbers(words: Sequence[str]) -> tuple[int, ...]:
    """Read numbers of GPUs: 3, or 0,1 or 0-3."""
    found: list[int] = []
    for word in words:
        if "%" in word or ":" in word:
            raise InvalidFieldError("GPU", word, "is no number of a GPU, such as 3 or 0-3")
        found += arrays.read("GPU", word).indices
    return tuple(dict.fromkeys(found))


def _order(
    at: Path | None, question: Asked, names: Sequence[str], verb: str, *, dry_run: bool
) -> None:
    if not dry_run:
        _tell(ask(at, question, Done))
        return
    found = ask(at, Jobs(jobs=tuple(names)), JobRows)
    for row in found.rows:
        click.echo(harmless(f"would {verb} {row.job} {row.name} ({row.state}, of {row.user})"))
    known = {row.job for row in found.rows}
    for name in names:
        if name not in known and not any(job.startswith(f"{name}_") for job in known):
            end(f"JOB: {name!r} is no job that waits or runs", UNKNOWN)


def _order_gpus(
    at: Path | None, question: Asked, numbers: Sequence[int], verb: str, *, dry_run: bool
) -> None:
    if not dry_run:
        _tell(ask(at, question, Done))
        return
    known = {gpu.number: gpu for node in ask(at, Nodes(), NodeRows).rows for gpu in node.gpus}
    for number in numbers:
        if number not in known:
            end(f"GPU: {number} is none of the {len(known)} GPUs", BAD)
        jobs = ", ".join(known[number].jobs) or "no job"
        click.echo(f"would {verb} GPU {number}, which has {jobs}")


def _tell(done: Done) -> None:
    """Print what was done; what was not goes to standard error, and the exit code says so."""
    for words in done.words:
        click.echo(harmless(words))
    for words in done.refused[:-1]:
        click.echo(f"noljima: {harmless(words)}", err=True)
    if done.refused:
        end(harmless(done.refused[-1]), _code_of(done.whys))


def _code_of(whys: Sequence[Why]) -> int:
    """Give the code that all refusals share; of several kinds it is that of bad input."""
    codes = {CODE_OF[why] for why in whys}
    return codes.pop() if len(codes) == 1 else BAD
