"""The schedule file: whole numbers without a point, the rest to the last digit, never half."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Start
from noljima.model.events import Finished, Submitted
from noljima.model.job import Job
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, Resources, gang_of
from noljima.report import schedule
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder


def run_of(name: str, submit_s: float, wait_s: float, run_s: float, gpu_milli: int) -> RunRecord:
    job = Job(id=JobId(name), gang=gang_of(1, Resources(gpu_milli=gpu_milli)))
    recorder = Recorder()
    recorder.observe([Submitted(at_s=0.0, job=Job(id=JobId("waits"), gang=job.gang))], [])
    recorder.observe([Submitted(at_s=submit_s, job=job, oracle_s=run_s)], [])
    start_s = submit_s + wait_s
    recorder.observe([Submitted(at_s=start_s, job=job)], [Start(job.id, IN_POOL)])
    recorder.observe([Finished(at_s=start_s + run_s, job=job.id)], [])
    return recorder.run(policy="", estimates="")


def test_whole_numbers_have_no_point_and_fractions_keep_every_digit() -> None:
    whole = schedule.text(run_of("7", 327952.0, 0.0, 9382.0, 80_000))
    broken = schedule.text(run_of("7", 0.5, 0.25, 0.1, 500))

    assert whole == "job,submit_s,wait_s,run_s,processors\n7,327952,0,9382,80\n"
    assert broken.splitlines()[1] == "7,0.5,0.25,0.1,0.5"


@given(name=st.text(min_size=1, max_size=9).filter(str.isprintable))
def test_any_name_reads_back_from_the_file(name: str) -> None:
    rows = list(csv.reader(io.StringIO(schedule.text(run_of(name, 1.0, 2.0, 3.0, 1000)))))

    assert rows[1:] == [[name, "1", "2", "3", "1"]]


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "schedule.csv"
    run = run_of("7", 0.0, 1.0, 2.0, 1000)
    schedule.write(path, run)
    schedule.write(path, run)

    assert path.read_text() == schedule.text(run)
    assert [entry.name for entry in path.parent.iterdir()] == ["schedule.csv"]


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "schedule.csv"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        schedule.write(path, run_of("7", 0.0, 1.0, 2.0, 1000))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
