"""Terminal output cut into lines: whatever it is, however it comes, and with a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.progress.lines import LINE_BYTES_MAX, Lines

# Bytes that matter, so that they meet often.
PIECES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"\x1b[A", b"\x1b[2K", b"\x1b[1;31m", b"\x1b[", b"\x1b", b"\r", b"\n"]),
        st.sampled_from([b"\x08", b"0", b";", b"m", b"1/2", "é━".encode(), b"\x1b[?25l"]),
    ),
    max_size=30,
).map(b"".join)


def lines_of(*chunks: bytes | str, line_bytes_max: int = LINE_BYTES_MAX) -> list[str]:
    lines = Lines(line_bytes_max)
    return [line for chunk in chunks for line in lines.feed(chunk)]


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (b"one\ntwo\r\nthree", ["one", "two"]),
        (b"10%\r20%\r30%\n", ["10%", "20%", "30%"]),
        (b"1/2\x08\x08\x08\r2/2\n", ["1/2", "2/2"]),
        (b"\x1b[1m3/4\x1b[0m \x1b[32mbar\x1b[0m\n", ["3/4 bar"]),
        (b"outer\n\rinner\x1b[A\x1b[2Kouter 2\n", ["outer", "inner", "outer 2"]),
        (b"\x1b]0;a title\x07words\n", ["0;a title", "words"]),
        ("450/1000 ━━━\n".encode(), ["450/1000 ━━━"]),
        (b"bad \xff\xfe utf-8\n", ["bad \ufffd\ufffd utf-8"]),
        (b"\n\n  \r \n", []),
    ],
)
def test_whatever_starts_a_line_anew_ends_the_one_before(output: bytes, lines: list[str]) -> None:
    assert lines_of(output) == lines


def test_text_is_taken_too_even_what_no_encoding_has() -> None:
    assert lines_of("né\n", "a\ud800b\n") == ["né", "a?b"]


def test_a_line_beyond_the_bound_is_dropped_whole_and_the_next_is_read() -> None:
    long = b"x" * (LINE_BYTES_MAX + 1)

    assert lines_of(long + b"\nnext\n") == ["next"]
    assert lines_of(long, b"y", b"\nnext\n") == ["next"]
    assert lines_of(b"x" * LINE_BYTES_MAX + b"\n") == ["x" * LINE_BYTES_MAX]


@given(output=PIECES, cuts=st.lists(st.integers(0, 200), max_size=20))
def test_it_does_not_matter_where_the_pieces_are_cut(output: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(output)) for cut in cuts} | {len(output)})
    chunks = [output[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    assert lines_of(*chunks, line_bytes_max=20) == lines_of(output, line_bytes_max=20)


@given(chunks=st.lists(PIECES, max_size=20))
def test_what_is_kept_between_pieces_is_bounded(chunks: list[bytes]) -> None:
    lines = Lines(line_bytes_max=16)
    for chunk in chunks:
        lines.feed(chunk * 3)
        assert len(lines._line) <= 16
        assert len(lines._escape) <= 30
