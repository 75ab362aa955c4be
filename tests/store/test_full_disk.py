"""On a full disk what runs is still written down, nothing new is accepted, and nothing is lost."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from noljima.model.events import Event, Finished, Ticked
from noljima.model.resources import JobId
from noljima.store.faults import Fault, StateError
from noljima.store.folder import folder_of
from noljima.store.notices import Notice
from noljima.store.recording import StateRecording
from noljima.store.reserve import Reserve
from noljima.store.state import Sizes, State
from noljima.store.writes import AddNotice, PutItem
from noljima.testing.day import header

DISK_BYTES = 3 << 20
LARGE = bytes(9999)
SMALL = bytes(999)
SIZES = Sizes(reserve_bytes=1 << 20, room_bytes=1 << 16)


@pytest.fixture
def disk() -> Iterator[Path]:
    """Return a disk of three MiB; skipped where nobody may make one."""
    # Not in pytest's own folder, which other sessions tidy while something is mounted in it.
    place = Path(tempfile.mkdtemp(prefix="noljima-disk-"))
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    try:
        if subprocess.run(words, capture_output=True, check=False).returncode:  # noqa: S603
            pytest.skip("only root may mount a small disk")
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)  # noqa: S603, S607
        place.rmdir()


def finished(number: int) -> tuple[Event, ...]:
    return (Finished(at_s=float(number), job=JobId(f"j{number}")),)


def events_of(folder: Path) -> list[tuple[Event, ...]]:
    recording = StateRecording(folder_of(folder))
    recording._after = recording._reader.head(1) or recording._after
    found = [batch.events for batch in recording]
    recording.close()
    return found


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    path = disk / "somebody-s-logs"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


def test_what_has_ended_is_written_on_a_full_disk_and_nothing_new_is_accepted(disk: Path) -> None:
    with State.create(disk / "state", header(), sizes=SIZES) as state:

        async def run() -> list[tuple[Event, ...]]:
            written = [finished(1)]
            await state.append(finished(1), ())
            assert state.refusal() == ""
            logs = fill(disk)
            # 1. Nothing new is accepted, in words.
            assert "is full" in state.refusal()
            assert "what runs goes on" in state.refusal()
            # 2. What has happened is written: it takes the reserve.
            for number in range(2, 40):
                await state.append(finished(number), ())
                written.append(finished(number))
            assert not (disk / "state" / "reserve").exists()
            assert "is full" in state.refusal()
            # 3. What may wait is refused, and leaves no trace.
            for write in (AddNotice(Notice(key="k", what="w")), PutItem("s", "k", b"")):
                with pytest.raises(StateError) as caught:
                    await state.write(write)
                assert caught.value.fault is Fault.FULL
            with pytest.raises(StateError):
                await state.keep("history", bytes(1 << 20))
            # 4. When there is room again, the reserve is made again and all goes on.
            logs.unlink()
            assert state.refusal() == ""
            assert (disk / "state" / "reserve").exists()
            await state.write(PutItem("s", "k", b"x"))
            return written

        written = asyncio.run(run())
    assert events_of(disk / "state") == written
    with State.open(disk / "state", full=True, sizes=SIZES) as state:
        assert state.refusal() == ""


def test_beyond_the_reserve_nothing_is_acknowledged_and_the_same_can_be_tried_again(
    disk: Path,
) -> None:
    with State.create(disk / "state", header(), sizes=SIZES) as state:

        async def run() -> list[tuple[Event, ...]]:
            written: list[tuple[Event, ...]] = []
            logs = fill(disk)
            number = 0
            refusal: StateError | None = None
            while refusal is None:
                number += 1
                try:
                    await state.append(finished(number), (), [PutItem("s", str(number), LARGE)])
                    written.append(finished(number))
                except StateError as error:
                    refusal = error
            assert refusal.fault is Fault.FULL
            assert "what runs goes on" in str(refusal)
            assert len(written) > 10
            logs.unlink()
            await state.append(finished(number), ())
            return [*written, finished(number)]

        written = asyncio.run(run())
    assert events_of(disk / "state") == written
    # What was refused has left no trace in the tables' sum either.
    State.open(disk / "state", full=True, sizes=SIZES).close()


def test_a_state_opens_on_a_full_disk(disk: Path) -> None:
    with State.create(disk / "state", header(), sizes=SIZES) as state:
        asyncio.run(state.append(finished(1), ()))
    logs = fill(disk)

    with State.open(disk / "state", sizes=SIZES) as state:
        assert "is full" in state.refusal()
        asyncio.run(state.append(finished(2), ()))
        logs.unlink()
        assert state.refusal() == ""
        assert (disk / "state" / "reserve").stat().st_size == SIZES.reserve_bytes
    assert events_of(disk / "state") == [finished(1), finished(2)]


def test_without_reserve_and_room_a_state_says_that_the_disk_is_full(disk: Path) -> None:
    State.create(disk / "state", header(), sizes=SIZES).close()
    (disk / "state" / "reserve").unlink()
    logs = fill(disk)

    with pytest.raises(StateError, match="its disk is full") as caught:
        State.open(disk / "state", sizes=SIZES)
    logs.unlink()

    assert caught.value.fault is Fault.FULL
    State.open(disk / "state", sizes=SIZES).close()


def test_a_state_is_not_begun_on_a_full_disk(disk: Path) -> None:
    logs = fill(disk)

    with pytest.raises(StateError) as caught:
        State.create(disk / "state", header(), sizes=SIZES)

    assert caught.value.fault is Fault.FULL
    logs.unlink()
    State.create(disk / "state", header(), sizes=SIZES).close()


def test_without_a_small_disk_sqlite_s_own_limit_shows_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with State.create(tmp_path / "state", header(), sizes=SIZES) as state:
        pages = state._connection.execute("PRAGMA page_count").fetchone()[0]

        def limit(more: int) -> None:
            state._connection.execute(f"PRAGMA max_page_count = {pages + more}")

        release = Reserve.release

        def released(reserve: Reserve) -> bool:
            limit(30)
            return release(reserve)

        monkeypatch.setattr(Reserve, "release", released)
        monkeypatch.setattr(Reserve, "free_bytes", lambda _: 0)
        limit(2)

        async def run() -> int:
            number = 0
            fault: Fault | None = None
            while fault is None:
                number += 1
                try:
                    await state.append(finished(number), (), [PutItem("s", str(number), SMALL)])
                except StateError as error:
                    fault = error.fault
            assert fault is Fault.FULL
            assert not state._reserve.held
            assert "is full" in state.refusal()
            return number

        last = asyncio.run(run())
    assert last > 10
    assert events_of(tmp_path / "state") == [finished(number) for number in range(1, last)]


def test_what_was_refused_leaves_no_trace_in_the_sum_of_the_tables(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SIZES) as state:
        pages = state._connection.execute("PRAGMA page_count").fetchone()[0]
        state._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        async def run() -> None:
            with pytest.raises(StateError):
                await state.append(finished(1), (), [PutItem("s", "large", bytes(99_999))])
            state._connection.execute("PRAGMA max_page_count = 100000")
            await state.append(finished(1), (), [PutItem("s", "small", b"x")])

        asyncio.run(run())
    with State.open(tmp_path / "state", full=True, sizes=SIZES) as state, state.reader() as reader:
        assert reader.items("s") == {"small": b"x"}


_LIMITED = """
import asyncio, sys
from noljima.model.events import Ticked
from noljima.store.faults import StateError
from noljima.store.state import Sizes, State
from noljima.store.writes import PutItem

