"""A state keeps what it has acknowledged, and is never begun anew by mistake."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Stop
from noljima.model.events import Event, Submitted, Ticked
from noljima.model.resources import JobId
from noljima.store import beginning, committing, database
from noljima.store.chain import Batch, Era, Head, decode
from noljima.store.faults import Fault, StateError
from noljima.store.journal import Batch as Recorded
from noljima.store.notices import Notice
from noljima.store.records import JobRecord
from noljima.store.state import Sizes, State
from noljima.store.writes import AddNotice, DropItem, PutItem, PutRecord, Write
from noljima.testing import strategies
from noljima.testing.day import Told, day, header

Begin = Callable[[], State]
SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


def write_all(state: State, told: Sequence[Told]) -> None:
    async def write() -> None:
        for batch in told:
            await state.append(*batch)

    asyncio.run(write())


def batches(state: State) -> list[Recorded]:
    with closing(state.reader()) as reader:
        start = reader.head(state.now.sequence)
        assert start is not None
        return list(reader.batches(start))


def tick(at_s: float) -> tuple[Event, ...]:
    return (Ticked(at_s=at_s),)


def fault_of(action: Callable[[], object]) -> Fault:
    with pytest.raises(StateError) as caught:
        action()
    return caught.value.fault


def test_what_was_written_is_read_after_the_next_start(begin: Begin, reopen: Begin) -> None:
    told = day(0)
    with begin() as state:
        write_all(state, told)
        head = state.head
    state = reopen()

    assert state.head == head
    assert [(b.events, b.commands) for b in batches(state)] == [(t[0], t[1]) for t in told]
    assert [b.line for b in batches(state)] == list(range(2, len(told) + 2))
    assert state.now.era.engine == header()


@given(
    drawn=st.lists(
        st.tuples(
            st.lists(strategies.events(), min_size=1, max_size=3),
            st.lists(st.builds(Stop, strategies.names().map(JobId)), max_size=2),
            st.lists(
                st.one_of(
                    st.builds(PutItem, st.text(max_size=5), st.text(max_size=5), st.binary()),
                    st.builds(DropItem, st.text(max_size=5), st.text(max_size=5)),
                    st.builds(AddNotice, st.builds(Notice, key=st.text(), what=st.text())),
                ),
                max_size=3,
            ),
        ),
        max_size=6,
    )
)
def test_whatever_is_appended_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[list[Event], list[Stop], list[Write]]],
) -> None:
    folder = tmp_path_factory.mktemp("state")
    told = [Told(tuple(e), tuple(c), tuple(w)) for e, c, w in drawn]
    with State.create(folder, header(), sizes=SMALL) as state:
        write_all(state, told)
    with State.open(folder, full=True, sizes=SMALL) as state:
        assert [(b.events, b.commands) for b in batches(state)] == [(t[0], t[1]) for t in told]
        assert items_of(state) == expected_items(told)
    shutil.rmtree(folder)


def items_of(state: State) -> dict[tuple[str, str], bytes]:
    with closing(database.look(state.folder.database)) as connection:
        rows = connection.execute("SELECT shelf, key, body FROM items WHERE shelf != 'era'")
        return {(shelf, key): body for shelf, key, body in rows}


def expected_items(told: Sequence[Told]) -> dict[tuple[str, str], bytes]:
    kept: dict[tuple[str, str], bytes] = {}
    for batch in told:
        for write in batch.writes:
            if isinstance(write, PutItem):
                kept[write.shelf, write.key] = write.body
            elif isinstance(write, DropItem):
                kept.pop((write.shelf, write.key), None)
    return {key: body for key, body in kept.items() if key[0] != "era"}


def test_batches_that_wait_together_are_committed_together(begin: Begin) -> None:
    state = begin()

    async def many() -> None:
        await asyncio.gather(*(state.append(tick(float(n)), ()) for n in range(300)))

    asyncio.run(many())

    assert state.head.sequence == 301
    assert [b.events[0].at_s for b in batches(state)] == [float(n) for n in range(300)]
    assert state.commits < 100


def test_nothing_is_acknowledged_before_commit_and_anchor(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin()
    steps: list[str] = []
    synced = os.fdatasync

    def sync(file: int) -> None:
        synced(file)
        steps.append("anchor")

    monkeypatch.setattr(os, "fdatasync", sync)
    state._connection.set_trace_callback(
        lambda words: steps.append("commit") if words == "COMMIT" else None
    )

    async def one() -> None:
        await state.append(tick(1.0), ())
        steps.append("acknowledged")

    asyncio.run(one())
    state._connection.set_trace_callback(None)

    assert steps == ["commit", "anchor", "acknowledged"]
    assert state._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert state._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_gives_up_waiting_does_not_stop_the_writing(begin: Begin) -> None:
    state = begin()

    async def give_up() -> None:
        task = asyncio.create_task(state.append(tick(1.0), ()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await state.append(tick(2.0), ())

    asyncio.run(give_up())

    assert [b.events[0].at_s for b in batches(state)] == [1.0, 2.0]


# --- Never begun anew by mistake ---


def test_a_folder_without_a_state_is_refused(tmp_path: Path) -> None:
    assert fault_of(lambda: State.open(tmp_path)) is Fault.MISSING
    assert fault_of(lambda: State.open(tmp_path / "nowhere")) is Fault.MISSING
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "noljima.db").exists()


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (["noljima.db"], "the anchor says that there was one"),
        (["noljima.db", "anchor"], "holds no state"),
        (["anchor"], "nobody knows where the journal ends"),
    ],
)
def test_half_a_state_is_refused_and_says_what_to_do(
    begin: Begin, folder: Path, gone: list[str], words: str
) -> None:
    with begin() as state:
        write_all(state, day(1))
    for name in gone:
        (folder / name).unlink()

    with pytest.raises(StateError, match=words) as caught:
        State.open(folder)

    assert caught.value.advice
    assert not (folder / gone[0]).exists()


def test_a_state_is_not_begun_over_another(begin: Begin, folder: Path) -> None:
    begin().close()

    for left in ("noljima.db", "anchor"):
        assert fault_of(lambda: State.create(folder, header())) is Fault.REFUSED
        (folder / left).unlink()


def test_a_log_without_its_database_is_not_begun_over(folder: Path) -> None:
    folder.mkdir()
    (folder / "noljima.db-wal").write_bytes(b"rows of somebody")

    assert fault_of(lambda: State.create(folder, header())) is Fault.REFUSED


def test_a_deleted_log_is_noticed(begin: Begin, folder: Path, tmp_path: Path) -> None:
    state = begin()
    write_all(state, day(1))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "noljima.db-wal").unlink()

    with pytest.raises(StateError, match="acknowledged rows behind row") as caught:
        State.open(copy)

    assert caught.value.fault is Fault.DAMAGED
    assert "recover" in caught.value.advice


def test_a_refused_state_is_left_as_it_is(begin: Begin, folder: Path, tmp_path: Path) -> None:
    state = begin()
    write_all(state, day(1))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    log = copy / "noljima.db-wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 8
    log.write_bytes(content)
    before = {name: (copy / name).read_bytes() for name in ("noljima.db", "noljima.db-wal")}

    assert fault_of(lambda: State.open(copy)) is Fault.DAMAGED

    assert {name: (copy / name).read_bytes() for name in before} == before


def test_an_anchor_of_another_state_is_noticed(begin: Begin, folder: Path, tmp_path: Path) -> None:
    with begin() as state:
        write_all(state, day(1))
    with State.create(tmp_path / "other", header(), sizes=SMALL) as other:
        write_all(other, day(1))
    shutil.copy(tmp_path / "other" / "anchor", folder / "anchor")

    with pytest.raises(StateError, match="belong to different states"):
        State.open(folder)


def test_a_database_of_an_earlier_day_is_noticed(begin: Begin, reopen: Begin, folder: Path) -> None:
    with begin() as state:
        write_all(state, day(1))
    yesterday = (folder / "noljima.db").read_bytes()
    with reopen() as state:
        write_all(state, [Told(tick(1e6), (), ())])
    (folder / "noljima.db").write_bytes(yesterday)

    with pytest.raises(StateError, match="1 acknowledged row behind row"):
        State.open(folder)


def test_a_copy_that_went_another_way_is_noticed(
    begin: Begin, folder: Path, tmp_path: Path
) -> None:
    begin().close()
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for place, at_s in ((folder, 1.0), (other, 2.0)):
        with State.open(place, sizes=SMALL) as state:
            write_all(state, [Told(tick(at_s), (), ())])
    # The same state, as many rows, each chain whole: only the anchor knows which was acknowledged.
    shutil.copy(other / "noljima.db", folder / "noljima.db")

    with pytest.raises(StateError, match="and its anchor differ at row 2"):
        State.open(folder)


def test_a_row_beyond_the_anchor_is_taken(begin: Begin, folder: Path, tmp_path: Path) -> None:
    # As after a crash between the commit and the anchor: committed, and acknowledged to nobody.
    state = begin()
    write_all(state, day(1))
    anchor = (folder / "anchor").read_bytes()
    write_all(state, [Told(tick(1e6), (), ())])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "anchor").write_bytes(anchor)

    with State.open(copy, sizes=SMALL) as opened:
        assert opened.head == state.head


def test_the_anchor_may_be_on_another_disk(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with State.create(folder, header(), anchors=elsewhere, sizes=SMALL) as state:
        write_all(state, day(1))
    shutil.rmtree(folder)
    folder.mkdir()

    with pytest.raises(StateError, match="is missing, and the anchor says that there was one"):
        State.open(folder, anchors=elsewhere)


@pytest.mark.parametrize("moment", ["draft", "anchor"])
def test_a_crash_while_a_state_is_begun_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        name = "create_anchor" if moment == "draft" else "_put_in_place"
        patched.setattr(beginning, name, crash)
        with pytest.raises(KeyboardInterrupt):
            State.create(folder, header(), sizes=SMALL)

    if moment == "draft":
        assert fault_of(lambda: State.open(folder)) is Fault.MISSING
        State.create(folder, header(), sizes=SMALL).close()
    with State.open(folder, sizes=SMALL) as state:
        assert state.head.sequence == 1


# --- One owner ---


_OWN = """
import sys
from noljima.store.state import State
State.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(begin: Begin, folder: Path) -> None:
    begin().close()
    with subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", _OWN, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"

        with pytest.raises(StateError, match=f"is in use by process {other.pid}") as caught:
            State.open(folder)
        other.kill()
        other.wait()

    assert caught.value.fault is Fault.IN_USE
    State.open(folder, sizes=SMALL).close()


