"""Reading what a worker wrote: any part of it that was kept, by its place in the whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"worker-(\d{1,7})\.(\d{1,20})\.log")


class Part(NamedTuple):
    """A file that holds a part of a log."""

    worker: int
    start: int
    end: int
    path: Path


class Piece(NamedTuple):
    """A part of a log as it was read."""

    start: int
    """Its place in the whole; where it is beyond what was asked for, the bytes between are gone."""
    text: bytes

    @property
    def end(self) -> int:
        """Where to read on."""
        return self.start + len(self.text)


def parts(folder: Path, worker: int | None = None) -> list[Part]:
    """Return the files of one worker's log, or of all, in the order that they were written in."""
    found = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match is None or (worker is not None and int(match[1]) != worker):
            continue
        try:
            size = entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
        start = int(match[2])
        found.append(Part(int(match[1]), start, start + size, Path(entry.path)))
    return sorted(found)


def length(folder: Path, worker: int) -> int:
    """Return how many bytes a worker has written, kept or not."""
    return max((part.end for part in parts(folder, worker)), default=0)


def read(folder: Path, worker: int, start: int = 0, size: int = 1 << 16) -> Piece:
    """Read from a place on, at most `size` bytes of one file; empty where nothing came since.

    Where that place is not kept any more, what comes after the gap is read: `Piece.start` says so.
    """
    for part in parts(folder, worker):
        if part.end <= start:
            continue
        begin = max(part.start, start)
        try:
            with part.path.open("rb") as file:
                file.seek(begin - part.start)
                return Piece(begin, file.read(size))
        except OSError:
            continue  # Turned over since it was listed.
    return Piece(start, b"")
