"""The tables beside the journal say what the rows have made of them, and add up to one sum."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from noljima.model.events import Ticked
from noljima.store import books, database
from noljima.store.books import Books
from noljima.store.faults import StateError
from noljima.store.folder import folder_of
from noljima.store.notices import Notice, Sending, pause_s
from noljima.store.reading import Question, Reader
from noljima.store.records import JobRecord
from noljima.store.state import Sizes, State
from noljima.store.writes import (
    AddNotice,
    DropItem,
    DropNotices,
    NoticeTried,
    PutItem,
    PutRecord,
    Write,
)
from noljima.testing.day import header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)
JOBS = st.sampled_from([f"j{number}" for number in range(8)])
KEYS = st.sampled_from([f"j{number}/started" for number in range(5)])
TIMES = st.integers(0, 50).map(float)


class Histories(RuleBasedStateMachine):
    """Writes at random, kept in plain dictionaries beside; the state is closed now and then."""

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._state = State.create(self._folder.name, header(), sizes=SMALL)
        self._reader = self._state.reader()
        self._records: dict[str, JobRecord] = {}
        self._items: dict[tuple[str, str], bytes] = {}
        self._pending: dict[str, tuple[float, int]] = {}
        self._settled: dict[str, tuple[Sending, float]] = {}
        self._written: list[Write] = []
        self._rows = 1

    def _write(self, *writes: Write) -> None:
        asyncio.run(self._state.append((Ticked(at_s=float(self._rows)),), (), writes))
        self._rows += 1

    @rule(job=JOBS, user=st.sampled_from("uv"), state=st.sampled_from(["queued", "running"]))
    def record(self, job: str, user: str, state: str) -> None:
        record = JobRecord(job=job, user=user, state=state, submitted_s=1.0)
        self._records[job] = record
        self._write(PutRecord(record))

    @rule(job=JOBS, at_s=TIMES)
    def end(self, job: str, at_s: float) -> None:
        if job in self._records:
            record = msgspec.structs.replace(self._records[job], state="failed", ended_s=at_s)
            self._records[job] = record
            self._write(PutRecord(record))

    @rule(shelf=st.sampled_from(["specs", "processes"]), key=JOBS, body=st.none() | st.binary())
    def item(self, shelf: str, key: str, body: bytes | None) -> None:
        if body is None:
            self._items.pop((shelf, key), None)
            self._write(DropItem(shelf, key))
        else:
            self._items[shelf, key] = body
            self._write(PutItem(shelf, key, body))

    @rule(key=KEYS, due_s=TIMES)
    def notice(self, key: str, due_s: float) -> None:
        if key not in self._pending and key not in self._settled:
            self._pending[key] = (due_s, 0)
        self._write(AddNotice(Notice(key=key, what="started", due_s=due_s)))

    @rule(key=KEYS, at_s=TIMES, failed=st.booleans())
    def tried(self, key: str, at_s: float, failed: bool) -> None:  # noqa: FBT001 - drawn
        if key in self._pending:
            _, attempts = self._pending.pop(key)
            if failed:
                self._pending[key] = (at_s + pause_s(attempts + 1), attempts + 1)
            else:
                self._settled[key] = (Sending.SENT, at_s)
        self._write(NoticeTried(key, at_s, "no route" if failed else ""))

    @rule(before_s=TIMES)
    def drop_old(self, before_s: float) -> None:
        self._settled = {k: v for k, v in self._settled.items() if v[1] >= before_s}
        self._write(DropNotices(before_s))

    @rule()
    def restart(self) -> None:
        self._reader.close()
        self._state.close()
        self._state = State.open(self._folder.name, full=True, sizes=SMALL)
        self._reader = self._state.reader()

    @invariant()
    def records_are_as_written(self) -> None:
        found = {n.record.job: n.record for n in self._reader.records(Question(limit=99))}
        unended = {record.job for record in self._reader.unended()}

        assert found == self._records
        assert unended == {j for j, r in self._records.items() if r.ended_s is None}

    @invariant()
    def records_are_found_by_user_state_and_time(self) -> None:
        for user in "uv":
            found = self._reader.records(Question(user=user, state="running"))
            expected = {
                job
                for job, record in self._records.items()
                if record.user == user and record.state == "running"
            }
            assert {n.record.job for n in found} == expected
        since = self._reader.records(Question(since_s=25.0))
        expected = {
            job for job, r in self._records.items() if r.ended_s is None or r.ended_s >= 25.0
        }
        assert {n.record.job for n in since} == expected

    @invariant()
    def items_are_as_written(self) -> None:
        for shelf in ("specs", "processes"):
            expected = {key: body for (s, key), body in self._items.items() if s == shelf}
            assert self._reader.items(shelf) == expected

    @invariant()
    def notices_are_as_written(self) -> None:
        found = {o.notice.key: o for o in self._reader.outbox()}
        pending = {
            key: (o.due_s, o.attempts) for key, o in found.items() if o.sending is Sending.PENDING
        }
        due = [o.notice.key for o in self._reader.due(20.0)]

        assert pending == self._pending
        assert self._reader.pending() == len(self._pending)
        assert found.keys() == self._pending.keys() | self._settled.keys()
        assert set(due) == {key for key, (due_s, _) in self._pending.items() if due_s <= 20.0}
        assert self._reader.next_due_s() == min(
            (d for d, _ in self._pending.values()), default=None
        )

    @invariant()
    def the_sum_is_that_of_the_rows(self) -> None:
        with closing(database.look(self._state.folder.database)) as connection:
            assert books.add_up(connection, "test", 3) == self._state._committer._desk.books.total

    def teardown(self) -> None:
        if hasattr(self, "_state"):
            self._reader.close()
            self._state.close()
            self._folder.cleanup()


Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestHistories = Histories.TestCase


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Return a database with a record, an item and a notice in it."""
    state = State.create(tmp_path / "state", header(), sizes=SMALL)
    writes: list[Write] = [
        PutRecord(JobRecord(job="j1", user="kim", state="queued", submitted_s=1.0)),
        PutItem("specs", "j1", b"spec"),
        AddNotice(Notice(key="k", what="accepted")),
    ]
    asyncio.run(state.append((Ticked(at_s=1.0),), (), writes))
    state.close()
    return state.folder.database


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET user = 'lee'",
        "UPDATE records SET body = replace(body, 'kim', 'lee')",
        "UPDATE records SET number = 7",
        "UPDATE records SET ended_s = 1.0",
        "UPDATE items SET body = x'00'",
        "UPDATE outbox SET sending = 'sent'",
        "UPDATE outbox SET due_s = 1e9",
        "UPDATE outbox SET attempts = 3",
    ],
)
def test_a_changed_row_is_neither_served_nor_started_with(tables: Path, change: str) -> None:
    with closing(sqlite3.connect(tables)) as connection:
        connection.execute(change)
        connection.commit()

    table = change.split()[1]
    with closing(Reader(folder_of(tables.parent))) as reader:
        questions: dict[str, Callable[[], object]] = {
            "records": reader.records,
            "items": lambda: reader.items("specs"),
            "outbox": reader.outbox,
        }
        with pytest.raises(StateError, match="is not as it was written"):
            questions[table]()
    with pytest.raises(StateError, match="is not as it was written"):
        State.open(tables.parent)


