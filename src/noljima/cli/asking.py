"""How people's commands ask the scheduler, and which exit code each kind of refusal has."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Final, NoReturn, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from noljima.cli.columns import harmless
from noljima.control.client import Client, ControlError, NoSchedulerError, RefusedError, socket_path
from noljima.control.messages import Asked, JobRows, Jobs, Why
from noljima.model.bounds import InvalidFieldError
from noljima.submission import texts

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")

FAILED: Final = 1
BAD: Final = 2
UNKNOWN: Final = 3
FORBIDDEN: Final = 4
NOBODY: Final = 5
NOT_NOW: Final = 6
CODE_OF: Final = {
    Why.BAD: BAD,
    Why.UNKNOWN: UNKNOWN,
    Why.FORBIDDEN: FORBIDDEN,
    Why.BUSY: NOT_NOW,
    Why.FAULT: FAILED,
}

CODES: Final = """\
Exit codes: 0 done; 1 the job failed, or the scheduler has a fault; 2 bad input; 3 no such job; 4
not yours; 5 no scheduler is running; 6 not now: the disk is full, or the scheduler is ending.
"""


def end(words: str, code: int) -> NoReturn:
    """End the program in one sentence on standard error, with an exit code."""
    click.echo(f"noljima: {words}", err=True)
    sys.exit(code)


def answered(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what is refused, here or by the scheduler, into a sentence and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except InvalidFieldError as error:
            end(harmless(str(error)), BAD)
        except ControlError as error:
            end(harmless(str(error)), code_of(error))
        except BrokenPipeError:
            raise  # Nobody reads on, as in `noljima queue | head -1`: click ends it silently.
        except OSError as error:
            end(harmless(f"{error.filename or 'file'}: {error.strerror or error}"), BAD)

    return wrapped


def code_of(error: Exception) -> int:
    """Return the exit code of a question that got no answer."""
    if isinstance(error, NoSchedulerError):
        return NOBODY
    if isinstance(error, RefusedError):
        return CODE_OF[error.why]
    return FAILED


def ask(at: Path | None, question: Asked, kind: type[A]) -> A:
    """Ask the scheduler one question, whose answer is of one kind."""
    return _of(Client(socket_path(at)).ask(question), kind)


def stream(at: Path | None, question: Asked, kind: type[A]) -> Iterator[A]:
    """Ask the scheduler a question that has many answers."""
    for answer in Client(socket_path(at)).stream(question):
        yield _of(answer, kind)


def myself() -> str:
    """Name the user who asks, as the scheduler will: by the process, not by a variable."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def at_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add the option that says which scheduler is meant."""
    option = click.option(
        "--at",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="The scheduler's state folder, as given to `noljima up --state`; or $NOLJIMA_STATE.",
    )
    return option(command)


def jobs_argument(
    *, required: bool = True, one: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add the argument that names jobs; the shell completes them from what the scheduler has."""

    def complete(
        context: click.Context, _: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(job, help=words) for job, words in _known(context, incomplete)]

    if one:
        return click.argument("job", shell_complete=complete)
    nargs = -1
    return click.argument(
        "jobs", nargs=nargs, required=required, metavar="JOB...", shell_complete=complete
    )


def job_name(job: str) -> str:
    """Read one job's name; refuse what no job is called."""
    return texts.job("JOB", job)


def job_names(jobs: Sequence[str]) -> tuple[str, ...]:
    """Read jobs' names, also with commas between them, each once."""
    return tuple(dict.fromkeys(job_name(name) for job in jobs for name in job.split(",")))


def _known(context: click.Context, incomplete: str) -> list[tuple[str, str]]:
    """List jobs for the shell; where nobody answers there is nothing to complete."""
    at = context.params.get("at")
    try:
        found = Client(socket_path(at), answer_s=2.0).ask(Jobs(limit=1000))
    except (ControlError, OSError):
        return []
    rows = found.rows if isinstance(found, JobRows) else ()
    return [
        (row.job, f"{row.state} {harmless(row.name)}".strip())
        for row in rows
        if row.job.startswith(incomplete)
    ]


def _of(answer: object, kind: type[A]) -> A:
    if not isinstance(answer, kind):
        words = (
            f"the scheduler answered {type(answer).__name__} where {kind.__name__} was asked for"
        )
        raise ControlError(words)
    return answer
