"""`noljima policies`: what there is to choose from."""

from __future__ import annotations

import click


@click.command()
def policies() -> None:
    """List the policies, and the sources of estimates that they can plan with."""
    from noljima.policy import presets  # noqa: PLC0415 - loaded when called
    from noljima.prediction import sources  # noqa: PLC0415

    click.echo("Policies (--policy):")
    for name in presets.NAMES:
        click.echo(f"  {name:14s} {presets.describe(name)}")
    click.echo("\nEstimates (--estimates):")
    for name in sources.NAMES:
        click.echo(f"  {name:14s} {sources.describe(name)}")
    click.echo("  learned        history, with trees beside it (pip install 'noljima[learned]')")
