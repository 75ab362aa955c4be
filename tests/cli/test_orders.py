"""`stop`, `hold`, `release`, `drain`, `restore`, `down`: what is asked, and what is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from click.testing import Result

from noljima.control.messages import (
    Done,
    Down,
    Drain,
    End,
    GpuRow,
    Hello,
    Hold,
    JobRow,
    JobRows,
    Jobs,
    NodeRow,
    NodeRows,
    Nodes,
    Question,
    Release,
    Restore,
    Welcome,
    Why,
)
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
DONE = Done(words=("so it is",))
ROW = JobRow(job="9_0", user="kim", name="sweep\x1b", state="running", submitted_s=0.0)
NODE = NodeRow(node="n", gpus=(GpuRow(number=0, jobs=("812",)), GpuRow(number=3)))


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (("stop", "812", "813"), End(jobs=("812", "813"))),
        (("stop", "812,813", "812", "--kill"), End(jobs=("812", "813"), kill=True)),
        (("hold", "9"), Hold(jobs=("9",))),
        (("release", "9_3"), Release(jobs=("9_3",))),
        (("drain", "3", "--reason", "fan"), Drain(gpus=(3,), reason="fan")),
        (("drain", "0-2,5", "0"), Drain(gpus=(0, 1, 2, 5))),
        (("restore", "3"), Restore(gpus=(3,))),
        (("down",), Down()),
        (("down", "--stop-jobs"), Down(stop_jobs=True)),
    ],
)
def test_an_order_is_one_question_and_what_is_done_is_told(
    noljima: Run, desk: OpenDesk, arguments: tuple[str, ...], question: Question
) -> None:
    here = desk({type(question): DONE})
    result = noljima(*arguments)

    assert here.asked == [question]
    assert result.stdout == "so it is\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("whys", "code"),
    [
        ((Why.UNKNOWN, Why.UNKNOWN), 3),
        ((Why.FORBIDDEN, Why.FORBIDDEN), 4),
        ((Why.FORBIDDEN, Why.UNKNOWN), 2),
        ((), 2),
    ],
)
def test_what_is_refused_of_several_is_told_and_seen_in_the_exit_code(
    noljima: Run, desk: OpenDesk, whys: tuple[Why, ...], code: int
) -> None:
    done = Done(words=("one is ended",), refused=("two is not", "three is not"), whys=whys)
    desk({End: done})
    result = noljima("stop", "1", "2", "3")

    assert result.exit_code == code
    assert result.stdout == "one is ended\n"
    assert result.stderr == "noljima: two is not\nnoljima: three is not\n"


@pytest.mark.parametrize("verb", ["stop", "hold", "release"])
def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    noljima: Run, desk: OpenDesk, verb: str
) -> None:
    here = desk({Jobs: JobRows(now_s=0.0, rows=(ROW,))})
    result = noljima(verb, "9", "--dry-run")

    assert result.stdout == f"would {verb} 9_0 sweep\\x1b (running, of kim)\n"
    assert result.exit_code == 0
    assert here.asked == [Jobs(jobs=("9",))]


def test_a_dry_run_of_a_job_that_is_not_there_has_its_exit_code(
    noljima: Run, desk: OpenDesk
) -> None:
    desk({Jobs: JobRows(now_s=0.0, rows=(ROW,))})
    result = noljima("stop", "9_0", "10", "--dry-run")

    assert result.exit_code == 3
    assert result.stderr == "noljima: JOB: '10' is no job that waits or runs\n"


def test_a_dry_run_of_a_drain_says_what_is_on_the_gpus(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Nodes: NodeRows(now_s=0.0, rows=(NODE,))})
    result = noljima("drain", "0", "3", "--dry-run")

    assert result.stdout == (
        "would drain GPU 0, which has 812\nwould drain GPU 3, which has no job\n"
    )
    assert noljima("restore", "7", "--dry-run").stderr == "noljima: GPU: 7 is none of the 2 GPUs\n"
    assert here.asked == [Nodes(), Nodes()]


def test_a_dry_run_of_the_end_names_the_scheduler(noljima: Run, desk: OpenDesk) -> None:
    welcome = Welcome(
        noljima="0", pid=5, began_s=0, now_s=0, policy="fair", node="n", user="u", operator=True
    )
    here = desk({Hello: welcome})

    assert noljima("down", "--dry-run").stdout == (
        "would end, and leave its jobs running, the scheduler on n (pid 5)\n"
    )
    assert here.asked == [Hello()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stop",), "Missing argument 'JOB...'"),
        (("stop", "$(rm)"), "JOB: '$(rm)' is no job"),
        (("stop", "1,,2"), "JOB: '' is no job"),
        (("stop", "x" * 65), "is no job such as 812"),
        (("hold", "\x1b[2J"), "JOB: '\\x1b[2J' is no job"),
        (("drain", "all"), "GPU: 'all' is no array"),
        (("drain", "0-9%2"), "GPU: '0-9%2' is no number of a GPU"),
        (("drain", "0-9:2"), "is no number of a GPU"),
        (("drain", "1", "--reason", "a\nb"), "--reason: 'a\\nb' has a control character"),
        (("drain", "1", "--reason", "x" * 300), "is not 0 to 256 characters long"),
    ],
)
def test_bad_orders_are_refused_before_anybody_is_asked(
    noljima: Run, desk: OpenDesk, arguments: tuple[str, ...], words: str
) -> None:
    here = desk({End: DONE, Hold: DONE, Drain: DONE})
    result = noljima(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert here.asked == []
