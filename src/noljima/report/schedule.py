"""The schedule of a run as CSV, in the columns in which reference schedules are published."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

from noljima.model.resources import GPU
from noljima.report import atomic
from noljima.report.record import RunRecord

HEADER: Final = ("job", "submit_s", "wait_s", "run_s", "processors")


def write(path: Path, run: RunRecord) -> None:
    """Write a row for each job that ran to an end, in order of submission."""
    atomic.write_text(path, text(run))


def text(run: RunRecord) -> str:
    """Return the schedule as CSV text."""
    jobs = run.ended
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(HEADER)
    columns = (jobs.submit_s, jobs.wait_s, jobs.run_s, jobs.gpu_milli / GPU)
    plain = ([_plain(value) for value in column.tolist()] for column in columns)
    writer.writerows(zip(jobs.id.tolist(), *plain, strict=True))
    return lines.getvalue()


def _plain(number: float) -> str:
    """Write a number so that it reads back the same; a whole one without a point."""
    return str(int(number)) if number.is_integer() else repr(number)