def test_a_writer_that_went_round_the_lock_is_noticed(begin: Begin) -> None:
    state = begin()
    write_all(state, day(1)[:3])
    with closing(sqlite3.connect(state.folder.database)) as stranger:
        stranger.execute("PRAGMA user_version = 3")
        stranger.commit()

    for _ in range(2):
        with pytest.raises(StateError, match="was written by another process") as caught:
            write_all(state, day(1)[3:4])
        assert caught.value.fault is Fault.BROKEN
    assert "another process" in state.refusal()


# --- What may not be written ---


@pytest.mark.parametrize(
    "spoiled",
    [
        [Submitted(at_s=float("nan"), job=day(1)[0].events[0])],  # type: ignore[arg-type]
        [Ticked(at_s=float("nan"))],
        [Ticked(at_s="now")],  # type: ignore[arg-type]
        [b"bytes"],
        [object()],
        ["\ud800"],
        [],
    ],
)
def test_what_a_reader_would_refuse_is_not_written(begin: Begin, spoiled: list[Event]) -> None:
    state = begin()

    with pytest.raises(StateError) as caught:
        write_all(state, [Told(tuple(spoiled), (), ())])
    write_all(state, [Told(tick(1.0), (), ())])

    assert caught.value.fault is Fault.REFUSED
    assert [b.events for b in batches(state)] == [tick(1.0)]


