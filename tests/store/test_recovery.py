"""A damaged state goes back to what is whole of it, says what is lost, and throws nothing away."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.events import Ticked
from noljima.store import recovery, salvage
from noljima.store.anchor import read_anchor
from noljima.store.chain import Head, Row, link
from noljima.store.faults import Fault, StateError
from noljima.store.folder import folder_of
from noljima.store.recovery import recover
from noljima.store.resuming import Resumed, resume
from noljima.store.state import Sizes, State
from noljima.testing.damage import Truth, crashed_state, read_all
from noljima.testing.day import Told, day, engine_of, header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Return a state as a crash leaves it, to be copied."""
    folder = tmp_path_factory.mktemp("recovery") / "state"
    return folder, crashed_state(folder, days=3)


@pytest.fixture
def crashed(made: tuple[Path, Truth], tmp_path: Path) -> Path:
    """Return a copy of a state as a crash leaves it."""
    shutil.copytree(made[0], tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def closed(crashed: Path) -> Path:
    """Return a state that was closed in good order."""
    State.open(crashed, sizes=SMALL).close()
    return crashed


def turn(path: Path, wanted: bytes, *, nth: int = 0, by: int = 0) -> None:
    """Turn a bit where these bytes are for the nth time."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(nth + 1):
        at = content.index(wanted, at + 1)
    content[at + by] ^= 4
    path.write_bytes(content)


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "noljima.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def remove_row(folder: Path, sequence: int) -> None:
    change(folder, f"DELETE FROM journal WHERE sequence = {sequence}")  # noqa: S608 - a number


def opens(folder: Path) -> Truth:
    """Open a recovered state, write to it, and return what is in it."""
    with State.open(folder, full=True, sizes=SMALL) as state:
        truth = read_all(folder_of(folder))
        asyncio.run(state.append((Ticked(at_s=1e9),), ()))
    return truth


def test_a_whole_state_is_left_alone(closed: Path, made: tuple[Path, Truth]) -> None:
    before = (closed / "noljima.db").read_bytes()

    recovered = recover(closed)

    assert recovered.whole
    assert recovered.lost == 0
    assert (closed / "noljima.db").read_bytes() == before
    assert opens(closed) == made[1]


def test_a_turned_bit_in_a_row_is_turned_back(closed: Path, made: tuple[Path, Truth]) -> None:
    turn(closed / "noljima.db", b'{"kind":"Batch"', nth=20, by=30)

    recovered = recover(closed)

    assert not recovered.whole
    assert recovered.lost == 0
    assert any("a bit had turned, and was turned back" in words for words in recovered.words)
    assert opens(closed)._replace(items={}) == made[1]._replace(items={})


def test_a_deleted_log_goes_back_to_the_database(crashed: Path, made: tuple[Path, Truth]) -> None:
    acknowledged = read_anchor(crashed / "anchor").head.sequence
    (crashed / "noljima.db-wal").unlink()

    recovered = recover(crashed)

    assert recovered.lost == acknowledged - recovered.last > 0
    assert any(
        f"{recovered.lost:,} acknowledged rows behind row" in words for words in recovered.words
    )
    left = opens(crashed).batches
    assert left == made[1].batches[: len(left)]
    assert recovered.last_s == left[-1].events[-1].at_s
    assert read_anchor(crashed / "anchor").head.sequence == recovered.last + 2


def test_what_was_damaged_is_kept_aside_as_it_was(closed: Path) -> None:
    turn(closed / "noljima.db", b'{"kind":"Batch"', nth=20, by=30)
    before = {name: (closed / name).read_bytes() for name in ("noljima.db", "anchor")}

    aside = Path(recover(closed).aside)

    assert {name: (aside / name).read_bytes() for name in before} == before
    assert list((aside / "kept").iterdir())
    assert recover(closed).whole


def test_tables_that_were_changed_are_made_again_from_the_rows(
    closed: Path, made: tuple[Path, Truth]
) -> None:
    change(
        closed,
        "DELETE FROM records WHERE number = 3",
        "UPDATE outbox SET error = 'forged' WHERE number = (SELECT min(number) FROM outbox)",
        "DELETE FROM items WHERE shelf = 'specs'",
    )

    recovered = recover(closed)

    assert recovered.lost == 0
    assert opens(closed) == made[1]


def test_a_missing_row_behind_the_kept_engine_goes_back_to_before_it(
    closed: Path, made: tuple[Path, Truth]
) -> None:
    last = read_anchor(closed / "anchor").head.sequence
    remove_row(closed, last - 5)

    recovered = recover(closed)

    assert (recovered.last, recovered.lost) == (last - 6, 6)
    left = opens(closed)
    assert left.batches == [b for b in made[1].batches if b.line < last - 5]


def test_a_missing_row_before_the_kept_engine_costs_the_past_and_no_job(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    told = day(0)
    with State.create(folder, header(), sizes=SMALL) as state:
        cut = len(told) // 2
        asyncio.run(write(state, told[:cut], save=True))
        asyncio.run(write(state, told[cut:]))
        before = read_all(folder_of(folder))
        last = state.head.sequence
    remove_row(folder, 9)

    recovered = recover(folder)

    assert (recovered.last, recovered.lost) == (last, 0)
    assert any("goes on from the engine's state" in words for words in recovered.words)
    with State.open(folder, full=True, sizes=SMALL) as state:
        resumed = resume(state.folder, state.now, engine_of)
        assert isinstance(resumed, Resumed)
        with state.reader() as reader:
            assert reader.records() == before.records
            assert reader.outbox() == before.outbox
    # The engine stands where a replay of everything would have brought it.
    whole = engine_of(header())
    for batch in told:
        whole.handle(*batch.events)
    assert resumed.engine.tickets.keys() == whole.tickets.keys()
    # Without the kept state either, as after an update of the program.
    with State.open(folder, sizes=SMALL) as state:
        asyncio.run(state.drop("engine"))
        again = resume(state.folder, state.now, engine_of)
        assert isinstance(again, Resumed)
        assert again.began == "the state kept where the journal begins"
        assert again.replayed.batches == len(told) - cut


async def write(state: State, told: list[Told], *, save: bool = False) -> None:
    engine = engine_of(header())
    for batch in told:
        await state.append(*batch)
        if save:
            engine.handle(*batch.events)
    if save:
        assert await state.save_engine(engine) == ""


def test_a_state_is_recovered_twice(closed: Path) -> None:
    last = read_anchor(closed / "anchor").head.sequence
    for number in (1, 2):
        remove_row(closed, last - 10 * number)

        recovered = recover(closed)

        assert recovered.last == last - 10 * number - 1
        assert recovered.aside.endswith(f"damaged-{number}")
        assert len(opens(closed).batches) > 10


def test_without_an_anchor_the_end_is_not_known_to_be_the_end(
    closed: Path, made: tuple[Path, Truth]
) -> None:
    (closed / "anchor").unlink()

    recovered = recover(closed)

    assert recovered.lost == 0
    assert any("no anchor" in words for words in recovered.words)
    assert opens(closed).batches == made[1].batches


@pytest.mark.parametrize("step", ["mkdir", "move", "anchor", "rename", "unlink"])
def test_a_crash_while_recovering_is_no_obstacle(
    closed: Path, made: tuple[Path, Truth], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    turn(closed / "noljima.db", b'{"kind":"Batch"', nth=20, by=30)
    damaged = (closed / "noljima.db").read_bytes()
    anchor = (closed / "anchor").read_bytes()
    target, name = {
        "mkdir": (Path, "mkdir"),
        "move": (shutil, "move"),
        "anchor": (recovery, "create_anchor"),
        "rename": (Path, "rename"),
        "unlink": (recovery, "_finished"),
    }[step]
    with monkeypatch.context() as patched:
        patched.setattr(target, name, _dies)
        with pytest.raises(KeyboardInterrupt):
            recover(closed)

    assert opens(closed).batches == made[1].batches
    assert (closed / "damaged-1" / "noljima.db").read_bytes() == damaged
    assert (closed / "damaged-1" / "anchor").read_bytes() == anchor
    assert not (closed / "recovery").exists()


def _dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def lost(folder: Path) -> None:
    (folder / "noljima.db").unlink()


def nonsense(folder: Path) -> None:
    (folder / "noljima.db").write_bytes(b"nonsense" * 1000)


def emptied(folder: Path) -> None:
    change(folder, "DELETE FROM journal")


def newer(folder: Path) -> None:
    change(folder, "PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lost, Fault.MISSING),
        (nonsense, Fault.DAMAGED),
        (emptied, Fault.DAMAGED),
        (newer, Fault.VERSION),
    ],
)
def test_where_there_is_nothing_to_go_back_to_all_is_left(
    closed: Path, spoil: Callable[[Path], None], fault: Fault
) -> None:
    spoil(closed)
    before = sorted(path.name for path in closed.iterdir() if "-" not in path.name)

    with pytest.raises(StateError) as caught:
        recover(closed)

    assert caught.value.fault is fault
    assert sorted(p.name for p in closed.iterdir() if "-" not in p.name) == before


def test_a_state_in_use_is_not_recovered(closed: Path) -> None:
    with State.open(closed, sizes=SMALL), pytest.raises(StateError) as caught:
        recover(closed)

    assert caught.value.fault is Fault.IN_USE


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        recover(tmp_path / "nowhere")

    assert caught.value.fault is Fault.MISSING


@given(payload=st.binary(min_size=1, max_size=60), data=st.data())
def test_one_turned_bit_in_a_row_is_found(payload: bytes, data: st.DataObject) -> None:
    before = Head(4, b"\x05" * 32)
    total = b"\x01" * 16
    row = Row(5, total, link(before.hash, 5, total, payload), payload)
    after = Row(6, total, link(row.hash, 6, total, b"x"), b"x")
    part = data.draw(st.sampled_from(["total", "hash", "payload"]))
    content = bytearray(getattr(row, part))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    spoiled = {
        "total": row._replace(total=bytes(content)),
        "hash": row._replace(hash=bytes(content)),
        "payload": row._replace(payload=bytes(content)),
    }[part]
    assert salvage.mend(before, spoiled, after) == row


def test_two_turned_bits_are_not_put_right() -> None:
    row = Row(1, bytes(16), link(bytes(32), 1, bytes(16), b"payload"), b"qazload")

    assert salvage.mend(Head(0, bytes(32)), row, None) is None


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_left_was_written(crashed: Path, made: tuple[Path, Truth], seed: int) -> None:
    random = Random(seed)  # noqa: S311 - which bits, not a secret
    for _ in range(random.choice([1, 1, 3])):
        path = crashed / random.choice(["noljima.db", "noljima.db-wal"])
        content = bytearray(path.read_bytes())
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        path.write_bytes(content)

    recovered = recover(crashed)
    left = opens(crashed).batches

    assert left == [batch for batch in made[1].batches if batch in left]
    assert recovered.last + recovered.lost >= made[1].batches[-1].line


def test_the_result_is_plain_data(closed: Path) -> None:
    recovered = recover(closed)

    assert msgspec.json.decode(msgspec.json.encode(recovered), type=type(recovered)) == recovered
