"""`noljima submit`: hand in a job, with its plan shown before it counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from noljima.cli.asking import BAD, CODES, answered, at_option, end
from noljima.cli.printing import form_option
from noljima.cli.submitting import Asked, hand_in
from noljima.submission.keys import KEYS, Key

C = TypeVar("C", bound=Callable[..., object])

EPILOG: Final = f"""\
A script says the same options in its head, as in `#NOLJIMA --gpus 2 --limit 4h`, and a job file
in its keys (docs/job-files.md); the command line goes before both. No shell sees the command.

{CODES}
With --wait the exit code is that of the job's program: 0 where it has succeeded, 1 where it was
cancelled or had none, the largest of an array.

Examples:

\b
  Two GPUs for four hours at most:
    noljima submit -g 2 -l 4h -- python train.py --lr 3e-4
\b
  A hundred jobs, four at a time, without asking:
    noljima submit --yes -a 0-99%4 -- python sweep.py
\b
  After another job has succeeded, and wait for its end:
    noljima submit -d ok:812 --wait -- python evaluate.py
\b
  Only what would become of it:
    noljima submit -f job.yaml --dry-run
\b
  The job's number, for a script:
    id=$(noljima submit --yes -o name train.sh)
"""

_COMMAND: Final = "noljima.command"


class _WithCommand(click.Command):
    """A command whose last arguments, behind `--`, are somebody else's command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set aside what stands behind `--`."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[place + 1 :])
            args = args[:place]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Tell of the command in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


def _said_of_the_job(command: C) -> C:
    """Add an option for each key of a job file that has one."""
    for key in reversed(tuple(KEYS.values())):
        if key.flags or key.off:
            command = _option(key)(command)
    return command


def _option(key: Key) -> Callable[[C], C]:
    if key.metavar:
        return click.option(
            *key.flags, key.name, metavar=key.metavar, multiple=key.many, help=key.words
        )
    if not key.flags:
        return click.option(key.off, key.name, flag_value="no", help="No hangs are looked for.")
    declared = "/".join([key.flags[-1], key.off]) if key.off else key.flags[-1]
    return click.option(
        *key.flags[:-1], declared, key.name, is_flag=True, default=None, help=key.words
    )


@click.command(cls=_WithCommand, epilog=EPILOG)
@click.argument("script", type=click.Path(path_type=Path), required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A YAML or TOML file.",
)
@_said_of_the_job
@click.option("-y", "--yes", is_flag=True, help="Do not ask, hand it in.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of it.")
@click.option("--wait", is_flag=True, help="Wait for its end; Ctrl-C leaves the job running.")
@click.option(
    "--key",
    default="",
    metavar="TEXT",
    help="Handed in twice with the same key, it is one job; drawn by chance if left out.",
)
@form_option
@at_option
@click.pass_context
@answered
def submit(ctx: click.Context, /, **given: object) -> None:
    """Hand in a job: a COMMAND behind --, a SCRIPT, or a job file.

    Says what would become of it (how long it is expected to run, when and where it starts and why
    not sooner) and asks before it counts, where somebody is there to be asked.
    """
    names = set(Asked.__struct_fields__)
    said = {name: raw for name, raw in given.items() if name not in names and _is_said(raw)}
    if said.get("watched") == "no":
        said["watched"] = False
    rest = {name: raw for name, raw in given.items() if name in names}
    asked = Asked(command=ctx.meta.get(_COMMAND, ()), said=said, **rest)  # type: ignore[arg-type]  # typed by click
    _refuse_contradictions(asked)
    hand_in(asked, os.getcwd(), os.environ)  # noqa: PTH109 - a text is what is needed


def _is_said(raw: object) -> bool:
    return raw is not None and raw != ()


def _refuse_contradictions(asked: Asked) -> None:
    if asked.script and asked.command:
        words = "its own arguments go right behind it, without --"
        end(f"submit: a SCRIPT and -- and a COMMAND exclude each other; {words}", BAD)
    if asked.script and asked.file:
        end("submit: a SCRIPT and --file exclude each other", BAD)
    if not (asked.script or asked.command or asked.file):
        end("submit: say what to run: -- and a COMMAND, a SCRIPT, or --file", BAD)
    if asked.dry_run and asked.wait:
        end("submit: --dry-run and --wait exclude each other", BAD)
