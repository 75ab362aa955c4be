"""Where things are below the scheduler's state folder, and under which names.

STATE/scheduler.lock    held as long as a scheduler runs
STATE/events            the socket that shims tell of news through
STATE/runs/JOB/ATTEMPT  one attempt; see `shim.folder`
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.spec import RunSpec
from noljima.model.commands import Start
from noljima.model.resources import JobId

LOCK: Final = "scheduler.lock"
RUNS: Final = "runs"
SPEC: Final = "spec.json"
START: Final = "start.json"
_PASSABLE: Final = 0o711
"""A job's user goes through to the job's own folder, and sees nothing on the way."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")


def name_of(job: JobId) -> str:
    """Return a name for a job's folder: its own where it can be one, else one with its hash.

    The `~` keeps the two kinds apart.
    """
    if _PLAIN.fullmatch(job):
        return job
    return f"{_ODD.sub('_', job)[:24]}~{hashlib.sha256(job.encode()).hexdigest()[:24]}"


class Folders:
    """The folders of one scheduler."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.runs = self.state / RUNS

    @property
    def name(self) -> str:
        """Name this scheduler among others on the machine."""
        return f"noljima-{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]}"

    def make(self) -> None:
        """Make what there has to be."""
        for path in (self.state, self.runs):
            path.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)

    def of(self, job: JobId, attempt: int) -> Path:
        """Return the folder of one attempt."""
        return self.runs / name_of(job) / str(attempt)

    def make_run(self, start: Start) -> Path:
        """Make the folder of an attempt, with the command that it is for."""
        path = self.of(start.job, start.attempt)
        path.parent.mkdir(mode=_PASSABLE, exist_ok=True)
        path.mkdir(mode=_PASSABLE, exist_ok=True)
        for each in (path.parent, path):
            each.chmod(_PASSABLE)
        files.write(str(path / START), msgspec.json.encode(start), sync=False)
        return path

    def write_spec(self, spec: RunSpec) -> None:
        """Write down what was asked to be run."""
        path = self.of(spec.job, spec.attempt) / SPEC
        files.write(str(path), msgspec.json.encode(spec), sync=False)

    def spec(self, job: JobId, attempt: int) -> RunSpec | None:
        """Return what an attempt was asked to run; None where that is not there any more."""
        try:
            text = (self.of(job, attempt) / SPEC).read_bytes()
            return msgspec.json.decode(text, type=RunSpec)
        except (OSError, msgspec.DecodeError, ValueError):
            return None

    def attempts(self, job: JobId) -> list[int]:
        """Return the attempts of a job that have a folder, the last first."""
        try:
            names = os.listdir(self.runs / name_of(job))  # noqa: PTH208 - names, not paths
        except OSError:
            return []
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def unfinished(self) -> Iterator[tuple[Path, Start]]:
        """Give every attempt that has not written down its end."""
        for path in self.runs.glob("*/*"):
            if path.name.isdecimal() and not (path / files.EXIT).exists():
                try:
                    start = msgspec.json.decode((path / START).read_bytes(), type=Start)
                except (OSError, msgspec.DecodeError, ValueError):
                    continue
                yield path, start

    def remove(self, job: JobId) -> None:
        """Forget a job that has ended: all its folders and logs."""
        shutil.rmtree(self.runs / name_of(job), ignore_errors=True)
