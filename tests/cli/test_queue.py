"""`noljima queue`, `ps` and `history`: what the tables say, in which forms, and about whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec
import pytest
import yaml
from click.testing import Result

from noljima.cli import rows
from noljima.cli.asking import myself
from noljima.control.messages import (
    History,
    JobRow,
    JobRows,
    Jobs,
    Question,
    Refused,
    Scene,
    Watch,
    Welcome,
    Why,
)
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
NOW_S = 1_795_265_000.0  # Saturday, 2026-11-21 12:43:20 UTC
WAITS = JobRow(
    job="812",
    user="kim",
    name="bert",
    state="queued",
    gpu_milli=8000,
    workers=2,
    submitted_s=NOW_S - 60,
    position=3,
    about_s=NOW_S + 600,
    by_s=NOW_S + 1200,
    code="Order",
    reason="Order: 2 jobs (16 GPUs) ahead",
)
RUNS = JobRow(
    job="7",
    user="lee",
    name="llama",
    state="running",
    gpu_milli=500,
    submitted_s=NOW_S - 7200,
    started_s=NOW_S - 3600,
    about_s=NOW_S + 86_400,
    limit_s=7200.0,
    nodes=("gpu-01",),
    gpus=(0, 1, 2, 5),
    progress=0.25,
    verdict="suspect",
)
ENDED = JobRow(
    job="5",
    user="lee",
    name="gpt",
    state="failed",
    gpu_milli=1000,
    submitted_s=NOW_S - 9000,
    started_s=NOW_S - 7200,
    first_started_s=NOW_S - 8000,
    ended_s=NOW_S - 10,
    exit_codes=(0, 3),
    words="worker 1 has ended with 3",
)
ANSWER = JobRows(now_s=NOW_S, rows=(RUNS, WAITS))


def test_the_queue_shows_when_each_job_starts_and_why_not_sooner(
    noljima: Run, desk: OpenDesk
) -> None:
    desk({Jobs: ANSWER})
    result = noljima("queue")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "Job  User  Name     GPUs  State    Position  Start                      Reason\n"
        "7    lee   llama     0.5  running         -  11:43 started              "
        "on gpu-01 GPU 0-2,5\n"
        "812  kim   bert   8 (2w)  queued          3  12:53 (by 13:03) estimate  "
        "Order: 2 jobs (16 GPUs) ahead\n"
    )


def test_a_start_for_which_gpus_are_kept_is_marked_reserved(noljima: Run, desk: OpenDesk) -> None:
    desk({Jobs: JobRows(now_s=NOW_S, rows=(msgspec.structs.replace(WAITS, reserved=True),))})

    assert "12:53 (by 13:03) reserved" in noljima("queue").stdout


def test_ps_shows_where_jobs_run_how_far_they_are_and_when_they_end(
    noljima: Run, desk: OpenDesk
) -> None:
    asked = desk({Jobs: JobRows(now_s=NOW_S, rows=(RUNS,))}).asked
    head, line = noljima("ps").stdout.splitlines()

    assert asked == [Jobs(states=("starting", "running", "stopping"))]
    assert " ".join(head.split()) == ("Job User Name State On Ran Limit Progress Ends about Health")
    assert " ".join(line.split()) == (
        "7 lee llama running gpu-01 GPU 0-2,5 1 h 2 h 25 % Sun 12:43 suspect"
    )


def test_history_shows_how_jobs_ended_and_how_long_they_waited(
    noljima: Run, desk: OpenDesk
) -> None:
    asked = desk({History: JobRows(now_s=NOW_S, rows=(ENDED,), more=2)}).asked
    _, line, more = noljima("history", "--user", "lee", "--limit", 1).stdout.splitlines()

    assert asked == [History(users=("lee",), limit=1)]
    assert " ".join(line.split()) == (
        "5 lee gpt 1 failed 3 12:43 16 min 40 s 1 h 59 min worker 1 has ended with 3"
    )
    assert more == "... and 2 more jobs"


def test_since_is_a_time_before_now(noljima: Run, desk: OpenDesk) -> None:
    asked = desk({History: JobRows(now_s=NOW_S)}).asked
    noljima("history", "--since", "1d")

    (question,) = asked
    assert isinstance(question, History)
    assert question.since_s > 1_700_000_000


def test_filters_are_passed_on(noljima: Run, desk: OpenDesk) -> None:
    asked = desk({Jobs: JobRows(now_s=NOW_S)}).asked
    result = noljima(
        "queue", "812,813", "9_1", "--mine", "-u", "lee", "--state", "held", "--limit", 5
    )

    assert result.stdout == "No jobs.\n"
    assert asked == [
        Jobs(jobs=("812", "813", "9_1"), users=("lee", myself()), states=("held",), limit=5)
    ]


def test_json_has_every_field_of_every_job(noljima: Run, desk: OpenDesk) -> None:
    desk({Jobs: ANSWER})
    found = json.loads(noljima("queue", "-o", "json").stdout)

    assert found["now_s"] == NOW_S
    assert [row["job"] for row in found["rows"]] == ["7", "812"]
    assert all(set(row) == set(JobRow.__struct_fields__) for row in found["rows"])
    assert msgspec.convert(found["rows"][1], JobRow) == WAITS


def test_yaml_says_the_same_as_json(noljima: Run, desk: OpenDesk) -> None:
    desk({Jobs: ANSWER})

    assert yaml.safe_load(noljima("queue", "-o", "yaml").stdout) == json.loads(
        noljima("queue", "-o", "json").stdout
    )


def test_names_alone_are_for_the_next_command(noljima: Run, desk: OpenDesk) -> None:
    desk({Jobs: ANSWER})

    assert noljima("queue", "-o", "name").stdout == "7\n812\n"


def test_the_wide_table_has_more_columns(noljima: Run, desk: OpenDesk) -> None:
    desk({Jobs: ANSWER})
    head = noljima("queue", "-o", "wide").stdout.splitlines()[0].split()

    assert {"Priority", "Queue", "Limit", "Estimate", "Submitted"} < set(head)


def test_watch_repeats_the_table_at_each_change(noljima: Run, desk: OpenDesk) -> None:
    welcome = Welcome(
        noljima="0", pid=1, began_s=0, now_s=0, policy="fair", node="n", user="u", operator=False
    )
    scene = Scene(now_s=NOW_S, welcome=welcome)
    asked = desk({Watch: [scene, scene, scene], Jobs: ANSWER}).asked
    result = noljima("queue", "--watch", "-o", "name")

    assert result.stdout == "7\n812\n" * 3
    assert asked == [Watch(), Jobs(), Jobs(), Jobs()]


def test_what_a_job_calls_itself_moves_no_cursor(noljima: Run, desk: OpenDesk) -> None:
    name = "\x1b[2J\u202egnp\r\x9b5m\x00"
    desk({Jobs: JobRows(now_s=NOW_S, rows=(msgspec.structs.replace(WAITS, name=name),))})
    told = noljima("queue").stdout

    assert r"\x1b[2J\u202egnp\x0d\x9b5m\x00" in told
    assert all(letter == "\n" or letter.isprintable() for letter in told)


@pytest.mark.parametrize(
    ("why", "code"),
    [(Why.BAD, 2), (Why.UNKNOWN, 3), (Why.FORBIDDEN, 4), (Why.BUSY, 6), (Why.FAULT, 1)],
)
def test_each_kind_of_refusal_has_its_exit_code(
    noljima: Run, desk: OpenDesk, why: Why, code: int
) -> None:
    desk({Jobs: Refused(why=why, words="so it is\x1b[2J")})
    result = noljima("queue")

    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "noljima: so it is\\x1b[2J\n"


def test_without_a_scheduler_the_code_is_five_and_the_way_out_is_told(
    noljima: Run, tmp_path: object
) -> None:
    result = noljima("queue", "--at", f"{tmp_path}/nowhere")

    assert result.exit_code == 5
    assert "no scheduler is running at" in result.stderr
    assert "noljima up --state" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("queue", "../etc"), "JOB: '../etc' is no job such as 812"),
        (("queue", "--state", "asleep"), "'asleep' is not one of"),
        (("queue", "--limit", "0"), "0 is not in the range"),
        (("queue", "-o", "xml"), "'xml' is not one of"),
        (("queue", "--user", "\x1b[2J"), "--user: '\\x1b[2J' has a control character"),
        (("history", "--since", "yesterday"), "'yesterday' is no time such as 90m"),
        (("history", "--since", "nan"), "'nan' is no time"),
    ],
)
def test_bad_input_is_told_in_one_line_and_nobody_is_asked(
    noljima: Run, desk: OpenDesk, arguments: tuple[str, ...], words: str
) -> None:
    asked = desk({Jobs: ANSWER}).asked
    result = noljima(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert asked == []


def test_numbers_of_gpus_are_written_in_few_characters() -> None:
    assert rows.ranges([5, 0, 1, 2, 7, 8]) == "0-2,5,7-8"
    assert rows.ranges([]) == ""
