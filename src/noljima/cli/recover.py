"""`noljima recover`: back to the last row of a damaged state that is whole."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import in_words

EPILOG = """\
Exit code: 0 where the state is whole, or is whole now; 1 where something was lost on the way; 2
where there is nothing that could be gone back to.

Examples:

\b
  The scheduler refuses to start because its state is damaged:
    noljima recover ~/.local/state/noljima
\b
  The anchor is on another disk:
    noljima recover /var/lib/noljima --anchors /mnt/other/noljima
"""


@click.command(epilog=EPILOG)
@click.argument("state", type=click.Path(path_type=Path))
@click.option(
    "--anchors",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the anchor is; default: in the same folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell the result as one JSON object.")
@in_words
def recover(state: Path, *, anchors: Path | None, as_json: bool) -> None:
    """Verify STATE, the folder of a scheduler's state, and go back to what is whole of it.

    Every row and every page is looked at. Where nothing is wrong nothing is done. Else the rows
    that follow each other are written anew, up to the last that is whole, and the damaged files are
    kept aside. Says what is lost: jobs that were accepted or started in lost rows are not known any
    more, and the scheduler will not have them.
    """
    import msgspec  # noqa: PLC0415 - only where a state is looked at

    from noljima.store import recovery  # noqa: PLC0415

    recovered = recovery.recover(state, anchors=anchors)
    if as_json:
        click.echo(msgspec.json.encode(recovered).decode())
    else:
        for words in recovered.words:
            click.echo(f"{state}: {words}")
    raise SystemExit(1 if recovered.lost else 0)