@pytest.mark.parametrize("table", ["records", "items WHERE shelf = 'specs'", "outbox"])
def test_a_lost_row_is_noticed_at_the_start(tables: Path, table: str) -> None:
    with closing(sqlite3.connect(tables)) as connection:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own words
        connection.commit()

    with pytest.raises(StateError, match="not what its journal says"):
        State.open(tables.parent)


def test_an_added_row_is_noticed_at_the_start(tables: Path) -> None:
    values = ("specs", "j2", b"forged")
    with closing(sqlite3.connect(tables)) as connection:
        sealed = (*values, books.seal("items", values))
        connection.execute("INSERT INTO items VALUES (?, ?, ?, ?)", sealed)
        connection.commit()

    with pytest.raises(StateError, match="not what its journal says"):
        State.open(tables.parent)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DROP INDEX records_by_user", "does not have the tables of schema version 3"),
        ("CREATE TABLE more (a)", "does not have the tables of schema version 3"),
        ("DELETE FROM base", "does not say where its journal begins"),
        ("UPDATE base SET sequence = 1", "is not as it was written"),
        ("PRAGMA application_id = 1", "is no state of Noljima"),
        ("PRAGMA user_version = 2", "does not have the tables of schema version 2"),
        ("DELETE FROM journal WHERE sequence = 1", "is not as it was written at row 1"),
        ("UPDATE journal SET sequence = 9 WHERE sequence = 2", "at row 2"),
        ("UPDATE journal SET total = zeroblob(16)", "is not as it was written at row"),
        ("UPDATE journal SET payload = payload || ' '", "is not as it was written at row"),
        ("UPDATE journal SET payload = cast(payload AS TEXT)", "is not as it was written at row"),
        ("UPDATE journal SET hash = 5", "is not as it was written at row"),
        ("DELETE FROM journal WHERE sequence = 2", "1 acknowledged row behind row"),
    ],
)
def test_a_changed_journal_or_schema_is_noticed(tables: Path, change: str, words: str) -> None:
    with closing(sqlite3.connect(tables)) as connection:
        connection.execute(change)
        connection.commit()

    with pytest.raises(StateError, match=words):
        State.open(tables.parent, full=True)


