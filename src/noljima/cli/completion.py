"""`noljima completion`: what a shell needs to complete commands, options and jobs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

EPILOG = """\
Examples:

\b
  Now, in this shell:
    eval "$(noljima completion bash)"
\b
  For ever:
    noljima completion bash >> ~/.bashrc
    noljima completion zsh >> ~/.zshrc
    noljima completion fish > ~/.config/fish/completions/noljima.fish
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a SHELL. Jobs are completed from the running scheduler."""
    from noljima.cli import main  # noqa: PLC0415 - it imports this module

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "noljima", "_NOLJIMA_COMPLETE").source())
