"""What happened, beside a strict queue of the same jobs, and whether anything was left behind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.control.messages import JobRow
from noljima.demo.play import GPUS
from noljima.demo.stage import STATE
from noljima.drivers.local.folders import Folders
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.workload.trace import Trace, TraceJob


class Told(NamedTuple):
    """One job in the end, with its times from the beginning of the play."""

    row: JobRow
    handed_s: float
    started_s: float | None
    strict_s: float
    ended_s: float

    @property
    def sooner_s(self) -> float | None:
        """How much sooner it started than the strict queue would have started it."""
        return None if self.started_s is None else self.strict_s - self.started_s


def told(ended: Sequence[JobRow], run_s: Mapping[str, float], begin_s: float) -> list[Told]:
    """Play the same jobs first come, first served, and compare.

    Each takes in the strict queue what it takes by itself; one that was ended from outside what it
    had taken until then.
    """
    rows = sorted(ended, key=lambda row: (row.submitted_s, len(row.job), row.job))
    jobs = tuple(_traced(row, run_s[row.job], begin_s) for row in rows)
    spec = EngineSpec(policy="fifo", estimates="true", space=app.GRID)
    trace = Trace(name="demo", jobs=jobs)
    strict = app.strict_starts(spec, Scene(nodes=app.equal_nodes(1, GPUS), trace=trace))
    return [
        Told(
            row,
            row.submitted_s - begin_s,
            None if row.first_started_s is None else row.first_started_s - begin_s,
            strict[row.job],
            (row.ended_s or row.submitted_s) - begin_s,
        )
        for row in rows
    ]


def _traced(row: JobRow, run_s: float, begin_s: float) -> TraceJob:
    each = Resources(gpu_milli=row.gpu_milli // row.workers or GPU)
    job = Job(id=JobId(row.job), gang=gang_of(row.workers, each))
    return TraceJob(submit_s=max(row.submitted_s - begin_s, 0.0), run_s=run_s, job=job)


def left_behind(folder: Path, groups: Path = Path("/sys/fs/cgroup")) -> list[str]:
    """Name the processes and control groups that are still there of what ran in a folder."""
    found = [f"process {pid}: {words}" for pid, words in _processes(str(folder))]
    mark = Folders(folder / STATE).name
    # Groups of others come and go meanwhile; `walk` passes over those that have gone.
    for path, names, _ in os.walk(groups):
        if mark in names:
            found.append(f"control group {path}/{mark}")
    return found


def _processes(folder: str) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((entry / "cwd").readlink())
        except OSError:
            continue  # It has gone, or it is somebody else's.
        if folder in place or f"--state={folder}" in words:
            found.append((int(entry.name), words.strip()))
    return found
