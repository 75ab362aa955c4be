"""`noljima calibrate`: measure the GPU of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import fail, in_words

EPILOG = """\
Takes less than a minute on a GPU that nothing else uses. The row goes to the user's data folder
(XDG_DATA_HOME, or ~/.local/share, under noljima/gpus), from where `noljima predict` prefers it to
its own table.

Exit codes: 0 done; 2 no GPU or no PyTorch to measure it with, told in one line.
"""


@click.command(epilog=EPILOG)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the row there instead.",
)
@click.option("--json", "as_json", is_flag=True, help="The row to standard output as well.")
@in_words
def calibrate(output: Path | None, *, as_json: bool) -> None:
    """Measure matrix products, memory bandwidth and links of this machine's GPU."""
    import time  # noqa: PLC0415 - loaded when called

    import msgspec  # noqa: PLC0415

    from noljima.telemetry import calibrate as measuring  # noqa: PLC0415
    from noljima.telemetry import calibrations, torch_gpu  # noqa: PLC0415

    try:
        gpu = torch_gpu.first()
        found = measuring.calibrate(gpu, time.monotonic, lambda words: click.echo(words, err=True))
    except measuring.NoGpuError as error:
        fail(str(error))
    path = output or calibrations.path_of(found)
    calibrations.write(path, found)
    click.echo(f"{found.device.name}: {len(found.probes)} products measured; {path}", err=True)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
