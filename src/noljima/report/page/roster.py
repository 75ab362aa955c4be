"""The jobs that a page names: each once, however many plots and runs point at it."""

from __future__ import annotations

from typing import Final

from noljima.model.resources import GPU
from noljima.report.page.rounding import short
from noljima.report.record import RunRecord

NAME_MAX: Final = 60
"""Characters of a job's name on the page; a name has up to 256."""


class Roster:
    """Hands out a place for each job, and at the end the columns with their facts."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._rows: list[tuple[str, str, int, float, float, float]] = []

    def place(self, run: RunRecord, row: int) -> int:
        """Return the job's place; the same id in another run is the same job."""
        jobs = run.jobs
        job = str(jobs.id[row])
        place = self._places.get(job)
        if place is None:
            place = self._places[job] = len(self._rows)
            user = self._users.setdefault(str(jobs.user[row]), len(self._users))
            self._rows.append(
                (
                    job,
                    _cut(str(jobs.name[row])),
                    user,
                    int(jobs.gpu_milli[row]) / GPU,
                    float(jobs.submit_s[row]),
                    float(jobs.run_s[row]),
                )
            )
        return place

    def columns(self, first_s: float) -> dict[str, object]:
        """Return the jobs' facts as columns; users by number."""
        rows = self._rows
        return {
            "id": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "user": [row[2] for row in rows],
            "users": list(self._users),
            "gpus": [short(row[3], 3) for row in rows],
            "submit": [short(row[4] - first_s) for row in rows],
            "run": [short(row[5]) for row in rows],
        }


def _cut(name: str) -> str:
    return name if len(name) <= NAME_MAX else name[: NAME_MAX - 1] + "…"
