"""Back to what is whole: the rows that follow each other, and the tables that belong to them.

What is believed is written into a new database beside the damaged one. Then a plan is written, and
by it the damaged files go aside and the new ones into their place: a crash anywhere in between is
finished at the next start, and nothing that was damaged is ever changed or thrown away.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from noljima.store import beginning, books, checking, database, schema, vault
from noljima.store.anchor import Anchored, create_anchor, read_anchor
from noljima.store.books import Books, Value
from noljima.store.chain import START, Batch, Head, Note, decode
from noljima.store.checking import EraAt
from noljima.store.committing import apply
from noljima.store.faults import Fault, StateError, damaged
from noljima.store.folder import Folder, database_files, folder_of, sync_folder, told, write_whole
from noljima.store.owner import Owner
from noljima.store.resuming import BASE
from noljima.store.salvage import UNREADABLE, Damaged, Run, looked_into
from noljima.store.vault import Kept
from noljima.store.writes import DropItem, PutItem, Write

_ASIDE: Final = "damaged"


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, and what is lost."""

    whole: bool
    """Whether nothing was wrong, so that nothing was done."""
    last: int
    """The last row that is left; behind it is one that says that the state was recovered."""
    lost: int = 0
    """How many rows that were acknowledged are gone."""
    last_s: float | None = None
    """The time of the last batch that is left."""
    aside: str = ""
    """Where the damaged files are."""
    words: tuple[str, ...] = ()
    """All of it in sentences."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done once the new database is whole."""

    aside: str
    state: str
    sequence: int
    hash: bytes


def recover(state: Path | str, *, anchors: Path | str | None = None) -> Recovered:
    """Go back to the last row of a damaged state that is whole; refused where there is none."""
    folder = folder_of(state, anchors)
    if not folder.root.is_dir():
        raise StateError(Fault.MISSING, folder.root, "is no folder")
    with Owner(folder.lock):
        carry_out(folder)
        beginning.finish(folder)
        try:
            checked = checking.check(folder, full=True)
        except StateError as refusal:
            if refusal.fault is Fault.VERSION or not folder.database.exists():
                raise
            return _recover(folder, refusal)
        words = ("nothing is wrong with it: every row and every page was looked at",)
        return Recovered(whole=True, last=checked.head.sequence, words=words)


def carry_out(folder: Folder) -> None:
    """Do what a plan says, as far as it is not done; nothing where there is no plan."""
    if not folder.plan.exists():
        return
    with told(folder.plan, "read"):
        plan = msgspec.json.decode(folder.plan.read_bytes(), type=_Plan)
    aside = folder.root / plan.aside
    with told(aside, "made"):
        aside.mkdir(mode=0o700, exist_ok=True)
        if folder.draft.exists():
            for path in (*reversed(database_files(folder.database)), folder.anchor):
                # What is there already was moved before a crash: the new anchor is not to follow.
                if path.exists() and not (aside / path.name).exists():
                    shutil.move(path, aside / path.name)
            sync_folder(aside)
            create_anchor(folder.anchor, plan.state, Head(plan.sequence, plan.hash))
            folder.draft.rename(folder.database)
            sync_folder(folder.root)
        _finished(folder)


def _finished(folder: Folder) -> None:
    """Forget the plan, now that all of it is done."""
    folder.plan.unlink()
    sync_folder(folder.root)


def _recover(folder: Folder, refusal: StateError) -> Recovered:
    anchored = _anchored(folder)
    with looked_into(folder) as found:
        run = found.longest(None if anchored is None else anchored.head)
        era = found.era()
        if run is None or run.last.sequence == START.sequence or era is None:
            raise damaged(folder.database, "holds nothing that could be gone back to")
        expected = max(found.last_sequence, 0 if anchored is None else anchored.head.sequence)
        aside = _free_name(folder)
        words = _words(refusal, run, expected, aside, anchored)
        with told(folder.draft, "made"):
            for path in database_files(folder.draft):
                path.unlink(missing_ok=True)
        head, more = _rebuild(folder, found, run, era, words)
        last_s = _last_s(found, run)
    if folder.vault.is_dir():
        shutil.copytree(folder.vault, folder.root / aside / folder.vault.name)
    plan = _Plan(aside=aside, state=era.era.state, sequence=head.sequence, hash=head.hash)
    write_whole(folder.plan, msgspec.json.encode(plan))
    carry_out(folder)
    return Recovered(
        whole=False,
        last=run.last.sequence,
        lost=expected - run.last.sequence,
        last_s=last_s,
        aside=str(folder.root / aside),
        words=(*words, *more),
    )


