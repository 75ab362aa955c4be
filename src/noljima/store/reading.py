"""Reading a state: by its owner, or by anybody else while the owner writes.

A reader sees one moment: what is committed while it reads does not disturb it. Whatever it returns
was compared with its hash or seal first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from noljima.store import books, checking, database, vault
from noljima.store.books import Value, unsealed
from noljima.store.chain import Batch, Era, Head, Row, decode, encode
from noljima.store.checking import EraAt
from noljima.store.faults import damaged
from noljima.store.folder import Folder
from noljima.store.journal import Batch as Recorded
from noljima.store.journal import unknown_fields
from noljima.store.notices import Outgoing, Sending
from noljima.store.records import JobRecord
from noljima.store.vault import Kept

_LIMIT: Final = 1000
_record: Final[msgspec.json.Decoder[JobRecord]] = msgspec.json.Decoder(JobRecord)


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which records are wanted; the newest come first."""

    user: str | None = None
    state: str | None = None
    since_s: float | None = None
    """Those that had not ended before."""
    before: int | None = None
    """Those with a smaller number: to go on behind the last of the page before."""
    limit: int = 100


class Numbered(NamedTuple):
    """A record with its number, which is the order of submission."""

    number: int
    record: JobRecord


class Reader:
    """A look at a state. Several threads may use it, one after the other."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.database
        self._lock = threading.Lock()
        with database.readable(self._path):
            self._connection = database.look(self._path)

    def __enter__(self) -> Self:
        """Use the reader in a with statement, which closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let the database go."""
        with self._lock:
            self._connection.close()

    # --- Records ---

    def records(self, question: Question | None = None) -> list[Numbered]:
        """Return the records that are asked for, the newest submission first."""
        question = question or Question()
        conditions = {
            "user = ?": question.user,
            "state = ?": question.state,
            "(ended_s IS NULL OR ended_s >= ?)": question.since_s,
            "number < ?": question.before,
        }
        asked = {words: value for words, value in conditions.items() if value is not None}
        where = " AND ".join(asked) or "1"
        statement = f"SELECT * FROM records WHERE {where} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return self._records(statement, (*asked.values(), question.limit))

    def record(self, job: str) -> JobRecord | None:
        """Return the record of one job."""
        found = self._records("SELECT * FROM records WHERE job = ?", (job,))
        return found[0].record if found else None

    def unended(self) -> list[JobRecord]:
        """Return the records of all jobs that have not ended, in the order of submission."""
        statement = "SELECT * FROM records WHERE ended_s IS NULL ORDER BY number"
        return [found.record for found in self._records(statement, ())]

    def _records(self, statement: str, values: Sequence[Value]) -> list[Numbered]:
        return [
            Numbered(_whole(row[0]), _record.decode(_bytes(row[-1])))
            for row in self._rows("records", statement, values)
        ]

    # --- The outbox ---

    def due(self, now_s: float, limit: int = _LIMIT) -> list[Outgoing]:
        """Return the notices that are to be sent now, the longest due first."""
        statement = "SELECT * FROM outbox WHERE sending = ? AND due_s <= ? ORDER BY due_s, number"
        values = (Sending.PENDING.value, now_s, limit)
        return [_outgoing(row) for row in self._rows("outbox", statement + " LIMIT ?", values)]

    def next_due_s(self) -> float | None:
        """Return when the next notice is due; None where none waits."""
        statement = "SELECT * FROM outbox WHERE sending = ? ORDER BY due_s LIMIT 1"
        rows = self._rows("outbox", statement, (Sending.PENDING.value,))
        return _outgoing(rows[0]).due_s if rows else None

    def pending(self) -> int:
        """Return how many notices wait to be sent."""
        statement = "SELECT COUNT(*) FROM outbox WHERE sending = ?"
        with self._lock, database.readable(self._path):
            (count,) = self._connection.execute(statement, (Sending.PENDING.value,)).fetchone()
        return int(count)

    def outbox(self, after: int = 0, limit: int = _LIMIT) -> list[Outgoing]:
        """Return the notices behind a number, whatever became of them, in the order written."""
        statement = "SELECT * FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        return [_outgoing(row) for row in self._rows("outbox", statement, (after, limit))]

    # --- What is kept by name ---

    def item(self, shelf: str, key: str) -> bytes | None:
        """Return what is kept under a name on a shelf."""
        statement = "SELECT * FROM items WHERE shelf = ? AND key = ?"
        rows = self._rows("items", statement, (shelf, key))
        return _bytes(rows[0][-1]) if rows else None

    def items(self, shelf: str) -> dict[str, bytes]:
        """Return all that is kept on a shelf, by name."""
        rows = self._rows("items", "SELECT * FROM items WHERE shelf = ?", (shelf,))
        return {str(row[1]): _bytes(row[-1]) for row in rows}

    def kept(self, name: str) -> Kept | None:
        """Return what the journal knows of a large content."""
        body = self.item(vault.SHELF, name)
        return None if body is None else vault.read_kept(body)

    def all_kept(self) -> dict[str, Kept]:
        """Return what the journal knows of all large contents, by name."""
        return {key: vault.read_kept(body) for key, body in self.items(vault.SHELF).items()}

    # --- The journal ---

    def base(self) -> Head:
        """Return where the journal begins."""
        with self._lock, database.readable(self._path):
            return checking.base_of(self._connection, self._path)

    def head(self, sequence: int) -> Head | None:
        """Return a row of the journal by its number and hash, as it stands there."""
        with self._lock, database.readable(self._path):
            found = database.row(self._connection, sequence)
        return None if found is None else found.head

    def batches(self, after: Head) -> Iterator[Recorded]:
        """Go through the batches behind a row of an era; each is verified before it is given out.

        The iteration ends where another era begins. It reads by a connection of its own.
        """
        with closing(database.look(self._path)) as connection:
            for row in self._followed(connection, after):
                entry = read_entry(self._path.name, row)
                if isinstance(entry, Era):
                    return
                if isinstance(entry, Batch):
                    yield Recorded(row.sequence, entry.events, entry.commands)

    def eras(self) -> list[EraAt]:
        """Return all eras of the journal in order; every row is verified for it."""
        found: list[EraAt] = []
        with closing(database.look(self._path)) as connection:
            base = checking.base_of(connection, self._path)
            for row in self._followed(connection, base):
                if row.payload.startswith(_ERA_BEGINS):
                    entry = read_entry(self._path.name, row)
                    assert isinstance(entry, Era)
                    found.append(EraAt(sequence=row.sequence, era=entry))
        return found

    def _followed(self, connection: sqlite3.Connection, after: Head) -> Iterator[Row]:
        with database.readable(self._path):
            connection.execute("BEGIN")
            yield from checking.follow(connection, self._path, after)

    def _rows(self, table: str, statement: str, values: Sequence[Value]) -> list[Sequence[Value]]:
        """Ask, and return what the rows hold once their seals were compared."""
        with self._lock, database.readable(self._path):
            rows = self._connection.execute(statement, values).fetchall()
            return [unsealed(str(self._path), table, row) for row in rows]


_ERA_BEGINS: Final = b'{"kind":"Era"'


def read_entry(file: str, row: Row) -> Batch | Era | object:
    """Read what a row holds, and refuse what this program does not know of."""
    entry = decode(row.payload)
    # Almost always the bytes are our own, which saves going through all fields.
    if encode(entry) != row.payload:
        name = next(unknown_fields(msgspec.json.decode(row.payload), entry), None)
        if name is not None:
            raise damaged(file, f"has an unknown field {name} in row {row.sequence:,}")
    return entry


def _outgoing(row: Sequence[Value]) -> Outgoing:
    number, _, sequence, sending, due_s, attempts, error, body = row
    return Outgoing(
        number=_whole(number),
        sequence=_whole(sequence),
        sending=Sending(str(sending)),
        due_s=float(due_s or 0.0),
        attempts=_whole(attempts),
        error=str(error),
        notice=books.read_notice(_bytes(body)),
    )


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: Value) -> bytes:
    assert isinstance(value, bytes)
    return value
