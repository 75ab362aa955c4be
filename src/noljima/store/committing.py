"""The thread that writes: what waits is committed together, and nobody is told before that.

A commit is: the rows and what they change in the tables in one transaction, synced; then the
anchor, synced; then the answers. What cannot be written changes nothing, so that it may be tried
again.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from noljima.store import database
from noljima.store.anchor import Anchor
from noljima.store.books import Books
from noljima.store.chain import Entry, Era, Head, Row, decode, link
from noljima.store.checking import EraAt, era_item
from noljima.store.database import NO_ROOM
from noljima.store.faults import Fault, StateError
from noljima.store.reserve import Reserve
from noljima.store.writes import PutItem

GROUP_MAX: Final = 512
"""Rows in one transaction."""
GROUP_BYTES_MAX: Final = 16 << 20
LOG_COMMITS_MAX: Final = 128
LOG_ROWS_MAX: Final = 1024
"""After so many commits or rows the log is moved into the database: every few MiB."""
_RESTART: Final = "end the program and start it again: the state is checked then"
_MAKE_ROOM: Final = "make room on its disk; what runs goes on"


@dataclass(slots=True)
class Order:
    """A row that waits to be written."""

    payload: bytes
    essential: bool
    """Whether it is written on the reserve, too."""
    done: Future[Head] = field(default_factory=Future)


@dataclass(slots=True)
class Desk:
    """All that writing takes, in the hands of the thread alone."""

    connection: sqlite3.Connection
    books: Books
    anchor: Anchor
    reserve: Reserve
    path: Path
    head: Head
    version: int
    """SQLite's counter of what others have written."""


class Committer:
    """Writes the rows that it is given in their order, as many together as are waiting."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._broken: StateError | None = None
        self.commits = 0
        """How many transactions there were."""
        self._log_commits = self._log_rows = 0
        self._full_words = ""
        self._thread = threading.Thread(target=self._run, name="noljima-store", daemon=True)
        self._thread.start()

    @property
    def head(self) -> Head:
        """The last row that is on the disk and in the anchor."""
        return self._desk.head

    @property
    def broken(self) -> StateError | None:
        """Why nothing is written any more; None while all is well."""
        return self._broken

    def put(self, payload: bytes, *, essential: bool) -> Future[Head]:
        """Hand over a row; the future is done when it is on the disk."""
        order = Order(payload, essential)
        self._orders.put(order)
        return order.done

    def stop(self) -> None:
        """Write what waits, then end the thread."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._gather()
            if group:
                self._serve(group)
                self._tidy()

    def _gather(self) -> tuple[list[Order], bool]:
        """Wait for an order and take all that wait behind it; say whether there can be more."""
        group: list[Order] = []
        size = 0
        try:
            while len(group) < GROUP_MAX and size < GROUP_BYTES_MAX:
                order = self._orders.get(block=not group)
                if order is None:
                    return group, False
                group.append(order)
                size += len(order.payload)
        except queue.Empty:
            pass
        return group, True

    def _serve(self, group: list[Order]) -> None:
        """Commit a group, and answer each order."""
        # Whatever happens, nobody may wait for an answer for ever.
        try:
            answers = self._answers(group)
        except BaseException as error:  # noqa: BLE001 - it is told to everybody who waits
            self._broken = self._broken or self._refusal(Fault.BROKEN, f"broke ({error!r})")
            answers = [self._broken] * len(group)
        for order, answer in zip(group, answers, strict=True):
            if not order.done.set_running_or_notify_cancel():
                continue  # It is written all the same; nobody waits for the answer any more.
            if isinstance(answer, StateError):
                order.done.set_exception(answer)
            else:
                order.done.set_result(answer)

    def _answers(self, group: list[Order]) -> list[Head | StateError]:
        if self._broken is not None:
            return [self._broken] * len(group)
        chosen = [o for o in group if o.essential or self._desk.reserve.held]
        try:
            heads = self._commit(chosen)
            if heads is None:
                self._make_room()
                chosen = [order for order in group if order.essential]
                heads = self._commit(chosen)
        except (sqlite3.Error, OSError, StateError) as error:
            words = error.words if isinstance(error, StateError) else f"was not written ({error})"
            self._broken = self._refusal(Fault.BROKEN, words, _RESTART)
            return [self._broken] * len(group)
        full = self._refusal(Fault.FULL, f"cannot be written now ({self._full_words})", _MAKE_ROOM)
        written = iter(heads or ())
        kept = {id(order) for order in chosen} if heads is not None else set()
        return [next(written) if id(order) in kept else full for order in group]

    def _commit(self, group: list[Order]) -> list[Head] | None:
        """Write rows in one transaction, then the anchor; None where there is no room."""
        if not group:
            return []
        desk = self._desk
        before = desk.books.total
        try:
            desk.connection.execute("BEGIN IMMEDIATE")
            self._check_alone()
            head = desk.head
            heads = [head := self._add(head, order.payload) for order in group]
            desk.connection.execute("COMMIT")
        except BaseException as error:
            desk.books.forget(before)
            if desk.connection.in_transaction:
                desk.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in NO_ROOM:
                self._full_words = str(error)
                return None
            raise
        self._set_anchor(heads[-1])
        desk.head = heads[-1]
        self.commits += 1
        self._log_commits += 1
        self._log_rows += len(group)
        return heads

    def _make_room(self) -> None:
        """Give up what was set aside, and let the log begin anew where it may."""
        self._desk.reserve.release()
        with suppress(sqlite3.Error):
            database.checkpoint(self._desk.connection, "PASSIVE")

    def _set_anchor(self, head: Head) -> None:
        """Move the anchor; where files are written anew in place of old blocks, that takes room."""
        try:
            self._desk.anchor.set(head)
        except OSError:
            if not self._desk.reserve.release():
                raise
            self._desk.anchor.set(head)

    def _add(self, before: Head, payload: bytes) -> Head:
        """Write one row and what it changes in the tables."""
        desk, sequence = self._desk, before.sequence + 1
        entry = decode(payload)
        apply(desk.books, sequence, entry)
        total = desk.books.total
        head = Head(sequence, link(before.hash, sequence, total, payload))
        database.add_row(desk.connection, Row(sequence, total, head.hash, payload))
        return head

    def _check_alone(self) -> None:
        """Notice a second writer that has gone round the lock."""
        version = data_version(self._desk.connection)
        if version != self._desk.version:
            words = "was written by another process, which must not be"
            raise StateError(Fault.BROKEN, self._desk.path, words)

    def _tidy(self) -> None:
        """Move the log into the database once it is long; what fails now is tried again later."""
        if self._log_commits < LOG_COMMITS_MAX and self._log_rows < LOG_ROWS_MAX:
            return
        self._log_commits = self._log_rows = 0
        # On a full disk this fails, and the log goes on growing within what was set aside.
        with suppress(sqlite3.Error):
            database.checkpoint(self._desk.connection, "PASSIVE")

    def _refusal(self, fault: Fault, words: str, advice: str = "") -> StateError:
        return StateError(fault, self._desk.path, words, advice)


def apply(books: Books, sequence: int, entry: Entry) -> None:
    """Change the tables as a row of the journal says."""
    if isinstance(entry, Era):
        books.apply(sequence, PutItem(*era_item(EraAt(sequence=sequence, era=entry))))
    for write in entry.writes:
        books.apply(sequence, write)


def data_version(connection: sqlite3.Connection) -> int:
    """Return SQLite's counter of what other connections have written."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
