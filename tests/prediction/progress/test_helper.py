"""`noljima.progress.report`: what a job calls; it writes what the scheduler reads, or nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from noljima import progress
from noljima.model.phase import Phase
from noljima.prediction.progress import report
from noljima.prediction.progress.observation import Observation


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a file as the scheduler does, for a job that has told nothing yet."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    monkeypatch.setattr(progress, "_told_s", -math.inf)
    monkeypatch.setattr(progress, "_told_phase", "")
    return path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by one that stands where the list says."""
    now = [0.0]
    monkeypatch.setattr("noljima.progress.time.monotonic", lambda: now[0])
    return now


def test_what_is_reported_is_what_the_scheduler_reads(file: Path) -> None:
    assert progress.report(120, 1000, epoch=2, epochs=10, loss=0.25)
    told = report.latest(file.read_bytes())

    assert told == Observation(step=120, total=1000, epoch=2, epochs=10, loss=0.25)


def test_without_the_variable_nothing_happens(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(progress.VARIABLE)

    assert not progress.report(1, 2)
    assert list(file.parent.iterdir()) == []


def test_reports_that_come_too_soon_are_passed_over(file: Path, clock: list[float]) -> None:
    written = []
    for now_s in (0.0, 0.5, 0.9, 1.0, 1.5, 2.1):
        clock[0] = now_s
        written.append(progress.report(now_s * 10))

    assert written == [True, False, False, True, False, True]
    told = report.latest(file.read_bytes())
    assert told is not None
    assert told.step == 21.0


def test_a_change_of_phase_is_told_at_once(file: Path, clock: list[float]) -> None:
    assert clock == [0.0]
    assert progress.report(5, 10)
    assert progress.report(5, 10, phase="evaluate")
    told = report.latest(file.read_bytes())

    assert told is not None
    assert told.phase is Phase.EVALUATE


@pytest.mark.parametrize(
    "phase", ["download", "waiting for data", 'say "when"', "back\\slash\n", "x" * 5000, "데이터"]
)
def test_any_word_may_stand_for_a_phase(file: Path, phase: str) -> None:
    assert progress.report(7, phase=phase)
    told = report.latest(file.read_bytes())

    assert told == Observation(step=7, phase=Phase.EVALUATE)


def test_the_file_is_replaced_whole_and_nothing_is_left_beside_it(file: Path) -> None:
    file.write_text("x" * 10_000)
    progress.report(1, 2)

    assert file.read_text().count("\n") == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_told(file: Path, loss: float) -> None:
    progress.report(1, 2, loss=loss)
    told = report.latest(file.read_bytes())

    assert told is not None
    assert repr(told.loss) == repr(loss)


def test_an_endless_total_is_one_that_nobody_knows(file: Path) -> None:
    progress.report(3, math.inf)

    assert report.latest(file.read_bytes()) == Observation(step=3)


@pytest.mark.parametrize("step", ["many", None, object(), 10**400, math.nan])
def test_nonsense_and_a_full_disk_never_end_a_training(file: Path, step: object) -> None:
    assert report.latest(b"") is None
    progress.report(step)  # type: ignore[arg-type]  # the wrong type is the point
    told = file.read_bytes() if file.exists() else b""

    assert report.latest(told) is None


def test_a_folder_that_is_not_there_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "missing" / "progress"))
    monkeypatch.setattr(progress, "_told_phase", "")

    assert not progress.report(1, 2)


def test_importing_it_loads_nothing_of_the_scheduler() -> None:
    code = (
        "import os, sys, time; before = set(sys.modules); import noljima.progress; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['__future__', 'noljima', 'noljima.progress']"
