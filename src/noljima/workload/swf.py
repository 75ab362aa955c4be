"""The Standard Workload Format of the Parallel Workloads Archive: 18 numbers a row.

A job's processors are read as GPUs: the format knows no other resource that all its logs have, and
the published results that we compare with count nothing else.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final, NamedTuple

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.workload.draft import Draft
from noljima.workload.files import numbered_lines, open_text
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

FIELDS: Final = 18
_HEADER: Final = re.compile(r";\s*([A-Za-z][A-Za-z0-9 ]{0,40}?)\s*:\s*(.*?)\s*$")
_HEADER_KEYS_MAX: Final = 200
_OUTCOMES: Final = {
    -1: Outcome.SUCCEEDED,  # Unknown; most jobs of most logs succeed.
    0: Outcome.FAILED,
    1: Outcome.SUCCEEDED,
    5: Outcome.CANCELLED,
}
_PARTS: Final = frozenset({2, 3, 4})


class _Row(NamedTuple):
    """The fields that we read, by the names of the format's definition."""

    job: float
    submit_s: float
    run_s: float
    allocated: float
    requested: float
    limit_s: float
    status: float
    user: float
    executable: float
    queue: float


# The places of the fields of `_Row` among the 18.
_PLACES: Final = (0, 1, 3, 4, 7, 8, 10, 11, 13, 14)


def read(path: Path | str, *, gpus_per_node: int | None = None, strict: bool = False) -> Trace:
    """Read a log; rows that cannot be jobs are left out and reported, or refused when `strict`.

    A requested time below the run time is raised to the run time, with a note: the log shows that
    the limit was not enforced, and a simulation that enforced it would cut real work away.
    """
    draft = Draft(path, strict=strict)
    header: dict[str, str] = {}
    with open_text(path, errors="replace") as text:
        for line, words in numbered_lines(text, path):
            row = words.strip()
            if row.startswith(";"):
                _remember(header, row)
            elif row:
                _read_row(draft, line, row, gpus_per_node)
    return draft.finish(
        header=header,
        gpus=_whole_of(header, "MaxProcs", bounds.GPU_COUNT_MAX),
        epoch_s=_whole_of(header, "UnixStartTime", int(bounds.SECONDS_MAX)),
    )


def _remember(header: dict[str, str], row: str) -> None:
    """Keep a `; Key: value` comment; of a repeated key (notes, partitions) every line."""
    match = _HEADER.match(row)
    if match is None or len(header) >= _HEADER_KEYS_MAX:
        return
    key, value = match.groups()
    header[key] = f"{header[key]}\n{value}" if key in header else value


def _whole_of(header: dict[str, str], key: str, high: int) -> int | None:
    """Read a positive whole number of the header; None where it has none."""
    digits = header.get(key, "")
    known = digits.isascii() and digits.isdigit() and len(digits) <= 12 and 0 < int(digits) <= high
    return int(digits) if known else None


def _read_row(draft: Draft, line: int, row: str, gpus_per_node: int | None) -> None:
    fields = row.split()
    if len(fields) != FIELDS:
        draft.refuse(line, f"has {len(fields)} fields; the format has {FIELDS}")
        return
    try:
        values = _Row(*[_number(place, fields[place]) for place in _PLACES])
        job, raised = _job(values, gpus_per_node)
    except InvalidFieldError as error:
        draft.refuse(line, str(error))
        return
    draft.accept(line, job)
    if raised:
        draft.note(line, f"ran {values.run_s:g} s, longer than its limit of {values.limit_s:g} s")


def _number(place: int, field: str) -> float:
    # `isdecimal` first: it is the common case, and `int` alone would also take "1_0".
    if field.isascii() and field.isdecimal() and len(field) <= 15:
        return int(field)
    if field == "-1":
        return -1
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in field or not field.isascii():
        raise InvalidFieldError(f"field {place + 1}", field, "is not a number")
    return value


def _job(row: _Row, gpus_per_node: int | None) -> tuple[TraceJob, bool]:
    """Build the job of a row, and say whether its limit had to be raised."""
    number = _count("job number", row.job, low=0, high=10**12)
    processors = row.requested if row.requested > 0 else row.allocated
    gpus = _count("processors", processors, low=1, high=bounds.GPU_COUNT_MAX)
    run_s = bounds.seconds("run time", row.run_s)
    limit_s = row.limit_s if row.limit_s > 0 else None
    raised = limit_s is not None and limit_s < run_s
    job = Job(
        id=JobId(str(number)),
        gang=shape(gpus, gpus_per_node),
        user=_label("user", "u", row.user),
        name=_label("executable", "exe", row.executable),
        queue=_label("queue", "q", row.queue),
        limit_s=run_s if raised else limit_s,
    )
    return TraceJob(bounds.seconds("submit time", row.submit_s), run_s, job, _outcome(row)), raised


def _count(field: str, value: float, *, low: int, high: int) -> int:
    if value != math.floor(value):
        raise InvalidFieldError(field, value, "is not a whole number")
    return bounds.whole(field, int(value), low=low, high=high)


def _label(field: str, prefix: str, value: float) -> str:
    """Name a user, program or queue; below 0 it is unknown."""
    return f"{prefix}{_count(field, value, low=0, high=10**12)}" if value >= 0 else ""


def _outcome(row: _Row) -> Outcome:
    outcome = _OUTCOMES.get(int(row.status)) if row.status == int(row.status) else None
    if outcome is not None:
        return outcome
    if row.status in _PARTS:
        raise InvalidFieldError("status", row.status, "is a part of a job that has its own row")
    raise InvalidFieldError("status", row.status, "is none that the format knows")
