"""The command line: `noljima` and its commands, each imported only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

import click

from noljima import __version__
from noljima.cli.endings import in_one_line, interruptible

# name -> (module, one line for the overview). Importing a command imports what it needs, and
# nothing else does: `noljima --help` loads no numpy and no rich.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "up": ("up", "Run the scheduler of this machine."),
    "demo": ("demo", "Watch a scheduler with real jobs on 8 virtual GPUs for a minute and a half."),
    "submit": ("submit", "Hand in a job, with its plan shown before it counts."),
    "queue": ("queue", "Show the jobs that wait and run, and when each starts."),
    "ps": ("queue", "Show the jobs that run, how far they are and when they end."),
    "why": ("why", "Say why a job waits, and what would change that."),
    "show": ("why", "Show all that is known of a job."),
    "logs": ("logs", "Print what a job has written."),
    "stop": ("orders", "End jobs, waiting or running."),
    "hold": ("orders", "Let waiting jobs be passed over."),
    "release": ("orders", "Let held jobs wait for their turn again."),
    "nodes": ("nodes", "Show the GPUs and what is on them."),
    "history": ("queue", "Show the jobs that have ended."),
    "gantt": ("gantt", "Draw which job was, is and is to be on which GPU."),
    "top": ("top", "Show the queue and the GPUs, live; needs an extra."),
    "whatif": ("whatif", "Say what a change would change, tried on a copy."),
    "doctor": ("doctor", "Check this machine and its scheduler, and say what to do."),
    "drain": ("orders", "Let GPUs take nothing new."),
    "restore": ("orders", "Let GPUs take work again."),
    "down": ("orders", "End the scheduler; its jobs go on."),
    "completion": ("completion", "Print what a shell needs to complete commands and jobs."),
    "simulate": ("simulate", "Run a trace through the scheduler and compare policies."),
    "replay": ("replay", "Re-run a recorded event log and prove the decisions are the same."),
    "recover": ("recover", "Go back to what is whole of a damaged state, and say what is lost."),
    "place": ("place", "Pack pods onto nodes and measure how much of the GPUs is allocated."),
    "evaluate": ("evaluate", "Judge run-time predictions on a trace, each from its past alone."),
    "predict": ("predict", "Predict a run time from what a job declares, or from past runs."),
    "profile": ("profile", "Count a PyTorch model's operations, parameters and memory."),
    "calibrate": ("calibrate", "Measure the GPU of this machine for better predictions."),
    "generate": ("generate", "Write a realistic GPU trace made from a seed."),
    "policies": ("policies", "List the policies and estimate sources with what they promise."),
}

EPILOG: Final = """\
Exit codes: 0 done; 1 a broken invariant, a replay that differs, or a job that failed; 2 bad input,
told in one line; 3 no such job; 4 not yours; 5 no scheduler; 6 not now; 130 interrupted. Tables
and JSON go to standard output, all else to standard error.
"""


class LazyGroup(click.Group):
    """A group that knows its commands' names before it has imported any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"noljima.cli.{COMMANDS[cmd_name][0]}")
        return cast("click.Command", getattr(module, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the overview from the table, so that help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is asked for, and tell of an unknown option in one line."""
        with in_one_line():
            return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and tell in one line where its options or Ctrl-C end it."""
        with interruptible(), in_one_line():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="noljima")
def main() -> None:
    """Schedule GPU jobs so that the order is kept and no GPU idles.

    Begin with a generated day of a 64-GPU cluster:

    \b
        noljima generate --gpus 64 --days 1 -o day.jsonl
        noljima simulate day.jsonl --nodes 8 --policy fair --policy easy
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
