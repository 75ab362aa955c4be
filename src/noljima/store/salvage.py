"""What can still be believed of a damaged state: looked for row by row, and nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from noljima.runtime import snapshot
from noljima.runtime.snapshot import UnsavableError
from noljima.store import books, checking, database, vault
from noljima.store.books import Value
from noljima.store.chain import START, UNDECODABLE, Era, Head, Row, decode, link
from noljima.store.checking import ENGINE, EraAt
from noljima.store.faults import StateError
from noljima.store.folder import Folder

MENDED_BYTES_MAX: Final = 1 << 13
"""Rows up to this size are searched for a turned bit: 65,536 hashes, about a second."""

UNREADABLE: Final = (sqlite3.Error, OverflowError, StateError, *UNDECODABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Rows that follow each other, from a start that is known."""

    base: Head
    last: Row
    rows: int
    mended: dict[int, Row]
    """Rows in which a bit was turned back."""
    engine: bytes = b""
    """The engine's state after the base, where it is not the very beginning."""


class Damaged:
    """A look into a damaged state that goes on where a part of it cannot be read."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._path = folder.database
        self._connection = database.look(folder.database)
        self._connection.execute("BEGIN")
        self.version = checking.check_schema(self._connection, self._path)
        self.last_sequence = self._last_sequence()

    def close(self) -> None:
        """Let it go."""
        self._connection.close()

    def longest(self, anchored: Head | None) -> Run | None:
        """Return the rows that reach furthest: from the beginning, or from a kept state."""
        run = self._from_base()
        reached = 0 if run is None else run.last.sequence
        if reached < self.last_sequence:
            later = self._from_kept(reached, anchored)
            if later is not None:
                return later
        return run

    def rows(self, run: Run) -> Iterator[Row]:
        """Go through the rows of a run, mended where they were."""
        for sequence in range(run.base.sequence + 1, run.last.sequence + 1):
            row = run.mended.get(sequence) or self._row(sequence)
            assert row is not None, "it was read before"
            yield row

    def table(self, table: str) -> tuple[list[Sequence[Value]], int]:
        """Return the rows of a table whose seals are right, and how many are not to be had."""
        whole: list[Sequence[Value]] = []
        lost = 0
        try:
            found = self._connection.execute(f"SELECT * FROM {table} NOT INDEXED")  # noqa: S608
            for row in found:
                try:
                    books.unsealed(str(self._path), table, row)
                    whole.append(row)
                except UNREADABLE:
                    lost += 1
        except UNREADABLE:
            lost += 1
        return whole, lost

    def era(self) -> EraAt | None:
        """Return the era that the state says it is in; None where that cannot be read."""
        try:
            return checking.era_now(self._connection, self._path, self.version)
        except UNREADABLE:
            pass
        first = self._row(START.sequence + 1)
        try:
            entry = None if first is None else decode(first.payload)
        except UNDECODABLE:
            return None
        return EraAt(sequence=1, era=entry) if isinstance(entry, Era) else None

    def _from_base(self) -> Run | None:
        try:
            base = checking.base_of(self._connection, self._path)
        except UNREADABLE:
            base = START
        return self._follow(base)

    def _from_kept(self, reached: int, anchored: Head | None) -> Run | None:
        """Return the rows behind the kept state of the engine, where they reach further."""
        try:
            body = checking.item(self._connection, self._path, vault.SHELF, ENGINE)
            if body is None:
                return None
            kept = vault.read_kept(body)
            content = vault.fetch(self._folder, ENGINE, kept)
            snapshot.restore(content)
        except (*UNREADABLE, UnsavableError):
            return None
        at = self._row(kept.sequence)
        if at is None or at.sequence <= reached:
            return None
        run = self._follow(at.head)
        # Behind it at least one row, or the anchor, has to vouch for the hash that it begins with.
        if run is None or (run.rows == 0 and at.head != anchored):
            return None
        return Run(base=run.base, last=run.last, rows=run.rows, mended=run.mended, engine=content)

    def _follow(self, base: Head) -> Run | None:
        """Follow the chain as far as it goes."""
        before, last = base, self._row(base.sequence)
        mended: dict[int, Row] = {}
        for sequence in range(base.sequence + 1, self.last_sequence + 1):
            row = self._row(sequence)
            if row is not None and not row.follows(before):
                row = mend(before, row, self._row(sequence + 1))
                if row is not None:
                    mended[sequence] = row
            if row is None:
                break
            before, last = row.head, row
        if last is None:
            return None
        return Run(base=base, last=last, rows=before.sequence - base.sequence, mended=mended)

    def _row(self, sequence: int) -> Row | None:
        try:
            return database.row(self._connection, sequence)
        except UNREADABLE:
            return None

    def _last_sequence(self) -> int:
        try:
            question = "SELECT max(sequence) FROM journal"
            return int(self._connection.execute(question).fetchone()[0] or 0)
        except UNREADABLE:
            return 0


@contextmanager
def looked_into(folder: Folder) -> Iterator[Damaged]:
    """Look into a damaged state."""
    with database.readable(folder.database), closing(Damaged(folder)) as damaged:
        yield damaged


def mend(before: Head, row: Row, following: Row | None) -> Row | None:
    """Turn back the one bit by which a row differs from what was written; None where none fits."""
    if any(type(part) is not bytes for part in (row.total, row.hash, row.payload)):
        return None
    made = link(before.hash, row.sequence, row.total, row.payload)
    if following is not None and following.follows(Head(row.sequence, made)):
        return row._replace(hash=made)  # the bit is in the hash: the next row knows the right one
    if len(row.payload) > MENDED_BYTES_MAX:
        return None
    for total in _turned(row.total):
        if link(before.hash, row.sequence, total, row.payload) == row.hash:
            return row._replace(total=total)
    for payload in _turned(row.payload):
        if link(before.hash, row.sequence, row.total, payload) == row.hash:
            return row._replace(payload=payload)
    return None


def _turned(content: bytes) -> Iterator[bytes]:
    """Go through all contents that differ in one bit."""
    changed = bytearray(content)
    for number in range(len(changed)):
        for bit in range(8):
            changed[number] ^= 1 << bit
            yield bytes(changed)
            changed[number] ^= 1 << bit
