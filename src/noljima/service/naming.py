"""What jobs are called: 1, 2, 3; the jobs of array 7 are 7_0, 7_1 and so on by their index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from noljima.model.resources import JobId

_NAME: Final = re.compile(r"([1-9]\d{0,14})(?:_(\d{1,7}))?")


def element(base: str, index: int) -> JobId:
    """Return the name of a job of an array."""
    return JobId(f"{base}_{index}")


def base_of(job: str) -> str:
    """Return the name that a job was handed in under: its array's, or its own."""
    return job.partition("_")[0]


def index_of(job: str) -> int | None:
    """Return which job of its array it is; None for one that stands alone."""
    _, found, index = job.partition("_")
    return int(index) if found else None


def plausible(job: str) -> bool:
    """Say whether this can be the name of a job or an array at all."""
    return _NAME.fullmatch(job) is not None


def in_order(jobs: Iterable[JobId]) -> list[JobId]:
    """Sort names as people count: 9 before 10, 7_2 before 7_10."""
    return sorted(jobs, key=_place)


def _place(job: str) -> tuple[int, int]:
    match = _NAME.fullmatch(job)
    return (int(match[1]), int(match[2] or -1)) if match else (0, 0)
