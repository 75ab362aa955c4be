"""Alibaba's openb pod lists as a trace: one CSV row a pod, fractions of GPUs, CPU and memory.

Each pod is a job of one worker, told in full by its row. `openb` reads the same files for packing,
where times do not matter; here a list without times is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import Job
from noljima.model.resources import GPU, Gang, JobId, Resources, TaskGroup
from noljima.workload.draft import Draft
from noljima.workload.files import TraceError, numbered_lines, open_text
from noljima.workload.trace import Trace, TraceJob

COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
TIMES: Final = ("creation_time", "deletion_time")
_GPUS_MAX: Final = 1_000


def read(
    path: Path | str,
    *,
    gpus_per_node: int | None = None,  # noqa: ARG001 - a pod says what lies together
    strict: bool = False,
) -> Trace:
    """Read the pods; the quality-of-service class becomes the queue.

    A pod ran from `scheduled_time` to `deletion_time`. One that was never scheduled is taken to run
    as long as it existed, with a note.
    """
    draft = Draft(path, strict=strict)
    with open_text(path) as text:
        lines = numbered_lines(text, path)
        columns = _columns(path, next(lines, (1, ""))[1])
        for line, words in lines:
            if words.strip():
                _read_row(draft, line, columns, words)
    return draft.finish()


def _columns(path: Path | str, words: str) -> tuple[str, ...]:
    columns = tuple(column.strip() for column in words.split(","))
    missing = [column for column in (*COLUMNS, *TIMES) if column not in columns]
    if missing:
        words = f"is no list of pods with times: it has no column {', '.join(missing)}"
        raise TraceError(path, words, line=1)
    return columns


def _read_row(draft: Draft, line: int, columns: tuple[str, ...], words: str) -> None:
    fields = [field.strip() for field in words.split(",")]
    if len(fields) != len(columns):
        draft.refuse(line, f"has {len(fields)} fields; the first line has {len(columns)}")
        return
    row = dict(zip(columns, fields, strict=True))
    try:
        job = _job(row)
    except InvalidFieldError as error:
        draft.refuse(line, str(error))
        return
    draft.accept(line, job)
    if not row.get("scheduled_time"):
        draft.note(line, "was never scheduled; its run time is how long it existed")


def _job(row: Mapping[str, str]) -> TraceJob:
    created_s = _whole(row, "creation_time", int(bounds.SECONDS_MAX))
    deleted_s = _whole(row, "deletion_time", int(bounds.SECONDS_MAX))
    begun_s = created_s
    if row.get("scheduled_time"):
        begun_s = _whole(row, "scheduled_time", int(bounds.SECONDS_MAX))
    job = Job(
        id=JobId(row["name"]), gang=_gang(_each(row), _gpu_types(row)), queue=row.get("qos", "")
    )
    return TraceJob(created_s, float(deleted_s - begun_s), job, _outcome(row))


def _each(row: Mapping[str, str]) -> Resources:
    gpus = _whole(row, "num_gpu", _GPUS_MAX)
    share = _whole(row, "gpu_milli", GPU)
    if gpus > 1 and share != GPU:
        raise InvalidFieldError("gpu_milli", share, f"is not {GPU} for each of {gpus} GPUs")
    return Resources(
        gpu_milli=gpus * share,
        cpu_milli=_whole(row, "cpu_milli", bounds.CPU_MILLI_MAX),
        memory_mib=_whole(row, "memory_mib", bounds.MEMORY_MIB_MAX),
    )


def _gpu_types(row: Mapping[str, str]) -> tuple[str, ...]:
    """Read `V100M16|V100M32`: any of these will do."""
    return tuple(part for part in row.get("gpu_spec", "").split("|") if part)


@lru_cache(maxsize=65_536)
def _gang(each: Resources, gpu_types: tuple[str, ...]) -> Gang:
    return Gang((TaskGroup(workers=1, each=each, gpu_types=gpu_types),))


def _whole(row: Mapping[str, str], column: str, high: int) -> int:
    """Read a whole number; times are written as such, or with `.0`."""
    words = row[column]
    digits = words.removesuffix(".0")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise InvalidFieldError(column, words, "is not a whole number of 0 or more")
    return bounds.whole(column, int(digits), low=0, high=high)


def _outcome(row: Mapping[str, str]) -> Outcome:
    """Say how it ended; a pod that the end of the recording cut off did not fail."""
    return Outcome.FAILED if row.get("pod_phase") == "Failed" else Outcome.SUCCEEDED
