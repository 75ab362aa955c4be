"""Durations as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.workload.durations import parse


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("600", 600),
        ("600s", 600),
        ("10m", 600),
        ("2h", 7200),
        ("3d12h", 302_400),
        ("1w", 604_800),
        ("1h30m15s", 5415),
        ("0.5h", 1800),
        ("1.5", 1.5),
        (" 2H ", 7200),
        ("0", 0),
    ],
)
def test_a_duration_is_read_in_seconds(words: str, seconds: float) -> None:
    assert parse(words) == seconds


@pytest.mark.parametrize(
    "words",
    ["", " ", "none", "-5", "1e3", "nan", "inf", "5x", "12h3d", "h", "1 h", "\u0663", "1_0"],
)
def test_what_is_no_duration_is_refused_with_examples(words: str) -> None:
    with pytest.raises(InvalidFieldError, match="is not a duration like 600, 90s, 10m, 2h or 3d12"):
        parse(words)


def test_a_duration_beyond_all_time_is_refused() -> None:
    with pytest.raises(InvalidFieldError, match="is outside 0 to"):
        parse("999999999999w")


def test_the_refusal_names_the_field() -> None:
    with pytest.raises(InvalidFieldError, match=r"^limit: 'soon' is not a duration"):
        parse("soon", field="limit")


@given(
    days=st.integers(0, 99), hours=st.integers(0, 99), minutes=st.integers(0, 99),
    seconds=st.integers(0, 99),
)  # fmt: skip
def test_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = days * 86_400 + hours * 3_600 + minutes * 60 + seconds

    assert parse(f"{days}d{hours}h{minutes}m{seconds}s") == total


@given(st.text(max_size=12))
def test_any_words_are_a_duration_or_refused(words: str) -> None:
    try:
        assert parse(words) >= 0
    except InvalidFieldError as error:
        assert error.field == "duration"  # noqa: PT017 - both ways are right
