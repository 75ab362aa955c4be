"""Opening the database, so that looking at it changes nothing and a commit is on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from noljima.store import schema
from noljima.store.chain import UNDECODABLE, Row
from noljima.store.faults import Fault, StateError, damaged

WAIT_S: Final = 10.0
"""How long to wait for another process that looks at the state in an awkward moment."""

NO_ROOM: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
)
"""What SQLite says when a disk, a quota or a limit is full; nothing was committed then."""


def look(path: Path) -> sqlite3.Connection:
    """Open a database to read only: what is damaged stays as it is, to be looked into."""
    connection = _connect(path, "ro")
    connection.execute("PRAGMA query_only = ON")
    return connection


def own(path: Path) -> sqlite3.Connection:
    """Open a database to write, each commit synced; its log is moved in by `checkpoint` alone."""
    connection = _connect(path, "rw")
    return _durable(connection, path)


def make(path: Path) -> sqlite3.Connection:
    """Create an empty database."""
    connection = _connect(path, "rwc")
    connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    return _durable(connection, path)


def checkpoint(connection: sqlite3.Connection, mode: str) -> None:
    """Move the log into the database, as far as no reader is in the way."""
    connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever reading stumbles over into the refusal of a damaged state."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StateError(Fault.IN_USE, path, f"cannot be read now ({error})") from None
        if error.sqlite_errorcode in NO_ROOM:
            words = f"cannot be opened: its disk is full ({error})"
            raise StateError(Fault.FULL, path, words, "make room on its disk") from None
        raise damaged(path, f"cannot be read ({error})") from None
    except (sqlite3.Error, OverflowError, *UNDECODABLE) as error:
        raise damaged(path, f"cannot be read ({error})") from None


def rows(connection: sqlite3.Connection, after: int) -> Iterator[Row]:
    """Go through the journal behind a row, as it stands there."""
    columns = "sequence, total, hash, payload"
    question = f"SELECT {columns} FROM journal WHERE sequence > ? ORDER BY sequence"  # noqa: S608
    return (Row(*row) for row in connection.execute(question, (after,)))


def row(connection: sqlite3.Connection, sequence: int) -> Row | None:
    """Return one row of the journal as it stands there."""
    columns = "sequence, total, hash, payload"
    question = f"SELECT {columns} FROM journal WHERE sequence = ?"  # noqa: S608 - our own words
    found = connection.execute(question, (sequence,)).fetchone()
    return None if found is None else Row(*found)


def add_row(connection: sqlite3.Connection, row: Row) -> None:
    """Add a row to the journal; the transaction is the caller's."""
    connection.execute(
        "INSERT INTO journal (sequence, total, hash, payload) VALUES (?, ?, ?, ?)",
        (row.sequence, row.total, row.hash, row.payload),
    )


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many steps have made the tables."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    # One thread at a time uses it, though not always the same.
    connection = sqlite3.connect(
        address, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    return connection


def _durable(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    synced = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, synced) != ("wal", 2):
        connection.close()
        words = f"cannot be used safely (journal mode {mode}, synchronous {synced})"
        raise StateError(Fault.BROKEN, path, words, "a state must be on a local disk")
    return connection
