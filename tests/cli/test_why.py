"""`noljima why` and `noljima show`: one job in sentences, and everything of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec
import pytest
from click.testing import Result

from noljima.control.messages import Detail, JobRow, Question, Refused, Show, Why
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
NOW_S = 1_795_265_000.0
ROW = JobRow(
    job="812",
    user="kim",
    name="bert",
    state="queued",
    gpu_milli=8000,
    submitted_s=NOW_S - 60,
    position=3,
    about_s=NOW_S + 600,
    by_s=NOW_S + 1200,
    estimate=(3600.0, 7200.0, 14_400.0),
    source="5 past runs like it",
    after=("810", "811"),
)
DETAIL = Detail(
    now_s=NOW_S,
    row=ROW,
    reason="Order: 2 jobs ahead\nWith 4 GPUs it would start at once",
    folder="/home/kim",
    command=("python", "a b.py", "$(x)"),
    logs=("/var/log/812",),
    evidence=("no progress for 10 min",),
    told_about_s=NOW_S + 300,
    told_by_s=NOW_S + 900,
)


def told(row: JobRow) -> Detail:
    """Return all that is known of a row, with nothing beside it."""
    return Detail(now_s=NOW_S, row=row)


def test_why_tells_where_a_job_stands_and_what_would_change_it(
    noljima: Run, desk: OpenDesk
) -> None:
    here = desk({Show: DETAIL})

    assert noljima("why", "812").stdout.splitlines() == [
        "Job 812 (bert) is queued at position 3, start 12:53 (by 13:03) estimate.",
        "Order: 2 jobs ahead",
        "With 4 GPUs it would start at once",
        "It waits for the end of 810 and 811.",
        "Seen: no progress for 10 min",
    ]
    assert here.asked == [Show(job="812")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            JobRow(job="1", state="running", submitted_s=0, gpus=(0, 1), about_s=NOW_S + 60),
            "Job 1 is running on GPU 0-1, until about 12:44.",
        ),
        (
            JobRow(job="1", state="failed", submitted_s=0, ended_s=NOW_S, words="out of memory"),
            "Job 1 is failed since 12:43.\nout of memory",
        ),
        (JobRow(job="1", state="held", submitted_s=0), "Job 1 is held."),
    ],
)
def test_why_tells_of_jobs_that_run_have_ended_and_are_held(
    noljima: Run, desk: OpenDesk, row: JobRow, words: str
) -> None:
    desk({Show: told(row)})

    assert noljima("why", "1").stdout == f"{words}\n"


def test_what_the_reason_has_said_is_not_said_again(noljima: Run, desk: OpenDesk) -> None:
    row = JobRow(job="1", state="infeasible", submitted_s=0, words="needs 9 GPUs")
    desk({Show: Detail(now_s=NOW_S, row=row, reason="Infeasible: needs 9 GPUs; there are 8")})

    assert noljima("why", "1").stdout.count("needs 9 GPUs") == 1


def test_show_tells_everything_that_is_known(noljima: Run, desk: OpenDesk) -> None:
    desk({Show: DETAIL})
    lines = dict(
        line.split(":", 1) for line in noljima("show", "812").stdout.splitlines() if ":" in line
    )
    found = {key: " ".join(value.split()) for key, value in lines.items()}

    assert found["Start"] == "12:53 (by 13:03) estimate"
    assert found["Told"] == "12:48 (by 12:58), when it was handed in"
    assert found["Estimate"] == ("1 h; 80 % end within 2 h, 95 % within 4 h (5 past runs like it)")
    assert found["Command"] == "python 'a b.py' '$(x)'"
    assert found["Log"] == "/var/log/812"
    assert "Ended" not in found


def test_json_is_the_whole_detail(noljima: Run, desk: OpenDesk) -> None:
    desk({Show: DETAIL})
    found = json.loads(noljima("show", "812", "-o", "json").stdout)

    assert msgspec.convert({"type": "Detail", **found}, Detail) == DETAIL


def test_nothing_that_a_job_says_reaches_the_terminal_as_it_is(
    noljima: Run, desk: OpenDesk
) -> None:
    row = msgspec.structs.replace(ROW, name="\x1b[2J", words="\u202e", nodes=("\x07",))
    evil = msgspec.structs.replace(
        DETAIL, row=row, reason="\x1b]0;x\x07", evidence=("\r",), folder="\x9b", command=("\x1b",)
    )
    desk({Show: evil})
    for command in ("why", "show"):
        text = noljima(command, "812").stdout
        assert all(letter == "\n" or letter.isprintable() for letter in text)


def test_a_job_that_is_not_there_has_its_exit_code(noljima: Run, desk: OpenDesk) -> None:
    desk({Show: Refused(why=Why.UNKNOWN, words="there is no job 1")})

    assert noljima("why", "1").exit_code == 3
    assert noljima("show", "1").exit_code == 3
    assert noljima("why", "1,2").stderr.startswith("noljima: JOB: '1,2' is no job such as 812")
