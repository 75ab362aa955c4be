"""A trace while it is being read: accepted jobs, rows left out, rows changed.

Every reader keeps the same books, so that no row can get lost: each one is accepted or refused,
and the finished trace counts both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from noljima.model.resources import JobId
from noljima.workload.files import TraceError
from noljima.workload.trace import Problem, Trace, TraceJob

PROBLEMS_KEPT: Final = 100


class Draft:
    """Collects what a reader finds; a strict one refuses the file at the first bad row."""

    def __init__(self, path: Path | str, *, strict: bool = False) -> None:
        self._path = Path(path)
        self._strict = strict
        self._jobs: list[TraceJob] = []
        self._lines: dict[JobId, int] = {}
        self._problems: list[Problem] = []
        self._problem_count = 0
        self._notes: list[Problem] = []
        self._note_count = 0

    def accept(self, line: int, job: TraceJob) -> None:
        """Take a job; an id that an earlier row has is refused."""
        first = self._lines.setdefault(job.job.id, line)
        if first != line:
            self.refuse(line, f"job {job.job.id} was on line {first} already")
            return
        self._jobs.append(job)

    def refuse(self, line: int, words: str) -> None:
        """Leave a row out, and say why."""
        if self._strict:
            raise TraceError(self._path, words, line=line)
        self._problem_count += 1
        if len(self._problems) < PROBLEMS_KEPT:
            self._problems.append(Problem(line, words))

    def note(self, line: int, words: str) -> None:
        """Remember that a row was changed, and how."""
        self._note_count += 1
        if len(self._notes) < PROBLEMS_KEPT:
            self._notes.append(Problem(line, words))

    def finish(
        self,
        *,
        epoch_s: float | None = None,
        gpus: int | None = None,
        header: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Trace:
        """Build the trace: jobs by submit time, ties in file order."""
        return Trace(
            name=name or trace_name(self._path),
            jobs=tuple(sorted(self._jobs, key=lambda job: job.submit_s)),
            problems=tuple(self._problems),
            problem_count=self._problem_count,
            notes=tuple(self._notes),
            note_count=self._note_count,
            source=str(self._path),
            epoch_s=epoch_s,
            gpus=gpus,
            header=header or {},
        )


def trace_name(path: Path | str) -> str:
    """Name a trace after its file, without the endings that only tell the format."""
    name = Path(path).name
    for ending in (".gz", ".swf", ".csv", ".jsonl"):
        name = name.removesuffix(ending)
    return name or "trace"
