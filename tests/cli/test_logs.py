"""`noljima logs`: as it was written into a pipe, each worker's lines apart, harmless to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from noljima.cli.logs import safe
from noljima.control.messages import Detail, JobRow, LogPart, Logs, Question, Refused, Show, Why
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]


def of(workers: int) -> Detail:
    """Return a job of so many workers."""
    return Detail(now_s=0.0, row=JobRow(job="8", state="running", submitted_s=0.0, workers=workers))


def test_into_a_pipe_every_byte_goes_as_it_is(noljima: Run, desk: OpenDesk) -> None:
    content = bytes(range(256))
    desk({Show: of(1), Logs: [LogPart(content=content), LogPart(content=b"x")]})

    assert noljima("logs", "8").stdout_bytes == content + b"x"


def test_of_a_gang_each_line_has_its_worker_in_front(noljima: Run, desk: OpenDesk) -> None:
    parts = [
        LogPart(worker=0, content=b"one\ntw"),
        LogPart(worker=1, content=b"a\n"),
        LogPart(worker=0, content=b"o\n"),
        LogPart(worker=1, content=b"open end"),
    ]
    desk({Show: of(2), Logs: parts})

    assert noljima("logs", "8").stdout == "[0] one\n[1] a\n[0] two\n[1] open end\n"


def test_what_was_not_kept_is_told(noljima: Run, desk: OpenDesk) -> None:
    desk({Show: of(1), Logs: [LogPart(content=b"end\n", skipped=12_345)]})

    assert noljima("logs", "8").stdout == "... 12,345 bytes are not kept ...\nend\n"


def test_options_are_passed_on(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Logs: [LogPart(content=b"x")]})
    noljima("logs", "8", "-f", "--worker", 3, "--attempt", 2, "--tail", "64K")

    assert here.asked == [Logs(job="8", follow=True, worker=3, attempt=2, tail_bytes=65_536)]


def test_who_may_not_read_is_told_with_an_exit_code(noljima: Run, desk: OpenDesk) -> None:
    desk({Show: of(1), Logs: Refused(why=Why.FORBIDDEN, words="job 8 is kim's")})
    result = noljima("logs", "8")

    assert result.exit_code == 4
    assert result.stderr == "noljima: job 8 is kim's\n"


@pytest.mark.parametrize("size", ["64", "-1K", "nan", "", "2P"])
def test_a_size_that_cannot_be_is_refused(noljima: Run, size: str) -> None:
    assert noljima("logs", "8", "--tail", size).exit_code == 2


def test_colours_and_bars_are_left_and_the_rest_is_made_harmless() -> None:
    written = "\x1b[1;31mred\x1b[0m\tA\r\n10 %\r20 %\x1b[2J\x1b]0;title\x07\x9b2J\u202e한글\n"

    assert b"".join(safe([written.encode()])).decode() == (
        "\x1b[1;31mred\x1b[0m\tA\r\n10 %\r20 %\\x1b[2J\\x1b]0;title\\x07\\x9b2J\\u202e한글\n"
    )


@given(
    text=st.text(st.sampled_from("a한\x1b[0;1m2J\r\n\x07\u202e")),
    cuts=st.lists(st.integers(0, 80), max_size=5),
)
def test_where_pieces_end_makes_no_difference(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[begin:end] for begin, end in pairwise(edges)]

    assert b"".join(safe(pieces)) == b"".join(safe([raw]))
