"""`noljima profile`: what a PyTorch model is made of."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import duration, fail, in_words

EPILOG = """\
ENTRY is module:function; the function takes nothing and returns a torch.nn.Module and its inputs,
as in `return model, torch.zeros(32, 3, 224, 224)`. It runs on PyTorch's meta device, so that even
a huge model needs no memory to speak of, in a process without network that is ended at its limits.

Exit codes: 0 done; 2 bad input, or code that gives no profile, told in one line.

Examples:

\b
  Operations, parameters and memory:
    noljima profile train:build
\b
  For `noljima predict`, whose spec then says model.file = "model.json":
    noljima profile train:build -o model.json
"""


@click.command(epilog=EPILOG)
@click.argument("entry")
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where the module is found. Default: here.",
)
@click.option(
    "--timeout",
    type=duration,
    default="2m",
    show_default=True,
    metavar="DURATION",
    help="For building it and running it once.",
)
@click.option(
    "--memory",
    type=click.IntRange(1, 4096),
    default=8,
    show_default=True,
    metavar="GIB",
    help="That the process may take.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the model's operators as JSON, for a spec's model.file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object to standard output.")
@in_words
def profile(
    entry: str, path: Path, timeout: float, memory: int, output: Path | None, *, as_json: bool
) -> None:
    """Count a PyTorch model's operations, parameters and memory without a GPU."""
    import msgspec  # noqa: PLC0415 - loaded when called

    from noljima.telemetry import profile as profiles  # noqa: PLC0415
    from noljima.telemetry.sandbox import GIB, Limits, SandboxError  # noqa: PLC0415
    from noljima.workload.model_spec import model_json  # noqa: PLC0415

    limits = Limits(seconds=timeout, memory_bytes=memory * GIB)
    try:
        found = profiles.profile(entry, path, limits)
    except SandboxError as error:
        fail(f"{entry}: {error}")
    if output is not None:
        output.write_bytes(model_json(found.model))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    click.echo(
        f"{entry}, a batch of {found.batch:,}\n"
        f"  parameters        {found.parameters:,.0f}\n"
        f"  forward           {found.forward_flops:.4g} operations\n"
        f"  backward          {found.backward_flops:.4g} operations\n"
        f"  kept for backward {found.kept_bytes / GIB:.3f} GiB\n"
        f"  operators         {len(found.model.layers):,} kinds\n"
        f"  network           kept away by a {found.network}"
    )
