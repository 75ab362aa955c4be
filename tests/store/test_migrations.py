"""A state that an older program has made is brought up to date, whole or not at all."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from noljima.model.events import Ticked
from noljima.store import beginning, checking, database, schema
from noljima.store.anchor import create_anchor, read_anchor
from noljima.store.books import Books
from noljima.store.chain import START, Batch, Entry, Era, Head, Note, Row, decode, encode, link
from noljima.store.committing import apply
from noljima.store.faults import Fault, StateError
from noljima.store.folder import folder_of
from noljima.store.recovery import recover
from noljima.store.state import Sizes, State
from noljima.store.writes import PutItem
from noljima.testing.day import header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)
TICKS = [float(number) for number in range(5)]


def older(folder: Path, version: int) -> Path:
    """Make a state as the program of a version of the schema has made it."""
    folder.mkdir()
    places = folder_of(folder)
    with closing(database.make(places.database)) as connection:
        connection.execute("BEGIN")
        for step in schema.STEPS[:version]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        beginning.set_base(connection, START)
        tables, head = Books(connection), START
        era = Era(state="old", noljima="0.0.1", engine=header())
        batches = [Batch(events=(Ticked(at_s=at_s),)) for at_s in TICKS]
        entries: list[Entry] = [era, *batches]
        for entry in entries:
            if version > 1:
                apply(tables, head.sequence + 1, entry)
            head = add(connection, tables, head, encode(entry))
        connection.execute("COMMIT")
    create_anchor(places.anchor, "old", head)
    return folder


def add(connection: object, tables: Books, before: Head, payload: bytes) -> Head:
    sequence = before.sequence + 1
    digest = link(before.hash, sequence, tables.total, payload)
    database.add_row(connection, Row(sequence, tables.total, digest, payload))  # type: ignore[arg-type]
    return Head(sequence, digest)


def ticks(state: State) -> list[float]:
    with state.reader() as reader:
        start = reader.head(1)
        assert start is not None
        return [batch.events[0].at_s for batch in reader.batches(start)]


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_an_older_state_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    folder = older(tmp_path / "state", version)

    with State.open(folder, sizes=SMALL) as state:
        assert any(f"schema {version} to {schema.VERSION}" in n for n in state.checked.notes)
        assert state.now.era.state == "old"
        asyncio.run(state.append((Ticked(at_s=9.0),), (), [PutItem("specs", "j", b"x")]))
        head = state.head

    assert head.sequence == len(TICKS) + 3  # a row says that it was brought up to date
    with State.open(folder, full=True, sizes=SMALL) as state:
        assert state.checked.notes == ()
        assert state.head == head
        assert ticks(state) == [*TICKS, 9.0]
        with closing(database.look(state.folder.database)) as connection:
            assert schema.described(connection) == schema.expected(schema.VERSION)
            row = database.row(connection, len(TICKS) + 2)
            assert row is not None
            note = decode(row.payload)
    assert isinstance(note, Note)
    assert note.words == f"schema {version} to {schema.VERSION}"


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_a_crash_while_it_is_brought_up_to_date_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    folder = older(tmp_path / "state", version)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(beginning, "add_entry", dies)
        with pytest.raises(KeyboardInterrupt):
            State.open(folder, sizes=SMALL)

    assert checking.check(folder_of(folder)).version == version
    with State.open(folder, sizes=SMALL) as state:
        assert ticks(state) == TICKS


def test_a_damaged_older_state_is_refused_as_it_is(tmp_path: Path) -> None:
    folder = older(tmp_path / "state", 1)
    path = folder / "noljima.db"
    content = path.read_bytes().replace(b'"at_s":3.0', b'"at_s":7.0')
    path.write_bytes(content)

    with pytest.raises(StateError, match="at row 5") as caught:
        State.open(folder, sizes=SMALL)

    assert caught.value.fault is Fault.DAMAGED
    assert path.read_bytes() == content


def test_a_damaged_older_state_is_recovered_up_to_date(tmp_path: Path) -> None:
    folder = older(tmp_path / "state", 1)
    path = folder / "noljima.db"
    path.write_bytes(path.read_bytes().replace(b'"at_s":3.0', b'"at_s":7.0'))

    recovered = recover(folder)

    # 3 and 7 differ in one bit.
    assert recovered.lost == 0
    with State.open(folder, full=True, sizes=SMALL) as state:
        assert ticks(state) == TICKS


def test_a_newer_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = older(tmp_path / "state", schema.VERSION)
    with closing(database.own(folder / "noljima.db")) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")

    with pytest.raises(StateError, match="use the program that has written it") as caught:
        State.open(folder)

    assert caught.value.fault is Fault.VERSION
    assert read_anchor(folder / "anchor").head.sequence == len(TICKS) + 1


def test_a_step_that_was_published_is_never_changed() -> None:
    # Add a step instead: states that were made with the old words would be refused as damaged.
    words = "\n".join(statement for step in schema.STEPS for statement in step)

    assert link(bytes(32), schema.VERSION, b"", words.encode()).hex()[:16] == "5c191d8557e59cfe"
