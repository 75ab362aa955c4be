"""What lies where in the folder of a state, and writing files that survive a crash whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noljima.store.faults import Fault, StateError

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Folder:
    """The places of a state; `anchors` may be on another disk than the rest."""

    root: Path
    anchors: Path

    @property
    def database(self) -> Path:
        """The journal and the tables beside it."""
        return self.root / "noljima.db"

    @property
    def wal(self) -> Path:
        """What SQLite has written but not yet moved into the database."""
        return self.root / "noljima.db-wal"

    @property
    def draft(self) -> Path:
        """A database that is being made."""
        return self.root / "noljima.db.new"

    @property
    def plan(self) -> Path:
        """How a recovery that has begun is to be finished."""
        return self.root / "recovery"

    @property
    def anchor(self) -> Path:
        """The last row, written a second time."""
        return self.anchors / "anchor"

    @property
    def lock(self) -> Path:
        """Who uses the state."""
        return self.root / "lock"

    @property
    def reserve(self) -> Path:
        """Space that is given up when the disk is full."""
        return self.root / "reserve"

    @property
    def vault(self) -> Path:
        """What is too large for a row."""
        return self.root / "kept"


def folder_of(state: Path | str, anchors: Path | str | None = None) -> Folder:
    """Return the places of a state; the anchor is in the same folder unless said otherwise."""
    root = Path(state)
    return Folder(root, root if anchors is None else Path(anchors))


def database_files(database: Path) -> tuple[Path, ...]:
    """Return a database with the files that SQLite keeps beside it."""
    return tuple(database.with_name(database.name + end) for end in ("", "-wal", "-shm"))


def sync_folder(folder: Path) -> None:
    """See the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that after a crash there is the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
        sync_folder(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def told(path: Path, doing: str) -> Iterator[None]:
    """Turn what the system refuses into the refusal of a state."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        no_room = isinstance(error, OSError) and error.errno in _NO_ROOM
        fault = Fault.FULL if no_room else Fault.MISSING
        raise StateError(fault, path, f"cannot be {doing} ({reason})") from None
