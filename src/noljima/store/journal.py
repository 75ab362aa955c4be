"""The event log: what happened and what was decided, one JSON line for each batch.

A journal is the whole input of an engine, so that it is enough to build an equal one and to check
that it decides the same. Lines are only ever added at the end: after a crash at most the last one
is torn, which a reader notices and tells. docs/journal.md describes the format.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from noljima import __version__
from noljima.model.commands import Command
from noljima.model.events import Event

FORMAT: Final = "noljima-journal"
VERSION: Final = 1
BYTES_MAX: Final = 1 << 36
"""What a reader unpacks at most: a gzip bomb ends in a sentence, not in an endless replay."""
LINE_BYTES_MAX: Final = 1 << 28
"""A batch that starts a gang of a million workers is about 40 MB long."""
_BLOCK_BYTES: Final = 1 << 16
_BUFFER_BYTES: Final = 1 << 18
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib's number for "a gzip header, and the largest window"
_GZIP_LEVEL: Final = 4
_SHOWN: Final = 60
_WORDS_MAX: Final = 300

# Not only msgspec's own errors: names of fields are decoded by other means, and nesting has an end.
_UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.Encoder().encode


class JournalError(Exception):
    """A journal that cannot be written or used; says which file, which line, and why."""

    def __init__(self, file: Path | str, words: str, *, line: int | None = None) -> None:
        where = str(file) if line is None else f"{file}, line {line}"
        # Words may quote the file, and nothing in it may give a terminal orders.
        words = "".join(c if c.isprintable() else "?" for c in words[:_WORDS_MAX])
        super().__init__(f"{where}: {words}")
        self.file = str(file)
        self.words = words
        self.line = line


class Header(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The first line."""

    format: str
    version: int
    noljima: str
    """The version that has written the journal."""
    engine: Mapping[str, object]
    """How the engine was built: what `noljima.app.EngineSpec` holds."""


class _Stamp(msgspec.Struct, kw_only=True):
    """What every version of the format can be recognised by."""

    format: str
    version: int


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every other line."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...]


class Batch(NamedTuple):
    """What happened in one moment and what was decided, with its line in the file."""

    line: int
    events: tuple[Event, ...]
    commands: tuple[Command, ...]


class JournalWriter:
    """A `Journal` in a file, compressed where its name ends in .gz; an old file is replaced.

    Batches gather in memory and go to the file as whole lines. With `durable`, `append` returns
    when the batch is on the disk, which blocks for as long as that takes.
    """

    def __init__(
        self, path: Path | str, engine: Mapping[str, object], *, durable: bool = False
    ) -> None:
        self._path = Path(path)
        self._durable = durable
        self._lines: list[bytes] = []
        self._buffered = 0
        self._broken = False
        packed = self._path.suffix == ".gz"
        # By zlib itself, whose header has no name and no time: equal journals are equal files.
        self._packer = (
            zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW) if packed else None
        )
        try:
            self._raw = self._path.open("wb", buffering=0)
        except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
            raise self._unwritable(error) from None
        header = Header(format=FORMAT, version=VERSION, noljima=__version__, engine=engine)
        self._add(_encode(header))
        try:
            self.flush()
        except JournalError:
            self._raw.close()
            raise

    def __enter__(self) -> Self:
        """Use the journal in a with statement, which closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write out what is left, whatever has happened."""
        self.close()

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Write the batch, whole or not at all."""
        self._add(_encode(_Line(events=tuple(events), commands=tuple(commands))))
        if self._durable or self._buffered > _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what has gathered to the system, and with `durable` see it onto the disk."""
        if self._broken:
            words = "holds half a line since a write failed; nothing is added to it any more"
            raise JournalError(self._path, words)
        block = b"".join(self._lines)
        self._lines.clear()
        self._buffered = 0
        if self._packer is not None:
            block = self._packer.compress(block)
            if self._durable:
                block += self._packer.flush(zlib.Z_SYNC_FLUSH)
        self._write(block)

    def close(self) -> None:
        """Write out what is left and close the file; a second time does nothing."""
        if self._raw.closed:
            return
        try:
            if not self._broken:
                self.flush()
                if self._packer is not None:
                    self._write(self._packer.flush())
        finally:
            self._raw.close()

    def _add(self, line: bytes) -> None:
        self._lines += (line, b"\n")
        self._buffered += len(line) + 1

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[self._raw.write(left) :]
            if self._durable:
                os.fsync(self._raw.fileno())
        except OSError as error:
            self._broken = True
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> JournalError:
        return JournalError(self._path, f"cannot be written ({_reason(error)})")


