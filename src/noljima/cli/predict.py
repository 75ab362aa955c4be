"""`noljima predict`: how long a declared training job will run, and what it needs."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import gpu_count, in_words

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

What a spec may say is in docs/analytic.md. A GPU type that `noljima calibrate` has measured on this
machine is predicted from its own figures, others from a table.
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--gpu", metavar="TYPE", help="Instead of the spec's site.gpu, as in A100-80GB.")
@click.option(
    "--gpus",
    type=gpu_count(),
    metavar="N",
    help="As many as that in all, by data parallelism beside the spec's other degrees.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object to standard output.")
@in_words
def predict(spec: Path, gpu: str | None, gpus: int | None, *, as_json: bool) -> None:
    """Predict a training job that nobody has run: P10, P50 and P90 with what they are made of."""
    from noljima.cli import prediction  # noqa: PLC0415 - numpy, only when it runs
    from noljima.telemetry import calibrations  # noqa: PLC0415
    from noljima.workload.model_spec import read_training  # noqa: PLC0415

    training = prediction.changed(read_training(spec), gpu, gpus)
    told = prediction.told(training, calibrations.read_all())
    click.echo(prediction.as_json(told) if as_json else prediction.as_text(told))
