"""A state's folder is replayed as a journal is, and a damaged one is gone back from."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from noljima import cli
from noljima.runtime import snapshot
from noljima.runtime.replay import Digest
from noljima.store.state import Sizes, State
from noljima.testing.day import Told, day, engine_of, header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


def noljima(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


@pytest.fixture
def told() -> list[Told]:
    """Return a day."""
    return day(0)


@pytest.fixture
def folder(tmp_path: Path, told: list[Told]) -> Path:
    """Return a state that holds the day."""
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(write(state, told))
    return tmp_path / "state"


async def write(state: State, told: list[Told]) -> None:
    for batch in told:
        await state.append(*batch)


def digest_of(told: list[Told]) -> str:
    digest = Digest()
    for batch in told:
        digest.observe(batch.events, batch.commands)
    return digest.hexdigest()


@pytest.mark.parametrize("name", ["", "noljima.db"])
def test_a_state_replays_to_the_same_decisions(folder: Path, told: list[Told], name: str) -> None:
    result = noljima("replay", folder / name, "--validate", "--json", "-")

    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["equal"]
    assert found["torn"] == ""
    assert found["replayed"]["batches"] == len(told)
    assert found["replayed"]["digest"] == digest_of(told)
    assert found["engine"] == header()


def test_a_state_in_use_is_replayed_as_far_as_it_is(folder: Path, told: list[Told]) -> None:
    with State.open(folder, sizes=SMALL):
        result = noljima("replay", folder)

    assert result.exit_code == 0, result.output
    assert f"replayed  {len(told):,} batches" in result.output


def test_one_job_of_a_state_is_told_of(folder: Path) -> None:
    result = noljima("replay", folder, "--explain", "j000")

    assert "job       j000" in result.output
    assert '"type":"Submitted"' in result.output


def test_a_damaged_row_is_refused_and_never_replayed(folder: Path) -> None:
    path = folder / "noljima.db"
    content = bytearray(path.read_bytes())
    content[content.index(b'"Finished"') + 3] ^= 1
    path.write_bytes(content)

    result = noljima("replay", folder)

    assert result.exit_code == 2
    assert "is not as it was written at row" in result.output
    assert "noljima recover" in result.output


def test_missing_rows_at_the_end_are_told(folder: Path, told: list[Told]) -> None:
    before = (folder / "noljima.db").read_bytes()
    with State.open(folder, sizes=SMALL) as state:
        engine = engine_of(header())
        for batch in told:
            engine.handle(*batch.events)
        asyncio.run(state.write(words="one more"))
    (folder / "noljima.db").write_bytes(before)

    result = noljima("replay", folder)

    assert "1 acknowledged row behind row" in result.output
    assert "what comes before it was replayed" in result.output


def test_a_copy_that_went_another_way_is_not_replayed(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for place, words in ((folder, "one"), (other, "another")):
        with State.open(place, sizes=SMALL) as state:
            asyncio.run(state.write(words=words))
    shutil.copy(other / "noljima.db", folder / "noljima.db")

    result = noljima("replay", folder)

    assert result.exit_code == 2
    assert "and its anchor differ" in result.output


def test_without_its_anchor_a_replay_says_what_is_not_known(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "noljima.db", alone)

    result = noljima("replay", alone)

    assert result.exit_code == 0
    assert "whether rows are missing at the end is not known" in result.output


@pytest.mark.parametrize(("era", "batches"), [(1, 10), (2, 5), (None, 5)])
def test_the_batches_of_each_engine_are_replayed(
    tmp_path: Path, told: list[Told], era: int | None, batches: int
) -> None:
    engine = engine_of(header())
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:

        async def run() -> None:
            await write(state, told[:10])
            for batch in told[:10]:
                engine.handle(*batch.events)
            await state.begin_era(header(), snapshot.save(engine))
            await write(state, told[10:15])

        asyncio.run(run())

    given = [] if era is None else ["--era", era]
    result = noljima("replay", tmp_path / "state", *given)

    assert result.exit_code == 0, result.output
    assert f"replayed  {batches} batches" in result.output


def test_an_era_that_there_is_not_is_refused(folder: Path) -> None:
    result = noljima("replay", folder, "--era", 2)

    assert result.exit_code == 2
    assert "has no era 2: there are 1" in result.output


@pytest.mark.parametrize("command", ["replay", "recover"])
def test_what_is_no_state_is_refused_in_a_sentence(tmp_path: Path, command: str) -> None:
    (tmp_path / "noljima.db").write_bytes(b"SQLite format 3\0" + bytes(1000))

    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "noljima.db"):
        result = noljima(command, path)

        assert result.exit_code == 2
        assert result.output.count("\n") == 1


def test_a_database_of_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "noljima.db", tmp_path / "other.db")

    result = noljima("replay", tmp_path / "other.db")

    assert result.exit_code == 2
    assert "with the name noljima.db" in result.output


def test_a_whole_state_needs_no_recovery(folder: Path) -> None:
    result = noljima("recover", folder)

    assert result.exit_code == 0
    assert "nothing is wrong with it" in result.output


def test_recovery_says_what_is_lost(folder: Path, told: list[Told], tmp_path: Path) -> None:
    with State.open(folder, sizes=SMALL) as state:
        asyncio.run(state.write(words="one more"))
        shutil.copytree(folder, tmp_path / "crashed")
    (tmp_path / "crashed" / "noljima.db-wal").unlink()

    result = noljima("recover", tmp_path / "crashed")

    assert result.exit_code == 1
    assert f"1 acknowledged row behind row {len(told) + 1:,} is lost" in result.output
    assert "damaged-1" in result.output
    assert noljima("replay", tmp_path / "crashed").exit_code == 0
    again = noljima("recover", tmp_path / "crashed", "--json")
    assert json.loads(again.output)["whole"]


def test_an_anchor_elsewhere_is_taken(tmp_path: Path) -> None:
    anchors = tmp_path / "anchors"
    State.create(tmp_path / "state", header(), anchors=anchors, sizes=SMALL).close()

    assert noljima("recover", tmp_path / "state", "--anchors", anchors).exit_code == 0
    assert not (tmp_path / "state" / "anchor").exists()
