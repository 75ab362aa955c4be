"""`noljima up`: the scheduler of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import fail, in_words

EPILOG = """\
Exit codes: 0 ended in good order; 2 it could not begin, told in one line. Jobs go on when the
scheduler ends, however it ends; the next one takes them over.

Examples:

\b
  On a machine with NVIDIA GPUs, for yourself:
    noljima up
\b
  For all users of a machine, as root or as a service:
    noljima up --config /etc/noljima.toml
\b
  To try it out anywhere:
    noljima up --gpus 8 --state /tmp/noljima
"""

_FOLDER = click.Path(path_type=Path)


@click.command(epilog=EPILOG)
@click.option(
    "--gpus",
    type=click.IntRange(0, 64),
    metavar="N",
    help="N virtual GPUs. Default: those that are found.",
)
@click.option(
    "--state",
    type=_FOLDER,
    metavar="FOLDER",
    help="Where everything is kept. Default: $NOLJIMA_STATE, else ~/.local/state/noljima; root's is"
    " /var/lib/noljima.",
)
@click.option(
    "--policy",
    metavar="NAME",
    help="Who goes next. Default: as before, and fair at first. `noljima policies` lists them.",
)
@click.option(
    "--estimates",
    metavar="SOURCE",
    help="Where run-time estimates come from: history, last-two or limit. Default: as before, and"
    " history at first.",
)
@click.option(
    "--config", type=_FOLDER, metavar="FILE", help="Settings as TOML; options go before them."
)
@click.option(
    "--operators",
    metavar="GROUP",
    help="Whose members may do everything. Default: noljima.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve metrics on 127.0.0.1. Default: nowhere.",
)
@click.option("--new", is_flag=True, help="Begin a new state in a folder that is there.")
@click.option("--foreground", is_flag=True, help="Stay in the foreground; it always does.")
@in_words
def up(state: Path | None, config: Path | None, *, foreground: bool, **given: object) -> None:  # noqa: ARG001 - said for clearness
    """Run the scheduler of this machine until it is told to end.

    Other commands find it by its state folder. It never begins empty by mistake: a folder that is
    there and holds no state is refused unless --new is given.
    """
    from noljima.app import workstation  # noqa: PLC0415 - the scheduler, only where it is run
    from noljima.control.place import named_folder  # noqa: PLC0415
    from noljima.drivers.local.listening import AlreadyRunningError  # noqa: PLC0415
    from noljima.drivers.local.nvml import NoGpusError  # noqa: PLC0415
    from noljima.service.settings import settings_of  # noqa: PLC0415

    state = (state or named_folder()).absolute()
    try:
        workstation(settings_of(state, config, given), _say)
    except NoGpusError as error:
        fail(f"{error}; --gpus N makes virtual ones")
    except AlreadyRunningError as error:
        fail(str(error))


def _say(words: str) -> None:
    click.echo(f"noljima: {words}")
