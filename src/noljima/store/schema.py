"""The tables, step by step: each numbered step is run once, and no step is ever changed.

What SQLite says its tables are must be what these steps make, word for word: a bit that turns in
there turns rows into other rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Final

APPLICATION: Final = 0x4E4F4C4A
"""`NOLJ`, in the header of the file."""
PAGE_BYTES: Final = 4096

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    # 1: the chain, and where it begins.
    (
        """CREATE TABLE base (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            sequence INTEGER NOT NULL,
            hash BLOB NOT NULL,
            seal BLOB NOT NULL
        )""",
        """CREATE TABLE journal (
            sequence INTEGER PRIMARY KEY,
            total BLOB NOT NULL,
            hash BLOB NOT NULL,
            payload BLOB NOT NULL
        )""",
    ),
    # 2: what the rows make: things kept by name, one record a job, and the outbox.
    (
        """CREATE TABLE items (
            shelf TEXT NOT NULL,
            key TEXT NOT NULL,
            body BLOB NOT NULL,
            seal BLOB NOT NULL,
            PRIMARY KEY (shelf, key)
        ) WITHOUT ROWID""",
        """CREATE TABLE records (
            number INTEGER PRIMARY KEY,
            job TEXT NOT NULL UNIQUE,
            user TEXT NOT NULL,
            state TEXT NOT NULL,
            ended_s REAL,
            body BLOB NOT NULL,
            seal BLOB NOT NULL
        )""",
        """CREATE TABLE outbox (
            number INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            sequence INTEGER NOT NULL,
            sending TEXT NOT NULL,
            due_s REAL NOT NULL,
            attempts INTEGER NOT NULL,
            error TEXT NOT NULL,
            body BLOB NOT NULL,
            seal BLOB NOT NULL
        )""",
    ),
    # 3: so that questions about one user or one state do not read everything.
    (
        "CREATE INDEX records_by_user ON records (user, number)",
        "CREATE INDEX records_by_state ON records (state, number)",
        "CREATE INDEX records_by_end ON records (ended_s)",
        "CREATE INDEX outbox_by_due ON outbox (sending, due_s)",
    ),
)
VERSION: Final = len(STEPS)

SUMMED: Final[Mapping[str, int]] = {"items": 2, "records": 2, "outbox": 2}
"""The tables that rows of the journal add up, with the step that has made each; in each of them
the last column is the seal of the others."""


def migrate(connection: sqlite3.Connection, before: int) -> None:
    """Run the steps that are missing, within the caller's transaction."""
    for step in STEPS[before:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def summed(version: int) -> tuple[str, ...]:
    """Name the tables that there are to add up in this version."""
    return tuple(table for table, step in SUMMED.items() if step <= version)


@cache
def expected(version: int) -> tuple[tuple[object, ...], ...]:
    """Return what SQLite says its tables are after so many steps."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in STEPS[:version]:
            for statement in step:
                connection.execute(statement)
        return described(connection)


def described(connection: sqlite3.Connection) -> tuple[tuple[object, ...], ...]:
    """Return what SQLite says its tables are."""
    question = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return tuple(connection.execute(question).fetchall())
