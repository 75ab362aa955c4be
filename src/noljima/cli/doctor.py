"""`noljima doctor`: looks at all that a scheduler needs, and says what to do; needs none itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from noljima.cli import checkup
from noljima.cli.columns import coloured, harmless, padded
from noljima.cli.printing import Form, as_data
from noljima.control.place import state_folder

EPILOG: Final = """\
Exit codes: 0 where everything is well, or only could be better; 1 where something is broken.

Examples:

\b
    noljima doctor
    noljima doctor --at /var/lib/noljima -o json
"""
_COLOURS: Final = {"ok": "32", "note": "33", "broken": "31"}


@click.command(epilog=EPILOG)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice([Form.TABLE.value, Form.JSON.value, Form.YAML.value]),
    default=Form.TABLE.value,
    help="Lines, JSON or YAML.",
)
@click.option(
    "--at",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The scheduler's state folder, as given to `noljima up --state`; or $NOLJIMA_STATE.",
)
def doctor(*, form: str, at: Path | None) -> None:
    """Check state folder, socket, rights, control groups, GPUs, disk, clock and versions."""
    found = [*checkup.all_of(state_folder(at))]
    if form == Form.TABLE:
        for finding in found:
            click.echo(_line(finding), color=True)
    else:
        click.echo(as_data(found, form), nl=form == Form.JSON)
    sys.exit(1 if any(finding.mark == checkup.BROKEN for finding in found) else 0)


def _line(finding: checkup.Finding) -> str:
    mark = padded(finding.mark, 6)
    if coloured():
        mark = f"\x1b[{_COLOURS[finding.mark]}m{mark}\x1b[0m"
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{mark}  {padded(finding.what, 14)}  {harmless(finding.words + advice)}"
