"""Opening other people's files: what is read, and what is refused in one sentence."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.workload import files
from noljima.workload.files import TraceError, numbered_lines, open_text

WriteFile = Callable[..., Path]


def read(path: Path, **options: int) -> str:
    with open_text(path, **options) as text:  # type: ignore[arg-type]  # only bytes_max is given
        return text.read()


def test_a_plain_file_is_read_as_it_is(write_file: WriteFile) -> None:
    assert read(write_file("one\ntwo\n")) == "one\ntwo\n"


def test_gzip_is_known_by_its_content_whatever_the_name(write_file: WriteFile) -> None:
    assert read(write_file(gzip.compress(b"packed"), ".txt")) == "packed"
    assert read(write_file("not packed", ".gz")) == "not packed"


def test_a_gzip_file_of_several_parts_is_read_whole(write_file: WriteFile) -> None:
    assert read(write_file(gzip.compress(b"one ") + gzip.compress(b"two"))) == "one two"


def test_a_byte_order_mark_is_no_part_of_the_text(write_file: WriteFile) -> None:
    assert read(write_file("\ufeffname,cpu\n")) == "name,cpu\n"


def test_lines_of_other_systems_end_like_ours(write_file: WriteFile) -> None:
    path = write_file(b"one\r\ntwo\rthree")

    with open_text(path) as text:
        assert list(numbered_lines(text, path)) == [(1, "one"), (2, "two"), (3, "three")]


def test_an_empty_file_is_empty_text(write_file: WriteFile) -> None:
    assert read(write_file("")) == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nowhere\.swf: does not exist$"):
        read(tmp_path / "nowhere.swf")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"is a directory, not a file$"):
        read(tmp_path)


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(TraceError, match="cannot be opened"):
        read(Path("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_refused(write_file: WriteFile) -> None:
    path = write_file("secret", ".secret")
    path.chmod(0)

    with pytest.raises(TraceError, match=r"may not be read \(permission denied\)$"):
        read(path)


def test_a_truncated_gzip_file_is_refused(write_file: WriteFile) -> None:
    whole = gzip.compress(os.urandom(5000).hex().encode())

    with pytest.raises(TraceError, match=r"is a gzip file that ends too early$"):
        read(write_file(whole[:-20]))


def test_a_damaged_gzip_file_is_refused(write_file: WriteFile) -> None:
    broken = bytearray(gzip.compress(b"some text " * 1000))
    broken[20:40] = bytes(20)

    with pytest.raises(TraceError, match=r"is a damaged gzip file$"):
        read(write_file(bytes(broken)))


@pytest.mark.parametrize("content", [b"\x89PNG\0\0", b"a" * 100 + b"\0"])
def test_a_binary_file_is_not_text(write_file: WriteFile, content: bytes) -> None:
    with pytest.raises(TraceError, match=r"is not a text file$"):
        read(write_file(content))


def test_another_encoding_is_refused_or_replaced_as_asked(write_file: WriteFile) -> None:
    path = write_file("; by J\u00f6rg\n".encode("latin-1"))

    with pytest.raises(TraceError, match=r"is not a text file in UTF-8$"):
        read(path)
    with open_text(path, errors="replace") as text:
        assert text.read() == "; by J\ufffdrg\n"


def test_a_file_may_be_as_long_as_the_limit_and_no_longer(write_file: WriteFile) -> None:
    path = write_file("x" * 1000)

    assert len(read(path, bytes_max=1000)) == 1000
    with pytest.raises(TraceError, match=r"holds more than 999 bytes of text$"):
        read(path, bytes_max=999)


def test_a_gzip_bomb_is_stopped_at_the_limit(write_file: WriteFile) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)

    with pytest.raises(TraceError, match=r"holds more than 1,000,000 bytes of text$"):
        read(write_file(bomb), bytes_max=1_000_000)


def test_an_endless_line_is_refused_with_its_number(write_file: WriteFile) -> None:
    path = write_file("short\n" + "x" * (files.LINE_CHARACTERS_MAX + 1))

    with (
        pytest.raises(TraceError, match=r", line 2: is longer than") as caught,
        open_text(path) as text,
    ):
        list(numbered_lines(text, path))

    assert caught.value.line == 2


def test_an_error_of_the_reader_itself_passes_unchanged(write_file: WriteFile) -> None:
    with pytest.raises(ZeroDivisionError), open_text(write_file("text")):
        raise ZeroDivisionError


plain = st.binary(max_size=300)
packed = plain.map(lambda content: gzip.compress(content, mtime=0))


@given(content=plain | packed, cut=st.integers(0, 30))
def test_any_file_is_read_or_refused_by_name(
    write_file: WriteFile, content: bytes, cut: int
) -> None:
    path = write_file(content[: max(len(content) - cut, 0)])

    try:
        read(path)
    except TraceError as error:
        refused = error
    else:
        return
    assert str(refused).startswith(str(path))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=200))
def test_text_comes_back_as_it_went_in(write_file: WriteFile, content: str) -> None:
    expected = content.removeprefix("\ufeff")

    assert read(write_file(gzip.compress(content.encode()))) == expected
