"""The demonstration: its jobs do what they are to do, and its comparison is one with FIFO."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from noljima.control.messages import JobRow
from noljima.demo import ending, play
from noljima.demo.show import Board
from noljima.demo.stage import Stage, StageError
from noljima.drivers.local.folders import Folders

WORK = [sys.executable, "-m", "noljima.demo.work", "--step-s=0.01"]


def started(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - ourselves
        [*WORK, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_worker_that_is_alone_steps_to_its_end(tmp_path: Path) -> None:
    done = started(tmp_path, "--steps=3")
    said, _ = done.communicate(timeout=30)

    assert done.returncode == 0
    assert said.splitlines()[-1].startswith("step 3/3")


def test_a_worker_that_crashes_fails_with_a_traceback(tmp_path: Path) -> None:
    done = started(tmp_path, "--steps=9", "--crash-at=2")
    said, _ = done.communicate(timeout=30)

    assert done.returncode == 1
    assert "CUDA error" in said


def test_what_was_saved_is_gone_on_from(tmp_path: Path) -> None:
    told = tmp_path / "told"
    environment = {"NOLJIMA_JOB_ID": "7", "NOLJIMA_CHECKPOINT": str(told)}
    first = started(tmp_path, "--steps=100000", **environment)
    assert first.stdout is not None
    first.stdout.readline()
    first.send_signal(signal.SIGUSR1)
    first.communicate(timeout=30)
    step = int((tmp_path / "saved-7").read_text(encoding="ascii"))
    second = started(tmp_path, f"--steps={step + 1}", **environment)
    said, _ = second.communicate(timeout=30)

    assert first.returncode == second.returncode == 0
    assert told.exists()
    assert said.splitlines() == [
        f"going on from step {step}",
        f"step {step + 1}/{step + 1} loss {2.0 / (2.0 + step):.4f}",
    ]


def test_one_worker_that_hangs_stops_its_gang_and_no_signal_wakes_it(tmp_path: Path) -> None:
    gang = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    workers = [started(tmp_path, "--steps=9", "--hang-at=2", RANK=str(r), **gang) for r in (0, 1)]
    try:
        assert workers[1].stdout is not None
        assert "never comes" in workers[1].stdout.readline()
        workers[1].send_signal(signal.SIGUSR1)
        with pytest.raises(subprocess.TimeoutExpired):
            workers[0].wait(0.5)
        assert workers[1].poll() is None
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_the_play_shows_what_it_is_to_show(tmp_path: Path) -> None:
    names = {part.submission.name: part for part in play.parts(tmp_path)}

    assert {"hang", "crash", "endless", "llm"} <= set(names)
    assert any(part.submission.gang.workers > 1 for part in names.values())
    assert any(part.submission.evictable for part in names.values())
    assert max(part.submission.gang.workers for part in names.values()) <= play.GPUS


@pytest.mark.parametrize("name", ["work/thesis.tex", "state/law", "settings.toml"])
def test_what_no_demo_has_made_is_not_replaced(tmp_path: Path, name: str) -> None:
    thesis = tmp_path / name
    thesis.parent.mkdir(exist_ok=True)
    thesis.write_text("years", encoding="utf-8")

    with pytest.raises(StageError, match="was not made by a demo"):
        Stage(tmp_path).__enter__()
    assert thesis.read_text(encoding="utf-8") == "years"


def test_a_demo_that_runs_is_not_replaced_and_one_that_is_over_is(tmp_path: Path) -> None:
    with Stage(tmp_path) as first:
        left = first.work / "left"
        left.touch()
        with pytest.raises(StageError, match="is running"):
            Stage(tmp_path).__enter__()
        assert left.exists()
    with Stage(tmp_path):
        assert not left.exists()


def row(job: str, gpus: int, submitted_s: float, started_s: float, ended_s: float) -> JobRow:
    return JobRow(
        job=job,
        state="succeeded",
        outcome="succeeded",
        gpu_milli=1000 * gpus,
        workers=gpus,
        submitted_s=submitted_s,
        first_started_s=started_s,
        started_s=started_s,
        ended_s=ended_s,
    )


def test_what_happened_is_compared_with_first_come_first_served() -> None:
    rows = [row("1", 8, 100, 100, 110), row("2", 8, 101, 110, 120), row("3", 1, 102, 102, 105)]
    told = ending.told(rows, {"1": 10.0, "2": 10.0, "3": 3.0}, 100.0)

    assert [each.strict_s for each in told] == [0.0, 10.0, 20.0]
    assert [each.sooner_s for each in told] == [0.0, 0.0, 18.0]


def test_a_process_that_stays_in_the_folder_is_found(tmp_path: Path) -> None:
    stays = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        until_s = time.monotonic() + 10.0
        while not (found := ending.left_behind(tmp_path)) and time.monotonic() < until_s:
            pass
        assert [words for words in found if words.startswith(f"process {stays.pid}")]
    finally:
        stays.communicate()

    assert ending.left_behind(tmp_path) == []


def test_a_control_group_of_the_scheduler_is_found(tmp_path: Path) -> None:
    group = tmp_path / "groups" / "unified" / Folders(tmp_path / "demo" / "state").name
    group.mkdir(parents=True)

    assert ending.left_behind(tmp_path / "demo", tmp_path / "groups") == [f"control group {group}"]


def test_in_a_pipe_each_change_is_one_line_and_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = Board(Console(width=100), 100.0)
    waits = JobRow(job="1", name="a", state="queued", submitted_s=100.0, code="Order", reason="x")
    with board.shown():
        board.update(101.0, [waits], [])
        board.update(102.0, [waits], [])
        board.update(103.0, [], [row("1", 1, 100, 102, 103)])

    assert capsys.readouterr().out.splitlines() == [
        "  1.0 s      1 a        waits: Order",
        "  3.0 s      1          succeeded",
    ]


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])