def test_what_would_be_read_differently_is_not_written(begin: Begin) -> None:
    record = JobRecord(job="j", state="queued", submitted_s=1.0, ended_s=float("nan"))
    state = begin()

    with pytest.raises(StateError, match="it would read differently") as caught:
        write_all(state, [Told(tick(1.0), (), (PutRecord(record),))])

    assert caught.value.fault is Fault.REFUSED


def test_a_row_has_a_greatest_size(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noljima.store.state.ROW_BYTES_MAX", 1000)
    state = begin()

    with pytest.raises(StateError, match="longer than 1,000 bytes"):
        write_all(state, [Told(tick(1.0), (), (PutItem("specs", "j", bytes(1000)),))])


def test_a_closed_state_refuses(begin: Begin) -> None:
    state = begin()
    state.close()
    state.close()

    assert state.refusal() == "the state is closed"
    assert fault_of(lambda: write_all(state, day(1)[:1])) is Fault.BROKEN


def test_what_broke_once_is_not_written_to_again(
    begin: Begin, reopen: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin()
    write_all(state, day(1)[:2])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
        assert fault_of(lambda: write_all(state, day(1)[2:3])) is Fault.BROKEN

    assert fault_of(lambda: write_all(state, day(1)[3:4])) is Fault.BROKEN
    state.close()
    # The one whose outcome was open is on the disk; the one behind it is not.
    assert [b.events for b in batches(reopen())] == [t.events for t in day(1)[:3]]


def test_an_error_nobody_thought_of_answers_everybody(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin()
    monkeypatch.setattr(committing.Committer, "_commit", lambda *_: 1 // 0)

    assert fault_of(lambda: write_all(state, day(1)[:1])) is Fault.BROKEN
    assert "ZeroDivisionError" in state.refusal()


# --- Eras ---


def test_an_era_begins_with_an_engine_of_its_own(begin: Begin, reopen: Begin) -> None:
    state = begin()
    told = day(1)
    write_all(state, told[:5])
    asyncio.run(state.begin_era({"policy": "fifo"}))
    write_all(state, told[5:8])
    state.close()
    state = reopen()

    assert state.now.era.engine == {"policy": "fifo"}
    assert [b.events for b in batches(state)] == [t.events for t in told[5:8]]
    with closing(state.reader()) as reader:
        eras = reader.eras()
        first = reader.head(1)
        assert first is not None
        assert [e.era.engine["policy"] for e in eras] == ["fair", "fifo"]
        assert [b.events for b in reader.batches(first)] == [t.events for t in told[:5]]


# --- What is kept in files ---


def test_what_is_kept_is_had_back_and_the_old_one_goes(
    begin: Begin, reopen: Begin, folder: Path
) -> None:
    state = begin()

    async def keep() -> None:
        await state.keep("history", b"first" * 1000)
        await state.keep("history", b"second" * 1000, label="v2")
        await state.keep("other", b"x")
        await state.drop("other")

    asyncio.run(keep())
    state.close()
    (folder / "kept" / ".stray.new").write_bytes(b"left by a crash")
    state = reopen()

    assert state.kept("history") == b"second" * 1000
    assert state.kept("other") is None
    assert len(list((folder / "kept").iterdir())) == 1


def test_kept_contents_that_changed_are_refused(begin: Begin, folder: Path) -> None:
    state = begin()
    asyncio.run(state.keep("history", b"content"))
    (path,) = (folder / "kept").iterdir()
    path.write_bytes(b"contents")

    assert fault_of(lambda: state.kept("history")) is Fault.DAMAGED


@pytest.mark.parametrize("name", ["", "../etc", "A", "a/b", "a" * 65, "a b", "-a"])
def test_names_that_are_no_plain_file_names_are_refused(begin: Begin, name: str) -> None:
    state = begin()

    assert fault_of(lambda: asyncio.run(state.keep(name, b""))) is Fault.REFUSED


# --- Others look on ---


def test_readers_see_one_moment_while_the_owner_writes(begin: Begin) -> None:
    state = begin()
    told = day(0)
    stop = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []

    def look() -> None:
        try:
            while not stop.is_set():
                with closing(state.reader()) as reader:
                    start = reader.head(1)
                    assert start is not None
                    found = list(reader.batches(start))
                    seen.append(len(found))
                    expected = [t.events for t in told[: len(found)]]
                    assert [b.events for b in found] == expected
                    reader.records()
                    reader.outbox()
        except BaseException as error:  # noqa: BLE001 - it is raised where the test sees it
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    write_all(state, told)
    stop.set()
    for thread in threads:
        thread.join()

    assert not failures
    assert seen == sorted(seen) or len(set(seen)) > 1
    assert max(seen, default=0) <= len(told)


def test_the_log_is_moved_into_the_database_while_it_runs(begin: Begin, folder: Path) -> None:
    state = begin()
    write_all(state, [Told(tick(float(n)), (), ()) for n in range(300)])
    head, path = state.head, folder / "noljima.db"

    # The database alone, as of the last time that the log was moved.
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as alone:
        (moved,) = alone.execute("SELECT max(sequence) FROM journal").fetchone()

    assert 200 < moved <= head.sequence


def test_rows_hold_what_the_documentation_says(begin: Begin) -> None:
    state = begin()
    write_all(state, day(1)[:1])
    with closing(database.look(state.folder.database)) as connection:
        first, second = database.rows(connection, 0)

    assert isinstance(decode(first.payload), Era)
    assert isinstance(decode(second.payload), Batch)
    assert second.follows(first.head)
    assert not second._replace(payload=second.payload + b" ").follows(first.head)
    assert not second._replace(total=bytes(16)).follows(first.head)
    assert not second.follows(Head(0, first.hash))
    assert msgspec.json.decode(second.payload)["kind"] == "Batch"
