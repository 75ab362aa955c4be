"""What the columns of the job tables say, and the tables themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from noljima.cli import clocks
from noljima.cli.columns import Column, table
from noljima.control.messages import JobRow, JobRows
from noljima.model.amounts import several, thousandths

RUNS: Final = ("starting", "running", "stopping")
NOBODY_WAITS: Final = "No jobs."
_NONE: Final = "-"


def queue_table(answer: JobRows, *, wide: bool) -> str:
    """Write the line and what runs, each with when it starts and why not sooner."""
    now_s = answer.now_s
    columns = [
        *_WHO,
        _GPUS,
        _STATE,
        Column[JobRow]("Position", lambda row: str(row.position or _NONE), right=True),
        Column[JobRow]("Start", lambda row: start_of(row, now_s)),
        Column[JobRow]("Priority", priority_of, wide=True),
        Column[JobRow]("Queue", lambda row: row.queue or _NONE, wide=True),
        Column[JobRow]("Limit", lambda row: clocks.lasting(row.limit_s), wide=True),
        Column[JobRow]("Estimate", _middle, wide=True),
        Column[JobRow]("Submitted", lambda row: clocks.at(row.submitted_s, now_s), wide=True),
        Column[JobRow]("Reason", reason_of, cut=True),
    ]
    return _with_more(answer, columns, wide=wide)


def running_table(answer: JobRows, *, wide: bool) -> str:
    """Write what runs: where, how far it is, and when it is expected to end."""
    now_s = answer.now_s
    columns = [
        *_WHO,
        _STATE,
        Column[JobRow]("On", place_of),
        Column[JobRow]("Ran", lambda row: clocks.lasting(_ran_s(row, now_s)), right=True),
        Column[JobRow]("Limit", lambda row: clocks.lasting(row.limit_s), right=True),
        Column[JobRow]("Progress", progress_of, right=True),
        Column[JobRow]("Ends about", lambda row: clocks.at(row.about_s, now_s)),
        Column[JobRow]("Guest", lambda row: "yes" if row.guest else "no", wide=True),
        Column[JobRow]("Evictions", lambda row: str(row.evictions), right=True, wide=True),
        Column[JobRow]("Started", lambda row: clocks.at(row.started_s, now_s), wide=True),
        Column[JobRow]("Health", lambda row: row.verdict or _NONE, cut=True),
    ]
    return _with_more(answer, columns, wide=wide)


def history_table(answer: JobRows, *, wide: bool) -> str:
    """Write what has ended: how, when, and how long it waited and ran."""
    now_s = answer.now_s
    columns = [
        *_WHO,
        _GPUS,
        _STATE,
        Column[JobRow]("Exit", exit_of, right=True),
        Column[JobRow]("Ended", lambda row: clocks.at(row.ended_s, now_s)),
        Column[JobRow]("Waited", lambda row: clocks.lasting(_waited_s(row, now_s)), right=True),
        Column[JobRow]("Ran", lambda row: clocks.lasting(_ran_s(row, now_s)), right=True),
        Column[JobRow]("Limit", lambda row: clocks.lasting(row.limit_s), right=True, wide=True),
        Column[JobRow]("Evictions", lambda row: str(row.evictions), right=True, wide=True),
        Column[JobRow]("Queue", lambda row: row.queue or _NONE, wide=True),
        Column[JobRow]("Why", lambda row: row.words or _NONE, cut=True),
    ]
    return _with_more(answer, columns, wide=wide)


def start_of(row: JobRow, now_s: float) -> str:
    """Write when a job starts, or since when it runs."""
    if row.state in RUNS or row.started_s is not None:
        return f"{clocks.at(row.started_s, now_s)} started" if row.started_s else _NONE
    return clocks.start(row.about_s, row.by_s, now_s, reserved=row.reserved)


def reason_of(row: JobRow) -> str:
    """Write why a job waits, or where it runs."""
    if row.state in RUNS:
        return f"on {place_of(row)}"
    if row.code and row.reason and not row.reason.startswith(row.code):
        return f"{row.code}: {row.reason}"
    return row.reason or row.code or row.words or _NONE


def place_of(row: JobRow) -> str:
    """Write the nodes and GPUs of a job that runs."""
    nodes = ",".join(row.nodes)
    gpus = f"GPU {ranges(row.gpus)}" if row.gpus else ""
    return " ".join(part for part in (nodes, gpus) if part) or _NONE


def ranges(numbers: Sequence[int]) -> str:
    """Write numbers in few characters: 0-3,6."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def progress_of(row: JobRow) -> str:
    """Write how far a job is."""
    return _NONE if row.progress is None else f"{100 * row.progress:.0f} %"


def exit_of(row: JobRow) -> str:
    """Write with which codes a job's workers ended: the first that is not 0, of many."""
    codes = [code for code in row.exit_codes if code] or list(row.exit_codes)
    return str(codes[0]) if codes else _NONE


def gpus_of(row: JobRow) -> str:
    """Write the GPUs of a job, with its workers where there are several."""
    words = thousandths(row.gpu_milli)
    return f"{words} ({row.workers}w)" if row.workers > 1 else words


def priority_of(row: JobRow) -> str:
    """Write a job's class."""
    return {0: "urgent", 1: "normal", 2: "low"}.get(row.priority, str(row.priority))


def line_of(row: JobRow, now_s: float) -> str:
    """Tell of one job in one line, as it changes."""
    words = f"{row.job} ({row.name}) {row.state}" if row.name else f"{row.job} {row.state}"
    if row.state == "queued":
        where = f" at position {row.position}" if row.position else ""
        why = reason_of(row)
        told = f"{words}{where}, start {start_of(row, now_s)}"
        return told if why == _NONE else f"{told}; {why}"
    if row.state in RUNS:
        return f"{words} on {place_of(row)}"
    return f"{words}: {row.words or row.reason}" if row.words or row.reason else words


def _ran_s(row: JobRow, now_s: float) -> float | None:
    if row.started_s is None:
        return None
    return (now_s if row.ended_s is None else row.ended_s) - row.started_s


def _waited_s(row: JobRow, now_s: float) -> float:
    first_s = row.first_started_s if row.first_started_s is not None else row.started_s
    ended_s = now_s if row.ended_s is None else row.ended_s
    return (ended_s if first_s is None else first_s) - row.submitted_s


def _middle(row: JobRow) -> str:
    return clocks.lasting(row.estimate[0]) if row.estimate else _NONE


def _with_more(answer: JobRows, columns: Sequence[Column[JobRow]], *, wide: bool) -> str:
    if not answer.rows:
        return NOBODY_WAITS
    words = table(answer.rows, columns, wide=wide)
    return f"{words}\n... and {several(answer.more, 'more job')}" if answer.more else words


_WHO: Final = (
    Column[JobRow]("Job", lambda row: row.job),
    Column[JobRow]("User", lambda row: row.user or _NONE),
    Column[JobRow]("Name", lambda row: row.name or _NONE, cut=True),
)
_GPUS: Final = Column[JobRow]("GPUs", gpus_of, right=True)
_STATE: Final = Column[JobRow]("State", lambda row: row.state)