def _anchored(folder: Folder) -> Anchored | None:
    try:
        return read_anchor(folder.anchor)
    except StateError:
        return None


def _free_name(folder: Folder) -> str:
    number = 1
    while (folder.root / f"{_ASIDE}-{number}").exists():
        number += 1
    return f"{_ASIDE}-{number}"


def _words(
    refusal: StateError, run: Run, expected: int, aside: str, anchored: Anchored | None
) -> list[str]:
    words = [f"it was refused: {refusal.words}"]
    if run.base != START:
        words.append(
            f"rows up to {run.base.sequence:,} are not all whole; it goes on from the engine's"
            " state that was kept after them"
        )
    if run.mended:
        numbers = ", ".join(f"{number:,}" for number in sorted(run.mended)[:5])
        words.append(f"in row {numbers} a bit had turned, and was turned back")
    lost = expected - run.last.sequence
    if lost:
        words.append(checking.gone(run.last.sequence, lost, "lost"))
    else:
        words.append(f"no row is lost; the last is {run.last.sequence:,}")
    if anchored is None:
        words.append("there was no anchor to say whether more had been there")
    words.append(f"what was there before is in {aside}")
    return words


def _rebuild(
    folder: Folder, found: Damaged, run: Run, era: EraAt, words: Sequence[str]
) -> tuple[Head, list[str]]:
    """Write the new database; return its last row, and what there is to say of its tables."""
    folder.draft.touch(mode=0o600, exist_ok=False)
    with database.readable(folder.draft), closing(database.make(folder.draft)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        schema.migrate(connection, 0)
        beginning.set_base(connection, run.base)
        tables = Books(connection)
        if run.base == START:
            more = _apply_rows(connection, tables, found, run)
        else:
            for row in found.rows(run):
                database.add_row(connection, row)
            more = _take_tables(connection, tables, found, run)
        writes = _corrections(folder, connection, run, era)
        note = Note(words="recovered: " + "; ".join((*words, *more)), writes=writes)
        head = beginning.add_entry(connection, tables, run.last.head, note)
        connection.execute("COMMIT")
        database.checkpoint(connection, "TRUNCATE")
    return head, more


def _apply_rows(
    connection: sqlite3.Connection, tables: Books, found: Damaged, run: Run
) -> list[str]:
    """Add the rows and let them make the tables again."""
    for row in found.rows(run):
        apply(tables, row.sequence, decode(row.payload))
        database.add_row(connection, row)
    if tables.total == run.last.total or found.version < schema.VERSION:
        return []
    return ["the records, notices and items are not quite what the last row says of them"]


def _take_tables(
    connection: sqlite3.Connection, tables: Books, found: Damaged, run: Run
) -> list[str]:
    """Take over the tables as they are, since the rows that have made them are not all there."""
    lost = 0
    for table in schema.summed(found.version):
        whole, gone = found.table(table)
        lost += gone
        for row in whole:
            _insert(connection, table, row)
    tables.forget(books.add_up(connection, "recovery", schema.VERSION))
    if tables.total == run.last.total:
        return []
    words = "the records, notices and items are as the damaged state had them"
    return [f"{words}; about {lost:,} of them are lost" if lost else words]


def _insert(connection: sqlite3.Connection, table: str, row: Sequence[Value]) -> None:
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


def _corrections(
    folder: Folder, connection: sqlite3.Connection, run: Run, era: EraAt
) -> tuple[Write, ...]:
    """Return what the tables are to say that they do not say yet."""
    writes: list[Write] = []
    for key, body in _kept(connection).items():
        kept = vault.read_kept(body)
        try:
            usable = kept.sequence <= run.last.sequence
            vault.fetch(folder, key, kept)
        except UNREADABLE:
            usable = False
        if not usable:
            writes.append(DropItem(vault.SHELF, key))
    if run.engine:
        digest = vault.store(folder, BASE, run.engine)
        size = len(run.engine)
        kept = Kept(digest=digest, size_bytes=size, sequence=run.base.sequence)
        writes.append(PutItem(vault.SHELF, BASE, msgspec.json.encode(kept)))
        writes.append(PutItem(*checking.era_item(era)))
    return tuple(writes)


def _kept(connection: sqlite3.Connection) -> dict[str, bytes]:
    question = "SELECT key, body FROM items WHERE shelf = ?"
    return dict(connection.execute(question, (vault.SHELF,)).fetchall())


def _last_s(found: Damaged, run: Run) -> float | None:
    """Return the time of the last batch that is left."""
    last_s: float | None = None
    for row in found.rows(run):
        entry = decode(row.payload)
        if isinstance(entry, Batch) and entry.events:
            last_s = entry.events[-1].at_s
    return last_s
