"""`noljima replay`: the same events to a new engine, which must decide the same."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import duration, in_words

EPILOG = """\
Exit code: 0 where every decision is as recorded, 1 at a difference, 2 where the journal cannot
be used.

Examples:

\b
  Record a simulation, then prove that its decisions can be had again:
    noljima simulate day.jsonl --nodes 8 --policy fair --journal day.journal.gz
    noljima replay day.journal.gz
\b
  Check all invariants after every batch, too (slow):
    noljima replay day.journal.gz --validate
\b
  Why did job j42 wait, half a day in?
    noljima replay day.journal.gz --until 12h --explain j42
\b
  For a script:
    noljima replay day.journal.gz --json - | jq .equal
"""


@click.command(epilog=EPILOG)
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--validate", is_flag=True, help="Check all invariants after every batch (slow).")
@click.option(
    "--until",
    "until_s",
    type=duration,
    metavar="TIME",
    help="Stop after this time of the journal: 43200, or 12h.",
)
@click.option("--explain", "job", metavar="JOB", help="Where the replay stops, tell of this job.")
@click.option("--json", "json_to", metavar="FILE|-", help="Write the result as one JSON object.")
@click.option(
    "--era",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of a state whose engine was exchanged: the batches of this engine; default: the last.",
)
@in_words
def replay(
    journal: Path,
    *,
    validate: bool,
    until_s: float | None,
    job: str | None,
    json_to: str | None,
    era: int | None,
) -> None:
    """Feed the events of JOURNAL to a new engine and compare its decisions, word for word.

    A journal holds how its engine was built, all that happened and all that was decided. It is
    written by `noljima simulate --journal`; the folder in which a scheduler keeps its state holds
    one, too. The replay stops at the first difference and shows it. The digest is that of the
    decisions: equal runs have equal ones, on any machine.
    """
    from noljima.cli import replaying  # noqa: PLC0415 - the engine, only when it runs

    order = replaying.Order(
        journal, validate=validate, until_s=until_s, job=job, json_to=json_to, era=era
    )
    raise SystemExit(replaying.run(order))