def test_an_index_that_leads_elsewhere_is_noticed(tables: Path) -> None:
    content = tables.read_bytes()
    places = [at for at in range(len(content)) if content.startswith(b"kim", at)]
    for at in places:
        tables.write_bytes(content[:at] + b"lee" + content[at + 3 :])

        with pytest.raises(StateError):
            State.open(tables.parent)

    assert len(places) == 4  # in the row of the journal, twice in that of the table, in the index
    tables.write_bytes(content)
    State.open(tables.parent, sizes=SMALL).close()


def test_a_notice_s_number_is_never_used_twice(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:

        async def write() -> None:
            for number in range(3):
                key = f"k{number}"
                await state.write(AddNotice(Notice(key=key, what="accepted")))
                await state.write(NoticeTried(key, 1.0), DropNotices(2.0))
            await state.write(AddNotice(Notice(key="last", what="accepted")))

        asyncio.run(write())
        with state.reader() as reader:
            (last,) = reader.outbox()

    assert last.number == last.sequence << 20


def test_pages_of_records_follow_each_other(tmp_path: Path) -> None:
    records = [JobRecord(job=f"j{n}", state="queued", submitted_s=float(n)) for n in range(25)]
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(state.write(*(PutRecord(record) for record in records)))
        found: list[str] = []
        before: int | None = None
        with state.reader() as reader:
            while page := reader.records(Question(before=before, limit=10)):
                found += [numbered.record.job for numbered in page]
                before = page[-1].number
            assert reader.record("j7") == records[7]
            assert reader.record("nobody") is None

    assert found == [f"j{n}" for n in reversed(range(25))]


def test_sums_do_not_depend_on_the_order(tmp_path: Path) -> None:
    totals: set[bytes] = set()
    for number, order in enumerate(("abc", "cba", "bab" + "c")):
        with State.create(tmp_path / str(number), header(), sizes=SMALL) as state:
            connection = state._connection
            tables = Books(connection)
            for key in order:
                tables.apply(5, PutItem("shelf", key, key.encode()))
            totals.add(tables.total)

    assert len(totals) == 1
