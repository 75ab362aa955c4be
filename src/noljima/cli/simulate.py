"""`noljima simulate`: a trace through the scheduler, policy by policy, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import duration, gpu_count, in_words, interval, seed, share

EPILOG = """\
Exit codes: 0 done; 1 a broken invariant (--validate); 2 bad input, told in one line before the
first run; 130 interrupted.

Examples:

\b
  The published EASY schedule of a real log, job by job:
    noljima simulate KTH-SP2.swf.gz --capacity 100 --policy easy --schedule easy.csv

\b
  Is the order kept whatever the estimates are? (order_violations must be 0)
    noljima simulate KTH-SP2.swf.gz --capacity 100 --policy fair --policy easy \\
        --estimates random --evictable 1 --checkpoint 10m

\b
  A virtual cluster of Philly on eleven nodes, with a page of plots:
    noljima simulate philly.csv.gz --filter cluster=0e4a51 --nodes 11 --report out

\b
  Are nineteen in twenty of the promised start times kept?
    noljima simulate KTH-SP2.swf.gz --capacity 100 --policy fair --estimates history \\
        --evictable 1 --checkpoint 10m --promises

\b
  For a script:
    noljima simulate day.jsonl --nodes 8 --policy fair --json - | jq '.runs[].mean_wait_s'
"""

_FILE = click.Path(path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("trace", type=_FILE)
@click.option("--capacity", type=gpu_count(), metavar="P", help="One pool of P processors or GPUs.")
@click.option("--nodes", type=gpu_count(), metavar="N", help="N equal nodes.")
@click.option(
    "--gpus-per-node",
    type=click.IntRange(1, 64),
    metavar="G",
    help="GPUs of each of the N nodes. Default: 8.",
)
@click.option(
    "--cluster",
    type=_FILE,
    metavar="FILE",
    help="Nodes from a file: JSON Lines of nodes, or an openb node list.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=["fair", "easy", "fifo"],
    metavar="NAME",
    show_default=True,
    help="A policy to run; repeatable. `noljima policies` lists them.",
)
@click.option(
    "--estimates",
    multiple=True,
    default=["limit"],
    show_default=True,
    metavar="SOURCE",
    help="Where run-time estimates come from; repeatable. `noljima policies` lists them.",
)
@click.option(
    "--settings", type=_FILE, metavar="FILE", help="Queues, quotas and defaults, as TOML."
)
@click.option("--placement", metavar="NAME", help="How nodes are chosen. Default: pack.")
@click.option(
    "--seed",
    type=seed(),
    default=0,
    show_default=True,
    metavar="N",
    help="For everything by chance: the same seed, the same run.",
)
@click.option(
    "--load",
    type=float,
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="Divide the times between arrivals by this.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Keep only such jobs, e.g. cluster=b436b2 or gpus>=8; repeatable.",
)
@click.option("--from", "since", metavar="TIME", help="Leave out jobs before: 3d12h, or a date.")
@click.option("--until", metavar="TIME", help="Leave out jobs from this time on.")
@click.option(
    "--evictable",
    type=share(),
    metavar="SHARE",
    help="Share of the jobs that may be evicted. Default: as the trace or the settings say, else "
    "all but whole-node jobs.",
)
@click.option(
    "--checkpoint",
    type=interval,
    metavar="TIME",
    help="How often jobs save their state: 10m; 0s for always; none for never. "
    "Default: as the trace says, else never.",
)
@click.option(
    "--restart-cost",
    type=duration,
    metavar="TIME",
    help="What loading a saved state costs. Default: 0s.",
)
@click.option(
    "--grace",
    type=duration,
    default="0s",
    show_default=True,
    metavar="TIME",
    help="How long an eviction takes.",
)
@click.option(
    "--progress",
    type=duration,
    metavar="TIME",
    help="Let running jobs tell how far they are this often, with noisy steps. Default: never.",
)
@click.option(
    "--node-mtbf",
    type=duration,
    metavar="TIME",
    help="Inject node faults: mean time between two of one node.",
)
@click.option(
    "--node-repair",
    type=duration,
    metavar="TIME",
    help="How long a faulty node is away. Default: 1h.",
)
@click.option(
    "--start-failures",
    type=share(0.99),
    default="0",
    metavar="SHARE",
    help="Inject start failures: the chance that a start fails.",
)
@click.option(
    "--early-exits",
    type=share(),
    default="0",
    metavar="SHARE",
    help="Inject early exits: share of the jobs that fail before their time.",
)
@click.option(
    "--strict", is_flag=True, help="Refuse a trace with broken rows instead of skipping them."
)
@click.option("--validate", is_flag=True, help="Check all invariants after every event (slow).")
@click.option(
    "--promises",
    is_flag=True,
    help="Tell waiting jobs when they start, and judge how that is kept; decisions stay the same.",
)
@click.option("--json", "json_to", metavar="FILE|-", help="Write all figures as one JSON object.")
@click.option(
    "--report",
    "report_to",
    type=_FILE,
    metavar="DIR",
    help="Write a page of plots, DIR/index.html.",
)
@click.option(
    "--schedule",
    "schedule_to",
    type=_FILE,
    metavar="FILE",
    help="Write when each job ran, as CSV (one policy only).",
)
@click.option(
    "--promises-out",
    type=_FILE,
    metavar="FILE",
    help="Write each promise and what became of it, as CSV (one policy only); makes them, too.",
)
@click.option(
    "--save-trace",
    type=_FILE,
    metavar="FILE",
    help="Write the trace as it was run, as JSON Lines.",
)
@click.option(
    "--journal",
    "journal_to",
    type=_FILE,
    metavar="FILE",
    help="Record all events and decisions for `noljima replay` (one policy only).",
)
@click.option(
    "--history-in",
    type=_FILE,
    metavar="FILE",
    help="Begin with what an earlier run has learned (--estimates history only).",
)
@click.option(
    "--history-out",
    type=_FILE,
    metavar="FILE",
    help="Write what the run has learned, for --history-in (one policy only).",
)
@in_words
def simulate(**given: object) -> None:
    """Run TRACE through the scheduler and compare policies.

    TRACE is an SWF log, a Philly or openb CSV or Noljima's own JSON Lines, plain or gzipped. Say
    how large the cluster is with --capacity (one pool) or with --nodes (or --cluster). Every run
    is compared with the strict queue on the same cluster: first come, first served, no backfill.
    """
    from noljima.cli import simulation  # noqa: PLC0415 - numpy and rich, only when it runs
    from noljima.cli.request import request_of  # noqa: PLC0415

    simulation.run(request_of(given))
