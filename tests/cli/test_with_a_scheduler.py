"""Commands against a real scheduler with eight virtual GPUs: real processes and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SECONDS_MAX = 60
Say = Callable[..., subprocess.CompletedProcess[str]]
_BECOME_A_STRANGER = """
import os, sys
from noljima import cli
from noljima.cli import logs, orders, queue, submit, why
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
cli.main(sys.argv[1:])
"""
_STRANGER = [sys.executable, "-c", _BECOME_A_STRANGER]


@pytest.fixture(scope="module")
def say() -> Iterator[Say]:
    """Run a scheduler, and say commands to it as a shell does."""
    with TemporaryDirectory() as name:
        # Others have to come to its socket: a folder of pytest's own lets nobody in.
        Path(name).chmod(0o711)
        yield from _said_to_a_scheduler(Path(name))


def _said_to_a_scheduler(folder: Path) -> Iterator[Say]:
    environment = {**os.environ, "NOLJIMA_STATE": str(folder / "state")}
    program = [sys.executable, "-u", "-m", "noljima"]
    scheduler = subprocess.Popen(  # noqa: S603 - our own
        [*program, "up", "--gpus", "8"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def said(*arguments: object, stranger: bool = False) -> subprocess.CompletedProcess[str]:
        command = [*(_STRANGER if stranger else program), *map(str, arguments)]
        return subprocess.run(  # noqa: S603 - our own
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    assert scheduler.stdout is not None
    try:
        told = [*takewhile(lambda line: "ready at" not in line, scheduler.stdout)]
        assert scheduler.poll() is None, told
        yield said
        said("down", "--stop-jobs")
        scheduler.stdout.read()
        assert scheduler.wait(SECONDS_MAX) == 0
    finally:
        scheduler.kill()
        scheduler.wait()
        scheduler.stdout.close()


def test_what_a_shell_would_obey_reaches_the_process_as_it_was_typed(
    say: Say, tmp_path: Path
) -> None:
    evil = ["; touch pwned", "$(touch pwned)", "`touch pwned`", "a  b", "*", "&&", "> pwned", "한"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    arguments = ["submit", "-y", "--wait", "-g", 0, "-D", tmp_path, "-o", "name"]
    done = say(*arguments, "--", sys.executable, "-c", code, *evil)

    assert done.returncode == 0, done.stderr
    assert json.loads(say("logs", done.stdout.strip()).stdout) == evil
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ends", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_waiting_ends_as_the_job_does(say: Say, ends: str, code: int) -> None:
    assert say("submit", "-y", "--wait", "-g", 0, "--", "sh", "-c", ends).returncode == code


def test_the_same_key_is_the_same_job(say: Say) -> None:
    arguments = ["submit", "-y", "-g", 0, "--key", "once", "-o", "name", "--", "true"]

    assert say(*arguments).stdout == say(*arguments).stdout
    assert say("submit", "-y", "-g", 0, "-o", "name", "--", "true").stdout != say(*arguments).stdout


def test_a_scripts_directives_are_obeyed(say: Say, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(
        "#!/bin/sh\n#NOLJIMA --gpus 3 --name named --env LR=3e-4\n"
        'echo "$LR $1 $CUDA_VISIBLE_DEVICES" | tr -cd "[:alnum:]., -"\n'
    )
    done = say("submit", "-y", "--wait", "-o", "json", script, "first")
    row = json.loads(done.stdout)["rows"][0]

    assert (row["name"], row["gpu_milli"]) == ("named", 3000)
    assert say("logs", row["job"]).stdout.startswith("3e-4 first ")


def test_hold_release_stop_and_their_exit_codes(say: Say) -> None:
    job = say("submit", "-y", "--hold", "-o", "name", "--", "sleep", 600).stdout.strip()

    assert json.loads(say("queue", job, "-o", "json").stdout)["rows"][0]["state"] == "held"
    assert say("release", job).stdout == f"job {job} is released\n"
    assert say("stop", job, "--kill").returncode == 0
    assert say("stop", "99999").returncode == 3
    assert say("why", "99999").returncode == 3
    assert say("release", "99999").stderr == "noljima: there is no job 99999\n"
    assert say("whatif", "--policy", "nonesuch").returncode == 2
    assert say("drain", 8).returncode == 2


def test_a_drained_gpu_is_seen_and_restored(say: Say) -> None:
    assert say("drain", 7, "--reason", "fan").returncode == 0
    (out,) = [line for line in say("nodes").stdout.splitlines() if line.split()[1:2] == ["7"]]
    assert out.endswith("fan")
    assert say("restore", 7).returncode == 0


def test_an_array_runs_each_of_its_indices(say: Say) -> None:
    arguments = ["submit", "-y", "--wait", "-g", 0, "-a", "2-6:2%1", "-o", "name"]
    jobs = say(*arguments, "--", "sh", "-c", "echo $NOLJIMA_ARRAY_INDEX").stdout.split()

    assert [say("logs", job).stdout for job in jobs] == ["2\n", "4\n", "6\n"]


def test_a_plan_and_a_timeline_come_from_the_real_one(say: Say) -> None:
    assert "starts  at once" in say("submit", "--dry-run", "-g", 1, "--", "true").stdout
    assert "GPU 7" in say("gantt").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stranger_may_look_and_may_not_touch(say: Say) -> None:
    job = say("submit", "-y", "-o", "name", "--", "sleep", 600).stdout.strip()
    refused = ["stop", "hold", "release", "logs"]
    told = {verb: say(verb, job, stranger=True) for verb in refused}

    assert say("queue", job, stranger=True).returncode == 0
    assert {verb: done.returncode for verb, done in told.items()} == dict.fromkeys(refused, 4)
    assert say("drain", 1, stranger=True).returncode == 4
    assert say("down", stranger=True).returncode == 4
    assert say("stop", job, "--kill").returncode == 0
