"""Alibaba's openb pod lists as a trace: one CSV row a pod, fractions of GPUs, CPU and memory.

Each pod is a job of one worker, told in full by its row. `openb` reads the same files for packing,
where times do not matter; here a list without times is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from noljima.model import bounds
from noljima.model.events import Outcome
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.workload.draft import Draft
from noljima.workload.rows import POD_COLUMNS, Row, pod_gang, read_rows, whole
from noljima.workload.trace import Trace, TraceJob

COLUMNS: Final = POD_COLUMNS
TIMES: Final = ("creation_time", "deletion_time")


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

    def take(line: int, row: Row) -> None:
        draft.accept(line, _job(row))
        if not row.get("scheduled_time"):
            draft.note(line, "was never scheduled; its run time is how long it existed")

    read_rows(path, (*COLUMNS, *TIMES), take, draft.refuse)
    return draft.finish()


def _job(row: Row) -> TraceJob:
    created_s = whole(row, "creation_time", int(bounds.SECONDS_MAX))
    deleted_s = whole(row, "deletion_time", int(bounds.SECONDS_MAX))
    begun_s = created_s
    if row.get("scheduled_time"):
        begun_s = whole(row, "scheduled_time", int(bounds.SECONDS_MAX))
    job = Job(id=JobId(row["name"]), gang=pod_gang(row), queue=row.get("qos", ""))
    return TraceJob(created_s, float(deleted_s - begun_s), job, _outcome(row))


def _outcome(row: Row) -> Outcome:
    """Say how it ended; a pod that the end of the recording cut off did not fail."""
    return Outcome.FAILED if row.get("pod_phase") == "Failed" else Outcome.SUCCEEDED
