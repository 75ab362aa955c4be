"""One job in words: why it waits, or everything that is known of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from noljima.cli import clocks, rows
from noljima.cli.columns import harmless, width_of
from noljima.control.messages import Detail, JobRow
from noljima.model.lifecycle import TRANSITIONS, State
from noljima.submission.nearest import listed

_NAME_WIDTH = 11


def sentences(detail: Detail) -> Iterator[str]:
    """Tell of a job in sentences: where it stands, when it starts, and why not sooner."""
    row, now_s = detail.row, detail.now_s
    yield harmless(f"Job {_called(row)} is {_stands(row, now_s)}.")
    reason = detail.reason or row.reason
    yield from map(harmless, reason.splitlines())
    if row.after:
        yield harmless(f"It waits for the end of {listed(row.after)}.")
    if row.words not in reason:
        yield harmless(row.words)
    for evidence in detail.evidence:
        yield harmless(f"Seen: {evidence}")


def everything(detail: Detail) -> Iterator[str]:
    """Give a line for each thing that is known."""
    for name, words in _facts(detail):
        if words and words != "-":
            yield f"{name}:{' ' * (_NAME_WIDTH - width_of(name))} {harmless(words)}"


def ended(row: JobRow) -> bool:
    """Say whether a job is at its end: nothing becomes of it any more."""
    return row.state in set(State) and not TRANSITIONS[State(row.state)]


def _called(row: JobRow) -> str:
    return f"{row.job} ({row.name})" if row.name else row.job


def _stands(row: JobRow, now_s: float) -> str:
    if ended(row):
        return f"{row.state} since {clocks.at(row.ended_s, now_s)}"
    if row.state in rows.RUNS:
        words = f"{row.state} on {rows.place_of(row)}"
        return f"{words}, until about {clocks.at(row.about_s, now_s)}" if row.about_s else words
    where = f" at position {row.position}" if row.position else ""
    starts = rows.start_of(row, now_s)
    return f"{row.state}{where}, start {starts}" if starts != "-" else f"{row.state}{where}"


def _facts(detail: Detail) -> Iterator[tuple[str, str]]:
    row, now_s = detail.row, detail.now_s
    yield "Job", row.job
    yield "Name", row.name
    yield "User", row.user
    yield "Queue", row.queue
    yield "Priority", rows.priority_of(row)
    yield "State", row.state
    yield "Outcome", row.outcome
    yield "Exit codes", ", ".join(map(str, row.exit_codes))
    yield "GPUs", rows.gpus_of(row)
    yield "Workers", str(row.workers)
    yield "On", rows.place_of(row)
    yield "Guest", "yes: it may be evicted for an earlier job" if row.guest else ""
    yield "Evictable", "yes" if row.evictable else "no"
    yield "Evictions", str(row.evictions) if row.evictions else ""
    yield from _times(detail)
    yield "Reason", (detail.reason or rows.reason_of(row)).replace("\n", " ")
    yield "After", ", ".join(row.after)
    yield "Words", row.words
    yield "Health", row.verdict
    yield from (("Seen", evidence) for evidence in detail.evidence)
    yield "Folder", detail.folder
    yield "Command", shlex.join(detail.command)
    yield from (("Log", path) for path in detail.logs)
    yield "As of", clocks.at(now_s, now_s)


def _times(detail: Detail) -> Iterator[tuple[str, str]]:
    row, now_s = detail.row, detail.now_s
    waits = row.started_s is None and not ended(row)
    yield "Limit", clocks.lasting(row.limit_s)
    yield "Submitted", clocks.at(row.submitted_s, now_s)
    yield "Position", str(row.position) if row.position else ""
    yield "Start", rows.start_of(row, now_s) if waits else ""
    told = clocks.start(detail.told_about_s, detail.told_by_s, now_s, reserved=False)
    yield "Told", f"{told.removesuffix(' estimate')}, when it was handed in" if told != "-" else ""
    yield "Started", clocks.at(row.started_s, now_s)
    yield "Attempt", str(row.attempt) if row.attempt > 1 else ""
    yield "Progress", rows.progress_of(row)
    yield "Ends about", clocks.at(row.about_s, now_s) if row.state in rows.RUNS else ""
    yield "Ended", clocks.at(row.ended_s, now_s)
    yield "Estimate", estimated(row.estimate, row.source)
    yield "Predicted", estimated(detail.predicted_s, "when it was handed in")


def estimated(estimate: tuple[float, float, float] | None, source: str) -> str:
    """Write a run time's estimate with where it comes from."""
    if estimate is None:
        return ""
    middle, most, nearly_all = (clocks.lasting(run_s) for run_s in estimate)
    words = f"{middle}; 80 % end within {most}, 95 % within {nearly_all}"
    return f"{words} ({source})" if source else words
