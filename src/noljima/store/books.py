"""The tables beside the journal, and what they add up to.

Each row ends with a seal, a hash of the rest of it. The sum of all seals is a part of every row of
the journal: a row of a table that was lost, added or changed makes a sum that no chain vouches for,
and to keep the sum costs one addition, however long the tables are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, assert_never

import msgspec

from noljima.store import schema
from noljima.store.chain import SUM_BYTES
from noljima.store.faults import damaged
from noljima.store.notices import ERROR_CHARACTERS_MAX, Notice, Sending, after
from noljima.store.writes import (
    AddNotice,
    DropItem,
    DropNotices,
    NoticeTried,
    PutItem,
    PutRecord,
    Write,
)

Value = str | bytes | int | float | None
_NUMBER_BITS: Final = 20
"""So many notices fit into one row of the journal before their numbers reach into the next."""
_MODULUS: Final = 1 << (8 * SUM_BYTES)
_encode: Final = msgspec.json.Encoder().encode
_pack: Final = msgspec.msgpack.Encoder().encode
_notice: Final[msgspec.json.Decoder[Notice]] = msgspec.json.Decoder(Notice)


def seal(table: str, values: Sequence[Value]) -> bytes:
    """Return the hash of a row of a table."""
    return sha256(_pack((table, values))).digest()[:SUM_BYTES]


def unsealed(file: str, table: str, row: Sequence[Value]) -> Sequence[Value]:
    """Return what a row holds, or refuse it where it is not as it was written."""
    if row[-1] != seal(table, row[:-1]):
        raise damaged(file, f"a row of table {table} is not as it was written")
    return row[:-1]


class Books:
    """Changes the tables, and keeps their sum."""

    def __init__(self, connection: sqlite3.Connection, total: bytes = bytes(SUM_BYTES)) -> None:
        self._connection = connection
        self._total = int.from_bytes(total)

    @property
    def total(self) -> bytes:
        """What all seals add up to."""
        return self._total.to_bytes(SUM_BYTES)

    def forget(self, total: bytes) -> None:
        """Go back to an earlier sum, after the tables were rolled back."""
        self._total = int.from_bytes(total)

    def apply(self, sequence: int, write: Write) -> None:
        """Change the tables as the row of the journal with this number says."""
        match write:
            case PutItem(shelf, key, body):
                self._drop("items", "shelf = ? AND key = ?", (shelf, key))
                self._add("items", (shelf, key, body))
            case DropItem(shelf, key):
                self._drop("items", "shelf = ? AND key = ?", (shelf, key))
            case PutRecord(record):
                number = self._number("records", "job", record.job)
                self._drop("records", "number = ?", (number,))
                ended_s = None if record.ended_s is None else float(record.ended_s)
                row = (number, record.job, record.user, record.state, ended_s, _encode(record))
                self._add("records", row)
            case AddNotice(notice):
                self._add_notice(sequence, notice)
            case NoticeTried():
                self._tried(write)
            case DropNotices(before_s):
                where, values = "sending != ? AND due_s < ?", (Sending.PENDING.value, before_s)
                self._drop("outbox", where, values)
            case _:
                assert_never(write)

    def _add_notice(self, sequence: int, notice: Notice) -> None:
        known = "SELECT 1 FROM outbox WHERE key = ?"
        if self._connection.execute(known, (notice.key,)).fetchone() is not None:
            return
        # Above all that was ever there, also where the last ones were dropped.
        number = max(self._number("outbox", "key", notice.key), sequence << _NUMBER_BITS)
        sending, due_s = Sending.PENDING.value, float(notice.due_s)
        body = _encode(notice)
        self._add("outbox", (number, notice.key, sequence, sending, due_s, 0, "", body))

    def _tried(self, tried: NoticeTried) -> None:
        columns = "number, sequence, sending, attempts, body"
        question = f"SELECT {columns} FROM outbox WHERE key = ?"  # noqa: S608 - our own words
        row = self._connection.execute(question, (tried.key,)).fetchone()
        if row is None or row[2] != Sending.PENDING.value:
            return  # Sent already: whoever sends has told twice.
        number, sequence, _, attempts, body = row
        error = tried.error[:ERROR_CHARACTERS_MAX]
        sending, due_s = after(attempts + 1, float(tried.at_s), error)
        self._drop("outbox", "number = ?", (number,))
        row = (number, tried.key, sequence, sending.value, due_s, attempts + 1, error, body)
        self._add("outbox", row)

    def _number(self, table: str, column: str, value: str) -> int:
        """Return the number of the row with this value, or the next that is free."""
        question = f"SELECT number FROM {table} WHERE {column} = ?"  # noqa: S608 - our own words
        row = self._connection.execute(question, (value,)).fetchone()
        if row is None:
            last = f"SELECT coalesce(max(number), 0) + 1 FROM {table}"  # noqa: S608
            row = self._connection.execute(last).fetchone()
        number: int = row[0]
        return number

    def _add(self, table: str, values: Sequence[Value]) -> None:
        sealed = seal(table, values)
        marks = ", ".join("?" * (len(values) + 1))
        statement = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 - our own words
        self._connection.execute(statement, (*values, sealed))
        self._total = (self._total + int.from_bytes(sealed)) % _MODULUS

    def _drop(self, table: str, where: str, values: Sequence[Value]) -> None:
        question = f"SELECT seal FROM {table} WHERE {where}"  # noqa: S608 - our own words
        found = self._connection.execute(question, values).fetchall()
        if found:
            self._connection.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608
        for (sealed,) in found:
            self._total = (self._total - int.from_bytes(sealed)) % _MODULUS


def sealed_rows(connection: sqlite3.Connection, file: str, table: str) -> Iterator[Sequence[Value]]:
    """Go through the rows of a table, each with its seal checked."""
    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own words
        unsealed(file, table, row)
        yield row


def add_up(connection: sqlite3.Connection, file: str, version: int) -> bytes:
    """Add up the tables anew, seal by seal."""
    total = 0
    for table in schema.summed(version):
        for row in sealed_rows(connection, file, table):
            sealed = row[-1]
            assert isinstance(sealed, bytes)
            total += int.from_bytes(sealed)
    return (total % _MODULUS).to_bytes(SUM_BYTES)


def read_notice(body: bytes) -> Notice:
    """Read a notice as it is kept in the outbox."""
    return _notice.decode(body)
