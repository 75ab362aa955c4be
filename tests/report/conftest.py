"""Pages opened in a browser, where there is one, and jobs that were predicted one after another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from noljima.model.commands import Start
from noljima.model.events import Finished, Submitted
from noljima.model.job import Job
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.source import Guarded
from noljima.prediction.sources import source_of
from noljima.report.evaluation import SOURCES
from noljima.report.forecasts import Witness

Driven = Callable[[Path], tuple[str, list[str]]]
Witnessed = Callable[[Sequence[float]], Witness]


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    """Open a page in a browser; return its elements as they are then, and what it complained of."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        pytest.skip("no chromium here: the page is not driven in a browser")

    def drive(path: Path) -> tuple[str, list[str]]:
        quiet = ("background-networking", "component-update", "sync", "gpu", "dev-shm-usage")
        command = [found, "--headless", "--no-sandbox", "--no-first-run"]
        command += [f"--disable-{name}" for name in quiet]
        command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,900"]
        done = subprocess.run(  # noqa: S603 - our own command line
            [*command, path.as_uri()], capture_output=True, text=True, timeout=100, check=True
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return drive


@pytest.fixture
def witnessed() -> Witnessed:
    """Let jobs of one user run, each submitted when the one before has ended."""

    def witness_of(run_s: Sequence[float]) -> Witness:
        witness = Witness(
            {
                name: Guarded(source_of(source))
                for name, source in zip(SOURCES, ("history", "last-two", "limit"), strict=True)
            }
        )
        now_s, gang = 0.0, gang_of(1, Resources(gpu_milli=1000))
        for number, seconds in enumerate(run_s):
            job = Job(id=JobId(f"j{number}"), user="kim", limit_s=100.0, gang=gang)
            told = Submitted(at_s=now_s, job=job, oracle_s=seconds)
            witness.observe([told], [Start(job.id, IN_POOL, guest=False)])
            now_s += seconds
            witness.observe([Finished(at_s=now_s, job=job.id)], [])
        return witness

    return witness_of
