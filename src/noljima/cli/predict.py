"""`noljima predict`: how long a job will run, from its spec, from past runs like it, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec

from noljima.cli.options import duration, fail, gpu_count, in_words

EPILOG = """\
Exit codes: 0 done; 2 bad input, told in one line.

Examples:

\b
  As declared:
    noljima predict resnet.toml
\b
  The same on eight H100s:
    noljima predict resnet.toml --gpu H100 --gpus 8
\b
  For a script:
    noljima predict gpt.toml --json | jq .run_s.p50
\b
  A command, from past runs like it:
    noljima predict --history cluster.history --user kim --gpus 8 -- python train.py --lr 3e-4

What a spec may say is in docs/analytic.md. A GPU type that `noljima calibrate` has measured on this
machine is predicted from its own figures, others from a table. A history is what `noljima simulate
--history-out` has written; docs/forecasts.md says what is read from it.
"""

_COMMAND: Final = "noljima.command"


class _WithCommand(click.Command):
    """A command whose last arguments, behind `--`, are somebody else's command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set aside what stands behind `--`."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[_COMMAND] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Tell of the command in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@click.command(cls=_WithCommand, epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@click.option("--gpu", metavar="TYPE", help="Instead of the spec's site.gpu, as in A100-80GB.")
@click.option(
    "--gpus",
    type=gpu_count(),
    metavar="N",
    help="As many as that in all, by data parallelism beside the spec's other degrees.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Look for past runs like it in what `noljima simulate --history-out` has written.",
)
@click.option("--user", default="", metavar="NAME", help="Whose past runs, with --history.")
@click.option(
    "--limit", type=duration, metavar="TIME", help="The job's time limit, with --history."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object to standard output.")
@click.pass_context
@in_words
def predict(ctx: click.Context, /, **given: object) -> None:
    """Predict a job: P10, P50 and P90 with what they are made of.

    SPEC declares a training job that nobody has run; COMMAND is one that may have been run before.
    """
    asked = Asked(command=ctx.meta.get(_COMMAND, []), **given)  # type: ignore[arg-type]  # typed by click
    asked.refuse_contradictions()
    click.echo(_of_command(asked) if asked.spec is None else _of_spec(asked, asked.spec))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, typed."""

    command: list[str]
    spec: Path | None
    gpu: str | None
    gpus: int | None
    history: Path | None
    user: str
    limit: float | None
    as_json: bool

    def refuse_contradictions(self) -> None:
        """Refuse what does not go together."""
        if self.spec is None and not self.command:
            fail("predict: say what: a SPEC, or -- and a COMMAND")
        if self.spec is not None and self.command:
            fail("predict: a SPEC and a COMMAND exclude each other")
        if self.command and self.history is None:
            fail("predict: a COMMAND is predicted from past runs: give them with --history")
        if self.command and self.gpu is not None:
            fail("predict: --gpu goes with a SPEC: past runs do not tell their GPU type")
        if self.history is None and (self.user or self.limit is not None):
            fail("predict: --user and --limit do nothing without --history")


def _of_command(asked: Asked) -> str:
    """Tell of a command, from past runs."""
    from noljima.cli import past  # noqa: PLC0415 - numpy, only when it runs

    assert asked.history is not None
    job = past.job_of(past.name_of(asked.command), asked.user, asked.gpus or 1, asked.limit)
    found = past.told(past.read(asked.history), job)
    return past.as_json(found) if asked.as_json else past.as_text(found)


def _of_spec(asked: Asked, spec: Path) -> str:
    """Tell of a declared job, and of past runs beside it where they are given."""
    from noljima.cli import past, prediction  # noqa: PLC0415 - numpy, only when it runs
    from noljima.prediction.analytic.forecast import pseudo_observations  # noqa: PLC0415
    from noljima.telemetry import calibrations  # noqa: PLC0415
    from noljima.workload.model_spec import read_training  # noqa: PLC0415

    training = prediction.changed(read_training(spec), asked.gpu, asked.gpus)
    found = prediction.told(training, calibrations.read_all())
    if asked.history is not None:
        job = past.job_of(training.name, asked.user, found.forecast.gpus, asked.limit)
        known = past.told(past.read(asked.history), job, pseudo_observations(found.forecast))
        found = prediction.with_past(found, known)
    return prediction.as_json(found) if asked.as_json else prediction.as_text(found)
