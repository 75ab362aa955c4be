"""What `noljima predict` tells from a history: quantiles, and the past runs they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction.history import History, Similar
from noljima.prediction.residual import quantile_s
from noljima.report import wording
from noljima.submission.naming import name_of

__all__ = ["LEVELS", "Past", "as_json", "as_text", "job_of", "lines", "name_of", "read", "told"]

LEVELS: Final = (0.10, 0.50, 0.90)
_NEWEST: Final = 5


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a history says of a job."""

    name: str
    user: str
    gpus: int
    run_s: dict[str, float]
    similar: list[Similar]
    with_forecast: bool


def read(path: Path) -> History:
    """Read a history that `noljima simulate --history-out` has written."""
    return History.load(path.read_bytes())


def job_of(name: str, user: str, gpus: int, limit_s: float | None) -> Job:
    """Return the job to be predicted."""
    gang = gang_of(1, Resources(gpu_milli=gpus * GPU))
    return Job(id=JobId("predicted"), name=name, user=user, gang=gang, limit_s=limit_s)


def told(history: History, job: Job, forecast: Sequence[tuple[float, float]] = ()) -> Past:
    """Ask the history, with a forecast beside the past runs where there is one."""
    estimate = history.foresee(job, forecast)
    return Past(
        name=job.name,
        user=job.user,
        gpus=job.gang.gpu_milli // GPU,
        run_s={f"p{100 * level:.0f}": _at(estimate, level) for level in LEVELS},
        similar=history.similar(job),
        with_forecast=bool(forecast),
    )


def as_json(found: Past) -> str:
    """Return the figures as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def as_text(found: Past) -> str:
    """Return the figures for people."""
    return wording.ascii_only("\n".join((_head(found), *lines(found))))


def lines(found: Past) -> Iterator[str]:
    """Give the lines on what the history says."""
    times = (f"{name.upper()} {wording.duration(run_s)}" for name, run_s in found.run_s.items())
    source = "past and forecast" if found.with_forecast else "from the past"
    yield f"  {source}  {'   '.join(times)}"
    if not found.similar:
        yield "  similar   no past runs are like it: this is what others' runs took"
        return
    yield "  similar   past runs with the same"
    for each in found.similar:
        newest = ", ".join(wording.duration(run_s) for run_s in each.run_s[:_NEWEST])
        yield f"    {each.alike}: {each.runs:,}, the newest {newest}"


def _head(found: Past) -> str:
    who = f" by {found.user}" if found.user else ""
    return f"{found.name or 'a job without a name'}{who} on {found.gpus:,} GPUs"


def _at(estimate: Estimate, level: float) -> float:
    return quantile_s(estimate.curve_s, level)