async def run(state):
    for number in range(1, 10_000):
        writes = [PutItem("s", str(number), bytes(999))]
        await state.append((Ticked(at_s=float(number)),), (), writes)
        print(number, flush=True)

with State.create(sys.argv[1], {"policy": "fair"}, sizes=Sizes(reserve_bytes=4096)) as state:
    try:
        asyncio.run(run(state))
    except StateError as error:
        print(error.fault, flush=True)
"""


def test_a_limit_on_the_size_of_files_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = subprocess.run(  # noqa: S603 - ourselves, without threads yet
        [sys.executable, "-c", _LIMITED, str(tmp_path / "state")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    *acknowledged, fault = done.stdout.split("\n")[:-1]

    assert fault == Fault.FULL, done.stderr
    assert len(acknowledged) > 30
    found = events_of(tmp_path / "state")
    assert found == [(Ticked(at_s=float(n)),) for n in range(1, len(acknowledged) + 1)]


def test_a_reserve_that_cannot_be_made_is_no_obstacle(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", size_bytes=1 << 62)

    assert not reserve.held
    assert reserve.short()
    assert not reserve.release()
    assert not (tmp_path / "reserve").exists()


def test_a_file_with_a_hole_is_no_reserve(tmp_path: Path) -> None:
    with (tmp_path / "reserve").open("wb") as file:
        file.truncate(1 << 20)

    reserve = Reserve(tmp_path / "reserve", size_bytes=1 << 20, room_bytes=0)

    assert reserve.held
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
