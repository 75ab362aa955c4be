"""The GPU jobs of Microsoft's Philly clusters, as one CSV row a job.

The columns are timestamp, duration, num_gpus, gpu_time and cluster. The file knows neither users,
names nor limits; `cluster` is the virtual cluster (the tenant) and becomes the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.workload.draft import Draft
from noljima.workload.files import TraceError, numbered_lines, open_text
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

COLUMNS: Final = ("timestamp", "duration", "num_gpus", "gpu_time", "cluster")


def read(
    path: Path | str,
    *,
    cluster: str | None = None,
    gpus_per_node: int | None = None,
    strict: bool = False,
) -> Trace:
    """Read the jobs, or those of one virtual cluster, timed from the first one's submission.

    The rows are in no order. Times without a zone are taken as UTC: only their differences count.
    """
    draft = Draft(path, strict=strict)
    rows: list[tuple[int, float, float, Job]] = []
    with open_text(path) as text:
        lines = numbered_lines(text, path)
        _expect_columns(path, next(lines, (1, ""))[1])
        for line, words in lines:
            if not words.strip():
                continue
            try:
                at_s, run_s, job = _row(line, words.split(","), gpus_per_node)
            except InvalidFieldError as error:
                draft.refuse(line, str(error))
                continue
            if cluster is None or job.queue == cluster:
                rows.append((line, at_s, run_s, job))
    epoch_s = min((at_s for _, at_s, _, _ in rows), default=None)
    for line, at_s, run_s, job in rows:
        assert epoch_s is not None
        draft.accept(line, TraceJob(at_s - epoch_s, run_s, job))
    return draft.finish(epoch_s=epoch_s)


def _expect_columns(path: Path | str, words: str) -> None:
    columns = tuple(words.strip().split(","))
    if columns != COLUMNS:
        raise TraceError(path, f"does not begin with the columns {','.join(COLUMNS)}", line=1)


def _row(line: int, fields: Sequence[str], gpus_per_node: int | None) -> tuple[float, float, Job]:
    """Read the submit time (as epoch time), run time and job of a row."""
    if len(fields) != len(COLUMNS):
        words = f"is not a row of {len(COLUMNS)} fields"
        raise InvalidFieldError("row", ",".join(fields), words)
    timestamp, duration, gpus, _, cluster = (field.strip() for field in fields)
    run_s = bounds.seconds("duration", _number("duration", duration))
    if run_s == 0:
        raise InvalidFieldError("duration", duration, "is no time to run for")
    number = _number("num_gpus", gpus)
    if number != int(number):
        raise InvalidFieldError("num_gpus", gpus, "is not a whole number")
    count = bounds.whole("num_gpus", int(number), low=1, high=bounds.GPU_COUNT_MAX)
    job = Job(id=JobId(f"p{line}"), gang=shape(count, gpus_per_node), queue=cluster)
    return _epoch(timestamp), run_s, job


def _number(field: str, words: str) -> float:
    try:
        value = float(words) if words.isascii() and "_" not in words else None
    except ValueError:
        value = None
    if value is None or not -bounds.SECONDS_MAX <= value <= bounds.SECONDS_MAX:
        raise InvalidFieldError(field, words, "is not a number")
    return value


def _epoch(words: str) -> float:
    try:
        moment = datetime.fromisoformat(words)
        at_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        limit = "is not a time like 2017-10-09 07:01:55"
        raise InvalidFieldError("timestamp", words, limit) from None
    # From 1970 on: one absurd date would move every other job of the trace.
    return bounds.seconds("timestamp", at_s)
