"""Tables and clock times: straight columns in every script, cut to fit, harmless."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from noljima.cli import clocks, columns
from noljima.cli.columns import Column

COLUMNS = [
    Column[tuple[str, str]]("Job", lambda row: row[0]),
    Column[tuple[str, str]]("Name", lambda row: row[1], cut=True),
    Column[tuple[str, str]]("More", lambda row: row[1], wide=True),
]


def test_columns_are_straight_whatever_the_script() -> None:
    rows = [("1", "학습"), ("22", "bert"), ("3", "e\u0301t\u0301")]
    lines = columns.table(rows, [*COLUMNS[:2], Column("X", lambda _: "x")]).splitlines()

    assert [cell_len(line) for line in lines] == [len("Job  Name  X")] * 4


def test_on_a_narrow_terminal_what_may_be_cut_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "terminal_width", lambda: 24)
    rows = [("812", "a name that is far too long for this"), ("1", "학습학습학습학습학습학습")]
    lines = columns.table(rows, COLUMNS).splitlines()

    assert lines[1] == "812  a name that is far…"
    assert max(cell_len(line) for line in lines) <= 24
    assert "far too long for this" in columns.table(rows, COLUMNS, wide=True)


@given(text=st.text(max_size=30), width=st.integers(1, 20))
def test_cut_text_fits(text: str, width: int) -> None:
    words = columns.harmless(text)

    assert columns.width_of(columns.cut(words, width)) <= width


@given(text=st.text(max_size=30))
def test_harmless_text_has_nothing_to_obey_and_ordinary_text_stays(text: str) -> None:
    words = columns.harmless(text)

    assert not any(letter in words for letter in "\x1b\x07\r\n\x9b\u202e\u2066\x00\x7f")
    assert columns.harmless(words) == words


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert not columns.coloured()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert columns.coloured()
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert not columns.coloured()


NOW_S = 1_795_265_000.0


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "localtime", time.gmtime)


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [(0, "12:43"), (3600, "13:43"), (86_400, "Sun 12:43"), (864_000, "2026-12-01 12:43")],
)
def test_a_moment_has_its_day_where_that_is_not_today(offset_s: float, words: str) -> None:
    assert clocks.at(NOW_S + offset_s, NOW_S) == words


def test_a_start_says_by_when_and_whether_gpus_are_kept() -> None:
    later_s = NOW_S + 600

    assert clocks.start(NOW_S, later_s, NOW_S, reserved=True) == "12:43 (by 12:53) reserved"
    assert clocks.start(NOW_S, None, NOW_S, reserved=False) == "12:43 estimate"
    assert clocks.start(None, later_s, NOW_S, reserved=False) == "by 12:53 estimate"
    assert clocks.start(NOW_S, NOW_S, NOW_S, reserved=False) == "12:43 estimate"
    assert clocks.start(None, None, NOW_S, reserved=False) == "-"


@pytest.mark.parametrize(
    ("time_s", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_two_units(time_s: float, words: str) -> None:
    assert clocks.lasting(time_s) == words