def read_journal(
    path: Path | str, *, bytes_max: int = BYTES_MAX, line_bytes_max: int = LINE_BYTES_MAX
) -> tuple[Header, Batches]:
    """Open a journal, plain or gzip; its batches are read while they are gone through."""
    file = Path(path)
    blocks = _Blocks(file, bytes_max)
    lines = _Lines(file, blocks, line_bytes_max)
    try:
        return _header(file, next(lines, None)), Batches(file, blocks, lines)
    except BaseException:
        blocks.close()
        raise


class Batches:
    """The batches of a journal in order; an iterator, used up when it ends."""

    def __init__(self, file: Path, blocks: _Blocks, lines: _Lines) -> None:
        self._file = file
        self._blocks = blocks
        self._lines = lines
        self._decoder = msgspec.json.Decoder(_Line)
        self._last_s = 0.0

    def __iter__(self) -> Self:
        """Go on where one has stopped."""
        return self

    def __next__(self) -> Batch:
        """Read the next batch; after a refusal there is none."""
        try:
            return self._batch(*next(self._lines))
        except JournalError:
            self.close()
            raise

    def _batch(self, line: int, words: bytes) -> Batch:
        try:
            decoded = self._decoder.decode(words)
        except _UNDECODABLE as error:
            raise JournalError(self._file, f"is no batch: {error}", line=line) from None
        # Almost always the bytes are our own, which saves going through all fields.
        if _encode(decoded) != words:
            self._refuse_unknown(line, words, decoded)
        self._check_times(line, decoded.events)
        return Batch(line, decoded.events, decoded.commands)

    @property
    def torn(self) -> str:
        """What is missing at the end, in words; known when the end is reached, mostly nothing."""
        return self._lines.torn or self._blocks.torn

    @property
    def bytes_total(self) -> int:
        """The size of the file, as it was when it was opened."""
        return self._blocks.bytes_total

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read."""
        return self._blocks.bytes_read

    def close(self) -> None:
        """Close the file before its end is reached."""
        self._blocks.close()

    def _refuse_unknown(self, line: int, words: bytes, decoded: _Line) -> None:
        try:
            name = next(unknown_fields(msgspec.json.decode(words), decoded), None)
        except UnicodeDecodeError:
            # In the name of a field that the line has no use for, nobody has looked at the bytes.
            raise JournalError(self._file, "has bytes that are no text", line=line) from None
        if name is not None:
            raise JournalError(self._file, f"has an unknown field {name}", line=line)

    def _check_times(self, line: int, events: Sequence[Event]) -> None:
        if not events:
            raise JournalError(self._file, "is no batch: it has no events", line=line)
        for event in events:
            if not self._last_s <= event.at_s < math.inf:
                words = f"time goes back from {self._last_s} to {event.at_s}"
                raise JournalError(self._file, words, line=line)
            self._last_s = event.at_s


def unknown_fields(raw: object, known: object, path: str = "") -> Iterator[str]:
    """Name the fields in raw JSON that the value decoded from it does not have.

    The model's nouns pass over what they do not know; a journal that holds more than is understood
    must not seem to replay well.
    """
    if isinstance(raw, dict) and isinstance(known, msgspec.Struct):
        tag = known.__struct_config__.tag_field
        for name, value in raw.items():
            if name in known.__struct_fields__:
                yield from unknown_fields(value, getattr(known, name), f"{path}.{name}")
            elif name != tag:
                yield f"{path}.{name}"
    elif isinstance(raw, list) and isinstance(known, tuple):
        for index, (one, other) in enumerate(zip(raw, known, strict=True)):
            yield from unknown_fields(one, other, f"{path}[{index}]")


def _header(file: Path, first: tuple[int, bytes] | None) -> Header:
    if first is None:
        raise JournalError(file, "is empty, or ends within its first line")
    line, words = first
    try:
        stamp = msgspec.json.decode(words, type=_Stamp)
    except _UNDECODABLE:
        shown = words[:_SHOWN].decode(errors="replace")
        raise JournalError(file, f"begins with {shown!r}, which is no journal's header") from None
    if stamp.format != FORMAT:
        raise JournalError(file, f"is of format {stamp.format[:_SHOWN]!r}, not {FORMAT!r}")
    if stamp.version != VERSION:
        words_ = f"is of version {stamp.version}; this program reads version {VERSION}"
        raise JournalError(file, words_)
    try:
        return msgspec.json.decode(words, type=Header)
    except _UNDECODABLE as error:
        raise JournalError(file, f"is no journal's header: {error}", line=line) from None


class _Lines:
    """Whole lines with their numbers; what follows the last line end is not one, but torn."""

    def __init__(self, file: Path, blocks: _Blocks, bytes_max: int) -> None:
        self._file = file
        self._blocks = blocks
        self._bytes_max = bytes_max
        self._number = 0
        self._ready: list[bytes] = []
        self._parts: list[bytes] = []
        self._length = 0
        self.torn = ""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, bytes]:
        while not self._ready:
            self._fill()
        self._number += 1
        return self._number, self._ready.pop()

    def _fill(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            if self._length:
                self.torn = f"line {self._number + 1} is torn: it has no end"
            raise StopIteration
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            self._ready = (b"".join(self._parts) + head).split(b"\n")[::-1]
            self._parts.clear()
            self._length = 0
        self._parts.append(tail)
        self._length += len(tail)
        if self._length > self._bytes_max:
            words = f"is longer than {self._bytes_max:,} bytes"
            raise JournalError(self._file, words, line=self._number + len(self._ready) + 1)


class _Blocks:
    """The bytes of a file in blocks, unpacked where it begins as gzip does, up to a limit.

    A gzip stream that ends too early is one that a crash has left: it ends here too, and `torn`
    says so.
    """

    def __init__(self, file: Path, bytes_max: int) -> None:
        self._file = file
        self._bytes_max = bytes_max
        self._bytes_left = bytes_max
        self.torn = ""
        self.bytes_read = 0
        try:
            self._raw = file.open("rb")
            self.bytes_total = os.fstat(self._raw.fileno()).st_size
            packed = self._raw.peek(2)[:2] == _GZIP_MAGIC
        except (OSError, ValueError) as error:
            raise JournalError(file, f"cannot be read ({_reason(error)})") from None
        self._blocks = self._unpacked() if packed else self._packed()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            block = next(self._blocks)
        except zlib.error:
            raise JournalError(self._file, "is a damaged gzip file") from None
        except OSError as error:
            raise JournalError(self._file, f"cannot be read ({_reason(error)})") from None
        except StopIteration:
            self.close()
            raise
        self._bytes_left -= len(block)
        if self._bytes_left < 0:
            words = f"holds more than {self._bytes_max:,} bytes of text"
            raise JournalError(self._file, words)
        return block

    def close(self) -> None:
        self._raw.close()

    def _packed(self) -> Iterator[bytes]:
        while block := self._raw.read(_BLOCK_BYTES):
            self.bytes_read += len(block)
            yield block

    def _unpacked(self) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_WINDOW)
        fresh = True
        for block in self._packed():
            left = block
            while left:
                # At most so much at a time: a small block may unpack to a thousand times its size.
                yield member.decompress(left, _BLOCK_BYTES)
                left, fresh = member.unconsumed_tail, False
                if member.eof:
                    left, fresh = member.unused_data, True
                    member = zlib.decompressobj(_GZIP_WINDOW)
        yield member.flush()
        if not fresh:
            self.torn = "the file ends before its gzip stream does"


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
