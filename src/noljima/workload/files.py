"""Text from files that people hand over: plain or gzip, of bounded size, with errors in words.

A trace is somebody else's file. A gzip bomb, a truncated download or an image with the wrong name
must end in one sentence that names the file, never in a full memory or a traceback.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TextIO

TEXT_BYTES_MAX: Final = 1 << 30
LINE_CHARACTERS_MAX: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOCK_BYTES: Final = 1 << 16


class TraceError(Exception):
    """A file that cannot be used as a trace; says which file, which line if one, and why."""

    def __init__(self, file: Path | str, words: str, *, line: int | None = None) -> None:
        where = str(file) if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {words}")
        self.file = str(file)
        self.words = words
        self.line = line


@contextmanager
def open_text(
    path: Path | str,
    *,
    bytes_max: int = TEXT_BYTES_MAX,
    errors: Literal["strict", "replace"] = "strict",
) -> Iterator[TextIO]:
    """Open a plain or gzip file as UTF-8 text of at most `bytes_max` bytes.

    Whether it is gzip is read from its first bytes. `errors="replace"` suits formats whose
    comments are in older encodings while their data is plain ASCII.
    """
    file = Path(path)
    with _opened(file) as raw:
        reader = io.BufferedReader(_Bounded(raw, file, bytes_max), _BLOCK_BYTES)
        # A NUL is no text in any encoding, and every binary format has one early.
        if b"\x00" in reader.peek(_BLOCK_BYTES):
            raise TraceError(file, "is not a text file")
        with io.TextIOWrapper(reader, encoding="utf-8-sig", errors=errors) as text:
            try:
                yield text
            except UnicodeDecodeError:
                raise TraceError(file, "is not a text file in UTF-8") from None


def numbered_lines(text: TextIO, path: Path | str) -> Iterator[tuple[int, str]]:
    """Give the lines with their numbers, from 1, without the line end; refuse endless lines."""
    number = 0
    while line := text.readline(LINE_CHARACTERS_MAX + 1):
        number += 1
        if len(line) > LINE_CHARACTERS_MAX:
            words = f"is longer than {LINE_CHARACTERS_MAX:,} characters"
            raise TraceError(path, words, line=number)
        yield number, line.removesuffix("\n")


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedIOBase]:
    """Open the file's bytes, decompressed where they begin as gzip does."""
    with _open_bytes(file) as raw:
        if _peek(raw, file) != _GZIP_MAGIC:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
            yield unpacked


def _open_bytes(file: Path) -> io.BufferedReader:
    try:
        return file.open("rb")
    except FileNotFoundError:
        raise TraceError(file, "does not exist") from None
    except IsADirectoryError:
        raise TraceError(file, "is a directory, not a file") from None
    except PermissionError:
        raise TraceError(file, "may not be read (permission denied)") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        raise TraceError(file, f"cannot be opened ({_reason(error)})") from None


def _peek(raw: io.BufferedReader, file: Path) -> bytes:
    try:
        return raw.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)]
    except OSError as error:
        raise TraceError(file, f"cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


class _Bounded(io.RawIOBase):
    """Passes bytes on up to a limit, and says in words what goes wrong below it."""

    def __init__(self, source: io.BufferedIOBase, file: Path, bytes_max: int) -> None:
        super().__init__()
        self._source = source
        self._file = file
        self._bytes_max = bytes_max
        self._bytes_left = bytes_max

    def readable(self) -> bool:
        """Say that this can be read; `BufferedReader` asks."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as BufferedReader calls it
        """Fill the buffer from the source; one byte too many refuses the file."""
        block = self._read(len(buffer))
        if len(block) > self._bytes_left:
            words = f"holds more than {self._bytes_max:,} bytes of text"
            raise TraceError(self._file, words)
        self._bytes_left -= len(block)
        buffer[: len(block)] = block
        return len(block)

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except EOFError:
            raise TraceError(self._file, "is a gzip file that ends too early") from None
        except (gzip.BadGzipFile, zlib.error):
            raise TraceError(self._file, "is a damaged gzip file") from None
        except OSError as error:
            raise TraceError(self._file, f"cannot be read ({_reason(error)})") from None
