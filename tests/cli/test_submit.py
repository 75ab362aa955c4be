"""`noljima submit`: what is said becomes one submission, is planned, asked about and handed in."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

from noljima.control.messages import (
    Accepted,
    Answer,
    Detail,
    JobRow,
    Plan,
    Planned,
    Question,
    Refused,
    Scene,
    Show,
    Submit,
    Watch,
    Welcome,
    Why,
)
from noljima.model.resources import Resources, gang_of
from noljima.submission.nouns import After, Submission
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
NOW_S = 1_795_265_000.0
ROW = JobRow(job="812", user="kim", name="train.py", state="queued", submitted_s=NOW_S)
PLAN = Plan(
    name="train.py",
    gpu_milli=2000,
    workers=1,
    evictable=True,
    estimate=(3600.0, 7200.0, 14_400.0),
    source="5 past runs like it",
    about_s=NOW_S + 600,
    by_s=NOW_S + 1200,
    reserved=True,
    reason="Order: 2 jobs (16 GPUs) ahead",
    advice=("with 1 GPU it would start at once",),
)
WELCOME = Welcome(
    noljima="0", pid=1, began_s=0, now_s=0, policy="fair", node="n", user="u", operator=False
)
SCENE = Scene(now_s=NOW_S, welcome=WELCOME)


def answers(question: Question) -> Answer:
    """Plan a dry run, and accept all else as job 812."""
    assert isinstance(question, Submit)
    if question.dry_run:
        return Planned(now_s=NOW_S, plans=(PLAN,))
    count = len(question.submissions[0].array) or 1
    names = ["812"] if count == 1 else [f"812_{n}" for n in question.submissions[0].array]
    return Accepted(
        now_s=NOW_S, rows=tuple(msgspec.structs.replace(ROW, job=name) for name in names)
    )


def handed_in(desk: Desk) -> Submission:
    """Return the one submission of the last question."""
    question = desk.asked[-1]
    assert isinstance(question, Submit)
    (submission,) = question.submissions
    return submission


def test_a_command_becomes_a_submission(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Submit: answers})
    result = noljima("submit", "-g", 2, "-l", "4h", "-y", "--", "python", "train.py", "--lr", "1")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "812 (train.py) queued, start -\n"
    assert handed_in(here) == Submission(
        name="train.py",
        gang=gang_of(1, Resources(gpu_milli=2000)),
        folder=str(Path.cwd()),
        argv=("python", "train.py", "--lr", "1"),
        limit_s=14_400.0,
    )


def test_what_a_shell_would_obey_reaches_the_scheduler_unchanged(
    noljima: Run, desk: OpenDesk
) -> None:
    here = desk({Submit: answers})
    evil = ["echo", "; rm -rf ~", "$(touch x)", "`id`", "a b", "--yes", "--", "|", "\n", "한글"]
    noljima("submit", "-y", "--", *evil)

    assert handed_in(here).argv == tuple(evil)


def test_a_dry_run_tells_the_plan_and_hands_in_nothing(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Submit: answers})
    result = noljima("submit", "-g", 2, "--dry-run", "--", "python", "train.py")

    assert result.stdout.splitlines() == [
        "train.py: 2 GPUs",
        "  runs    1 h; 80 % end within 2 h, 95 % within 4 h (5 past runs like it)",
        "  starts  12:53 (by 13:03) reserved",
        "  why     Order: 2 jobs (16 GPUs) ahead",
        "  sooner  with 1 GPU it would start at once",
        "  guest   it may be evicted for an earlier job, and go on later",
    ]
    assert [question.dry_run for question in here.asked if isinstance(question, Submit)] == [True]


def test_a_plan_that_starts_at_once_says_where(noljima: Run, desk: OpenDesk) -> None:
    plan = Plan(name="x", jobs=3, gpu_milli=8000, workers=8, now=True, gpus=(0, 1))
    desk({Submit: Planned(now_s=NOW_S, plans=(plan,))})
    told = noljima("submit", "--dry-run", "--", "x").stdout

    assert "x: 3 jobs of 8 GPUs for 8 workers" in told
    assert "starts  at once, on GPU 0-1" in told
    assert "nobody knows how long: give it a --limit" in told


def test_an_array_is_told_in_one_line(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Submit: answers})
    result = noljima("submit", "-y", "-a", "0-9:2,12%3", "-J", "sweep", "--", "x")

    assert result.stdout == "812_0 to 812_12: 6 jobs sweep handed in\n"
    assert handed_in(here).array == (0, 2, 4, 6, 8, 12)
    assert handed_in(here).array_at_most == 3


def test_the_name_alone_is_for_the_next_command(noljima: Run, desk: OpenDesk) -> None:
    desk({Submit: answers})

    assert noljima("submit", "-y", "-o", "name", "--", "x").stdout == "812\n"
    found = json.loads(noljima("submit", "-y", "-o", "json", "--", "x").stdout)
    assert found["rows"][0]["job"] == "812"


def test_a_script_is_handed_in_with_its_directives_and_the_command_line_goes_before(
    noljima: Run, desk: OpenDesk, tmp_path: Path
) -> None:
    script = tmp_path / "train.sh"
    text = "#!/bin/bash\n#NOLJIMA --gpus 2 --limit 4h -e A=1\necho $1\n#NOLJIMA --hold\n"
    script.write_text(text)
    here = desk({Submit: answers})
    result = noljima("submit", "-y", "-g", 4, "-e", "B=2", script, "one", "two")
    submission = handed_in(here)

    assert submission.script == text
    assert submission.argv == ("one", "two")
    assert submission.name == "train.sh"
    assert submission.gang == gang_of(1, Resources(gpu_milli=4000))
    assert submission.limit_s == 14_400.0
    assert submission.environment == {"A": "1", "B": "2"}
    assert not submission.held
    assert result.stderr == (
        "noljima: train.sh, line 4: #NOLJIMA stands below the first command and is not read\n"
    )


def test_a_job_file_is_read_and_the_command_line_goes_before(
    noljima: Run, desk: OpenDesk, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("name: a\ncommand: [python, t.py]\ngpus: 2\nevictable: true\n")
    here = desk({Submit: answers})
    noljima("submit", "-y", "-f", file, "--name", "b", "--no-evictable", "--hold", "-d", "5")
    submission = handed_in(here)

    assert submission.name == "b"
    assert submission.evictable is False
    assert submission.held
    assert submission.after == (After(job="5"),)
    assert submission.argv == ("python", "t.py")


def test_every_submission_has_a_key_of_its_own_or_the_one_that_is_given(
    noljima: Run, desk: OpenDesk
) -> None:
    here = desk({Submit: answers})
    for key in ((), (), ("--key", "mine")):
        noljima("submit", "-y", *key, "--", "x")
    keys = [question.key for question in here.asked if isinstance(question, Submit)]

    assert len({*keys}) == 3
    assert keys[2] == "mine"
    assert len(keys[0]) == 32


def test_a_connection_that_breaks_is_tried_again_with_the_same_key(
    noljima: Run, desk: OpenDesk
) -> None:
    broken: list[str] = []

    def breaks_twice(question: Question) -> list[Answer]:
        assert isinstance(question, Submit)
        broken.append(question.key)
        return [] if len(broken) < 3 else [answers(question)]

    desk({Submit: breaks_twice})
    result = noljima("submit", "-y", "--", "x")

    assert result.exit_code == 0
    assert len(broken) == 3
    assert len({*broken}) == 1


def test_a_refusal_is_not_tried_again(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Submit: Refused(why=Why.BUSY, words="the disk is full")})
    result = noljima("submit", "-y", "--", "x")

    assert result.exit_code == 6
    assert result.stderr == "noljima: the disk is full\n"
    assert len(here.asked) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "submit: say what to run"),
        (("--",), "submit: say what to run"),
        (("--", ""), "command: [''] names no program"),
        (("x.sh", "--", "y"), "a SCRIPT and -- and a COMMAND exclude each other"),
        (("x.sh", "-f", "job.yaml"), "a SCRIPT and --file exclude each other"),
        (("--dry-run", "--wait", "--", "x"), "--dry-run and --wait exclude each other"),
        (("nowhere.sh",), "nowhere.sh: No such file or directory"),
        (("-f", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
        (("-f", "/"), "/: Is a directory"),
        (("-g", "two", "--", "x"), "--gpus: 'two' is no number of GPUs"),
        (("-e", "NO_SUCH_VARIABLE", "--", "x"), "'NO_SUCH_VARIABLE' is not set here"),
        (("--key", "a\nb", "--", "x"), "--key: 'a\\nb' has a control character"),
        (("--key", "k" * 65, "--", "x"), "is not 0 to 64 characters long"),
        (("--gpu", "2", "--", "x"), "No such option"),
        (("-g", "--", "x"), "requires an argument"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nobody_is_asked(
    noljima: Run, desk: OpenDesk, arguments: tuple[str, ...], words: str
) -> None:
    here = desk({Submit: answers})
    result = noljima("submit", "-y", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert here.asked == []


def test_a_script_without_an_interpreter_is_refused(noljima: Run, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    result = noljima("submit", "-y", script)

    assert result.exit_code == 2
    assert "train.py: 'print(1)\\n' does not begin with #!" in result.stderr


# --- Waiting ---


def lives(*states: JobRow) -> Callable[[Question], Answer]:
    """Answer with one state after the other, and stay with the last."""
    left = list(states)

    def answer(_: Question) -> Answer:
        row = left.pop(0) if len(left) > 1 else left[0]
        return Detail(now_s=NOW_S, row=row)

    return answer


@pytest.mark.parametrize(
    ("state", "exit_codes", "code"),
    [
        ("succeeded", (0,), 0),
        ("failed", (7,), 7),
        ("failed", (0, 3), 3),
        ("failed", (-9,), 137),
        ("failed", (), 1),
        ("cancelled", (), 1),
    ],
)
def test_waiting_tells_each_change_and_ends_as_the_job_does(
    noljima: Run, desk: OpenDesk, state: str, exit_codes: tuple[int, ...], code: int
) -> None:
    runs = msgspec.structs.replace(ROW, state="running", gpus=(0, 1))
    ended = msgspec.structs.replace(ROW, state=state, exit_codes=exit_codes, words="so it was")
    desk({Submit: answers, Watch: [SCENE] * 6, Show: lives(ROW, ROW, runs, runs, ended)})
    result = noljima("submit", "-y", "--wait", "--", "x")

    assert result.exit_code == code
    assert result.stderr.splitlines() == [
        "812 (train.py) queued, start -",
        "812 (train.py) running on GPU 0-1",
        f"812 (train.py) {state}: so it was",
    ]


def test_waiting_for_an_array_ends_with_the_worst_of_it(noljima: Run, desk: OpenDesk) -> None:
    def answer(question: Question) -> Answer:
        assert isinstance(question, Show)
        code = {"812_0": 0, "812_1": 4, "812_2": 0}[question.job]
        state = "failed" if code else "succeeded"
        row = msgspec.structs.replace(ROW, job=question.job, state=state, exit_codes=(code,))
        return Detail(now_s=NOW_S, row=row)

    desk({Submit: answers, Watch: [SCENE], Show: answer})

    assert noljima("submit", "-y", "-a", "0-2", "--wait", "--", "x").exit_code == 4


def test_a_scheduler_that_ends_while_somebody_waits_is_told(noljima: Run, desk: OpenDesk) -> None:
    desk({Submit: answers, Watch: [SCENE], Show: lives(ROW)})
    result = noljima("submit", "-y", "--wait", "--", "x")

    assert result.exit_code == 5
    assert "the scheduler has ended; 812 goes on without it" in result.stderr


def test_ctrl_c_while_waiting_leaves_the_job_and_says_how_to_end_it(
    desk: OpenDesk, tmp_path: Path
) -> None:
    shown, over = threading.Event(), threading.Event()

    def endless(_: Question) -> Answer:
        if shown.is_set():
            over.wait(30)
        shown.set()
        return Detail(now_s=NOW_S, row=ROW)

    here = desk({Submit: answers, Watch: [SCENE] * 3, Show: endless})
    arguments = ["submit", "-y", "--wait", "--at", str(tmp_path / "state"), "--", "x"]
    command = [sys.executable, "-m", "noljima", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:  # noqa: S603 - our own
        assert waiting.stderr is not None
        first = waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        over.set()
        told = first + waiting.stderr.read()

    assert waiting.returncode == 130
    assert "812 goes on; `noljima stop 812` ends it" in told
    assert all(isinstance(question, Submit | Watch | Show) for question in here.asked)


# --- On a terminal ---


def on_a_terminal(typed: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command in a terminal of its own; return its exit code and all that was shown."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "noljima", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", **environment},
    ) as process:
        os.close(follower)
        os.write(leader, typed.encode())
        shown = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:
                break  # The last who had the terminal open has ended.
            if not piece:
                break
            shown += piece
    os.close(leader)
    return process.returncode, shown.decode()


def test_on_a_terminal_the_plan_is_shown_and_a_yes_hands_it_in(desk: OpenDesk) -> None:
    here = desk({Submit: answers})
    code, shown = on_a_terminal("y\n", "submit", "-g", "2", "--", "python", "train.py")

    assert code == 0
    assert "starts  12:53 (by 13:03) reserved" in shown
    assert "Hand it in?" in shown
    assert "812 (train.py) queued" in shown
    assert [q.dry_run for q in here.asked if isinstance(q, Submit)] == [True, False]


def test_on_a_terminal_a_no_hands_in_nothing(desk: OpenDesk) -> None:
    here = desk({Submit: answers})
    code, shown = on_a_terminal("n\n", "submit", "--", "python", "train.py")

    assert code == 1
    assert "nothing was handed in" in shown
    assert [q.dry_run for q in here.asked if isinstance(q, Submit)] == [True]


def test_yes_asks_nothing_on_a_terminal(desk: OpenDesk) -> None:
    desk({Submit: answers})

    assert "Hand it in?" not in on_a_terminal("", "submit", "-y", "--", "x")[1]
