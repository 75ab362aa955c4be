"""Making a state, and bringing one that an older program has made up to date.

A new state is made beside its place: the database, then the anchor, then the database's name. A
crash in between leaves a draft that is thrown away or finished, and never a state without anchor.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from noljima import __version__
from noljima.store import books, checking, database, schema
from noljima.store.anchor import create_anchor, read_anchor
from noljima.store.books import Books
from noljima.store.chain import START, Entry, Era, Head, Note, Row, encode, link
from noljima.store.checking import Checked
from noljima.store.committing import apply
from noljima.store.faults import Fault, StateError
from noljima.store.folder import Folder, database_files, sync_folder, told
from noljima.store.writes import PutItem


def begin(folder: Folder, engine: Mapping[str, object]) -> None:
    """Make a new state; refused where anything of one is there already."""
    there = [path for path in (*database_files(folder.database), folder.anchor) if path.exists()]
    if there:
        words = f"holds a state, or a part of one ({there[0].name})"
        raise StateError(Fault.REFUSED, folder.root, words, "open it, or move it away first")
    era = Era(state=secrets.token_hex(8), noljima=__version__, engine=engine)
    with told(folder.draft, "made"):
        for path in database_files(folder.draft):
            path.unlink(missing_ok=True)
        head = make_database(folder.draft, START, era)
    create_anchor(folder.anchor, era.state, head)
    _put_in_place(folder)


def finish(folder: Folder) -> None:
    """Finish what a crash has interrupted while a state was made."""
    if not folder.draft.exists() or folder.database.exists() or not folder.anchor.exists():
        return
    if read_anchor(folder.anchor).head.sequence == START.sequence + 1:
        _put_in_place(folder)


def _put_in_place(folder: Folder) -> None:
    with told(folder.database, "made"):
        folder.draft.rename(folder.database)
        sync_folder(folder.root)


def make_database(path: Path, base: Head, first: Entry) -> Head:
    """Make a database whose chain begins behind a row, with its first row."""
    path.touch(mode=0o600, exist_ok=False)
    try:
        with closing(database.make(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            schema.migrate(connection, 0)
            set_base(connection, base)
            head = add_entry(connection, Books(connection), base, first)
            connection.execute("COMMIT")
            database.checkpoint(connection, "TRUNCATE")
    except sqlite3.Error as error:
        raise StateError(Fault.FULL, path, f"cannot be made ({error})") from None
    return head


def set_base(connection: sqlite3.Connection, base: Head) -> None:
    """Write down where the chain begins."""
    values = (1, base.sequence, base.hash)
    connection.execute(
        "INSERT INTO base VALUES (?, ?, ?, ?)", (*values, books.seal("base", values))
    )


def add_entry(connection: sqlite3.Connection, tables: Books, before: Head, entry: Entry) -> Head:
    """Write one row with what it changes; the transaction is the caller's."""
    sequence, payload = before.sequence + 1, encode(entry)
    apply(tables, sequence, entry)
    head = Head(sequence, link(before.hash, sequence, tables.total, payload))
    database.add_row(connection, Row(sequence, tables.total, head.hash, payload))
    return head


def migrated(connection: sqlite3.Connection, checked: Checked) -> Checked:
    """Run the steps that are missing, in one transaction with a row that says so."""
    words = f"schema {checked.version} to {schema.VERSION}"
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema.migrate(connection, checked.version)
        tables = Books(connection, books.add_up(connection, "the state", schema.VERSION))
        era = PutItem(*checking.era_item(checked.now))
        head = add_entry(connection, tables, checked.head, Note(words=words, writes=(era,)))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return replace(
        checked,
        version=schema.VERSION,
        head=head,
        total=tables.total,
        notes=(*checked.notes, f"brought from {words}"),
    )
