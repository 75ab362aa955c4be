"""Is it all there, and is it what was written? Asked before anything is believed.

Nothing is changed by asking: a state that is refused is left as it is, for `recovery`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from noljima.store import books, database, schema, vault
from noljima.store.anchor import Anchored, read_anchor
from noljima.store.chain import START, Era, Head, Row, decode
from noljima.store.faults import Fault, StateError, damaged
from noljima.store.folder import Folder

WHOLE_BYTES_MAX: Final = 256 << 20
"""Up to this size SQLite's own check goes over every page at each start: about half a second."""
ENGINE: Final = "engine"
"""The name under which the engine's state is kept."""
_ERA_SHELF: Final = "era"
_ERA_KEY: Final = "now"


class EraAt(msgspec.Struct, frozen=True, kw_only=True):
    """An era with the row that begins it."""

    sequence: int
    era: Era


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a state turned out to be."""

    version: int
    head: Head
    total: bytes
    base: Head
    """Where its chain begins; not at the beginning once it was recovered behind a damage."""
    now: EraAt
    anchored: Anchored
    verified: int
    """How many rows were read and found to follow each other."""
    full: bool
    """Whether every row and every page was looked at."""
    notes: tuple[str, ...] = ()
    """What was found and does no harm."""


def check(folder: Folder, *, full: bool = False) -> Checked:
    """Verify a state, or say in words what is wrong with it.

    All rows are verified when `full` or when no engine state is kept; otherwise those behind the
    kept one, whose chain leads to the anchor and so vouches for the kept one's own hash.
    """
    _all_there(folder)
    anchored = read_anchor(folder.anchor)
    path = folder.database
    with database.readable(path), closing(database.look(path)) as connection:
        connection.execute("BEGIN")
        return _checked(connection, path, anchored, full=full)


def _all_there(folder: Folder) -> None:
    """Refuse a folder with half a state in it, which is worse than none."""
    if folder.database.exists():
        return
    if not folder.anchor.exists():
        words = "holds no state"
        raise StateError(Fault.MISSING, folder.root, words, "a new one has to be asked for")
    raise StateError(
        Fault.MISSING,
        folder.database,
        "is missing, and the anchor says that there was one",
        "put it back; only if it is lost for good, move the anchor away and begin anew",
    )


def _checked(
    connection: sqlite3.Connection, path: Path, anchored: Anchored, *, full: bool
) -> Checked:
    version = check_schema(connection, path)
    _check_pages(connection, path, version, full=full)
    base = base_of(connection, path)
    now = era_now(connection, path, version)
    if now.era.state != anchored.state:
        raise damaged(path, "and its anchor belong to different states")
    start = base if full else _trusted(connection, path, version, base, anchored.head)
    last = _last(connection, path, start, anchored.head)
    if last.total != books.add_up(connection, str(path), version):
        raise damaged(path, "holds tables that are not what its journal says")
    if full:
        _check_details(connection, path, now)
    return Checked(
        version=version,
        head=last.head,
        total=last.total,
        base=base,
        now=now,
        anchored=anchored,
        verified=last.sequence - start.sequence,
        full=full,
        notes=(anchored.words,) if anchored.words else (),
    )


def check_schema(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, and refuse those that no version has."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION:
        raise damaged(path, "is no state of Noljima, or its header is damaged")
    version = database.version_of(connection)
    if version > schema.VERSION:
        words = f"has schema version {version}; this program knows up to {schema.VERSION}"
        raise StateError(Fault.VERSION, path, words, "use the program that has written it")
    if version < 1 or schema.described(connection) != schema.expected(version):
        raise damaged(path, f"does not have the tables of schema version {version}")
    return version


def _check_pages(connection: sqlite3.Connection, path: Path, version: int, *, full: bool) -> None:
    """Have SQLite look at its pages: an index that leads elsewhere is found by nothing else."""
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
        raise damaged(path, "has a damaged header")
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    if full or pages * schema.PAGE_BYTES <= WHOLE_BYTES_MAX:
        questions = ["PRAGMA integrity_check(1)"]
    else:
        questions = [f"PRAGMA integrity_check({table})" for table in schema.summed(version)]
    for question in questions:
        words: str = connection.execute(question).fetchone()[0]
        if words != "ok":
            raise damaged(path, words.replace("\n", " "))


def base_of(connection: sqlite3.Connection, path: Path) -> Head:
    """Return where the chain begins."""
    found = connection.execute("SELECT * FROM base").fetchall()
    if len(found) != 1:
        raise damaged(path, "does not say where its journal begins")
    _, sequence, digest = books.unsealed(str(path), "base", found[0])
    assert isinstance(sequence, int)
    assert isinstance(digest, bytes)
    return Head(sequence, digest)


def era_now(connection: sqlite3.Connection, path: Path, version: int) -> EraAt:
    """Return the era that the state is in."""
    if "items" in schema.summed(version):
        body = item(connection, path, _ERA_SHELF, _ERA_KEY)
        if body is None:
            raise damaged(path, "does not say which engine it belongs to")
        return msgspec.json.decode(body, type=EraAt)
    first = database.row(connection, START.sequence + 1)
    era = None if first is None else decode(first.payload)
    if not isinstance(era, Era):
        raise damaged(path, "does not begin with a header")
    return EraAt(sequence=START.sequence + 1, era=era)


def era_item(now: EraAt) -> tuple[str, str, bytes]:
    """Return how an era is noted: shelf, key and body."""
    return (_ERA_SHELF, _ERA_KEY, msgspec.json.encode(now))


def item(connection: sqlite3.Connection, path: Path, shelf: str, key: str) -> bytes | None:
    """Return what is kept under a name on a shelf."""
    question = "SELECT * FROM items WHERE shelf = ? AND key = ?"
    found = connection.execute(question, (shelf, key)).fetchone()
    if found is None:
        return None
    body = books.unsealed(str(path), "items", found)[-1]
    assert isinstance(body, bytes)
    return body


def _trusted(
    connection: sqlite3.Connection, path: Path, version: int, base: Head, anchored: Head
) -> Head:
    """Return the row before the kept engine state's, or before the anchor's where that is older."""
    if "items" not in schema.summed(version):
        return base
    body = item(connection, path, vault.SHELF, ENGINE)
    if body is None:
        return base
    sequence = min(vault.read_kept(body).sequence, anchored.sequence) - 1
    found = database.row(connection, sequence) if sequence > base.sequence else None
    if found is None or type(found.hash) is not bytes:
        return base
    return found.head


def _last(connection: sqlite3.Connection, path: Path, start: Head, anchored: Head) -> Row:
    """Follow the chain to its end and compare it with the anchor on the way; return its end."""
    last: Row | None = None
    met = False
    for last in follow(connection, path, start):
        met = met or last.head == anchored
    if last is None:
        raise damaged(path, "holds no row of its journal")
    if last.sequence < anchored.sequence:
        words = gone(last.sequence, anchored.sequence - last.sequence, "missing")
        raise damaged(path, f"{words}: its log (-wal) was deleted, cut off or damaged")
    if not met:
        raise damaged(path, f"and its anchor differ at row {anchored.sequence:,}")
    return last


def gone(last: int, count: int, how: str) -> str:
    """Say that rows that were acknowledged are not there any more."""
    rows, are = ("row", "is") if count == 1 else ("rows", "are")
    return f"{count:,} acknowledged {rows} behind row {last:,} {are} {how}"


def follow(connection: sqlite3.Connection, path: Path, start: Head) -> Iterator[Row]:
    """Go through the rows behind one that is known, and refuse the first that does not follow."""
    before = start
    for found in database.rows(connection, start.sequence):
        if not found.follows(before):
            raise damaged(path, f"is not as it was written at row {before.sequence + 1:,}")
        before = found.head
        yield found


def _check_details(connection: sqlite3.Connection, path: Path, now: EraAt) -> None:
    """Compare what is said twice."""
    found = database.row(connection, now.sequence)
    if found is not None and decode(found.payload) != now.era:
        raise damaged(path, "says two things of its engine")
