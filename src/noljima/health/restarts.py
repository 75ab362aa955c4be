"""Jobs that fail in the same way again and again: starting them once more only burns GPUs."""

from __future__ import annotations

from typing import Final

from noljima.config import HealthSettings
from noljima.model.resources import JobId

JOBS_MAX: Final = 100_000
"""Of failed jobs; the one whose last failure is longest ago is forgotten first."""


class Restarts:
    """The latest failures of jobs, across their attempts."""

    def __init__(self, settings: HealthSettings) -> None:
        self._count = settings.crash_count
        self._window_s = settings.crash_window_s
        # In the order of the last failure.
        self._failures: dict[JobId, tuple[str, list[float]]] = {}

    def failed(self, job: JobId, at_s: float, signature: str) -> int:
        """Note a failure, and return how many like it there were in a row within the window."""
        before, times = self._failures.pop(job, (signature, []))
        if before != signature:
            times = []
        times = [t for t in times if at_s - self._window_s <= t <= at_s][-self._count + 1 :]
        times.append(at_s)
        self._failures[job] = (signature, times)
        self._forget(at_s)
        return len(times)

    def loops(self, failures: int) -> bool:
        """Say whether so many like failures in a row are a loop."""
        return failures >= self._count

    def forget(self, job: JobId) -> None:
        """Take in that the job got through, or that somebody has ended it."""
        self._failures.pop(job, None)

    def _forget(self, at_s: float) -> None:
        while self._failures:
            job, (_, times) = next(iter(self._failures.items()))
            if len(self._failures) <= JOBS_MAX and times[-1] >= at_s - self._window_s:
                return
            del self._failures[job]
