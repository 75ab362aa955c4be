"""An engine stands again where it stood: the same commands follow, or it is told why not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noljima.app import EngineSpec, build_engine
from noljima.engine import Engine
from noljima.runtime import snapshot
from noljima.store.faults import Fault, StateError
from noljima.store.resuming import Resumed, Unresumed, hand_over, resume
from noljima.store.state import Sizes, State
from noljima.testing.day import SHAPE, Told, day, engine_of, header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


async def live(state: State, told: Sequence[Told], engine: Engine, keep_at: int = -1) -> None:
    for number, batch in enumerate(told):
        if number == keep_at:
            assert await state.save_engine(engine) == ""
        assert tuple(engine.handle(*batch.events)) == batch.commands
        await state.append(*batch)
    if keep_at == len(told):
        assert await state.save_engine(engine) == ""


def resumed(state: State) -> Resumed:
    found = resume(state.folder, state.now, engine_of)
    assert isinstance(found, Resumed)
    return found


def says_the_same(engine: Engine, told: Sequence[Told]) -> bool:
    return all(tuple(engine.handle(*batch.events)) == batch.commands for batch in told)


@pytest.mark.parametrize("kept", [True, False])
def test_a_resumed_engine_goes_on_as_it_would_have(tmp_path: Path, *, kept: bool) -> None:
    told = day(0)
    half = len(told) // 2
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        keep_at = half // 2 if kept else -1
        asyncio.run(live(state, told[:half], engine_of(header()), keep_at))
    with State.open(tmp_path / "state", sizes=SMALL) as state:
        found = resumed(state)

        assert found.began == ("the engine's state after row 22" if kept else "a new engine")
        assert found.replayed.batches == (half - half // 2 if kept else half)
        assert found.notes == ()
        assert says_the_same(found.engine, told[half:])


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    policy=st.sampled_from(["fair", "efficient", "share", "easy"]),
    source=st.sampled_from(["limit", "history", "last-two"]),
)
def test_kept_state_and_tail_say_what_the_whole_journal_says(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    parts: tuple[float, float],
    policy: str,
    source: str,
) -> None:
    spec = EngineSpec(policy=policy, estimates=source, space="grid")
    told = day(seed, SHAPE, spec)
    first, second = sorted(int(part * len(told)) for part in parts)
    folder = tmp_path_factory.mktemp("state")
    with State.create(folder, header(spec), sizes=SMALL) as state:
        asyncio.run(live(state, told[:second], build_engine(spec), first))
    with State.open(folder, sizes=SMALL) as state:
        found = resumed(state)
        assert first == 0 or found.replayed.batches == second - first
        assert says_the_same(found.engine, told[second:])


def test_an_anchor_from_before_the_kept_state_vouches_as_well(tmp_path: Path) -> None:
    # As when the newer of its slots is spoiled: what is behind the older one was acknowledged too.
    told = day(0)
    folder = tmp_path / "state"
    engine = engine_of(header())
    with State.create(folder, header(), sizes=SMALL) as state:
        asyncio.run(live(state, told[:5], engine))
        anchor = (folder / "anchor").read_bytes()
        asyncio.run(live(state, told[5:10], engine, 5))
    (folder / "anchor").write_bytes(anchor)

    with State.open(folder, sizes=SMALL) as state:
        assert state.head.sequence == 12
        assert state.checked.verified == 7


def kept_by_other_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, behind: int = 0
) -> list[Told]:
    """Make a state whose engine was kept by other code, so many batches before the end."""
    told = day(0)
    cut = len(told) // 2
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "fingerprint", lambda: "of another version")
        with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
            asyncio.run(live(state, told[:cut], engine_of(header()), cut - behind))
    return told[cut:]


def test_a_state_that_other_code_has_kept_is_worked_out_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = kept_by_other_code(tmp_path, monkeypatch)
    with State.open(tmp_path / "state", sizes=SMALL) as state:
        found = resumed(state)

        assert found.began == "a new engine"
        assert "another version of the program" in found.notes[0]
        assert says_the_same(found.engine, rest)


def test_a_kept_state_that_is_wrong_is_found_out(tmp_path: Path) -> None:
    told = day(0)
    half = len(told) // 2

    async def keep_another() -> None:
        await live(state, told[: half // 2], engine_of(header()))
        # The engine of another day, under the right name and with the right digest.
        other = engine_of(header())
        for batch in day(5)[:10]:
            other.handle(*batch.events)
        assert await state.save_engine(other) == ""
        for batch in told[half // 2 : half]:
            await state.append(*batch)

    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(keep_another())
    with State.open(tmp_path / "state", sizes=SMALL) as state:
        found = resumed(state)

        assert "does not fit what followed" in found.notes[0]
        assert found.began == "a new engine"
        assert says_the_same(found.engine, told[half:])


def test_a_kept_state_that_is_gone_is_worked_out_anew(tmp_path: Path) -> None:
    told = day(0)
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(live(state, told, engine_of(header()), 10))
    (path,) = (tmp_path / "state" / "kept").iterdir()
    path.write_bytes(b"")
    with State.open(tmp_path / "state", sizes=SMALL) as state:
        found = resumed(state)

        assert "is not as it was written" in found.notes[0]
        assert found.replayed.batches == len(told)


def other_engine(_: Mapping[str, object]) -> Engine:
    """Build what a new version might be: it decides otherwise."""
    return build_engine(EngineSpec(policy="conservative", estimates="limit", space="grid"))


def test_code_that_decides_otherwise_is_told_of_and_nothing_is_guessed(tmp_path: Path) -> None:
    told = day(0)
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(live(state, told, engine_of(header())))
        found = resume(state.folder, state.now, other_engine)

    assert isinstance(found, Unresumed)
    assert "does not decide as was recorded" in found.words
    assert found.difference.recorded != found.difference.now


def test_other_code_takes_over_where_the_old_one_was_ended_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = kept_by_other_code(tmp_path, monkeypatch)
    with State.open(tmp_path / "state", sizes=SMALL) as state:
        engine = hand_over(state.folder)
        asyncio.run(state.begin_era(header(), snapshot.save(engine)))
        asyncio.run(live(state, rest[:5], engine))
    with State.open(tmp_path / "state", full=True, sizes=SMALL) as state:
        found = resumed(state)

        assert found.began == "the state that its era begins with"
        assert found.replayed.batches == 5
        assert says_the_same(found.engine, rest[5:])


def test_other_code_does_not_take_over_what_it_has_not_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_by_other_code(tmp_path, monkeypatch, behind=1)
    with (
        State.open(tmp_path / "state", sizes=SMALL) as state,
        pytest.raises(StateError, match="goes on behind the engine's kept state") as caught,
    ):
        hand_over(state.folder)

    assert caught.value.fault is Fault.REFUSED
    assert "end it once with the program that has written it" in caught.value.advice


def test_without_a_kept_state_nobody_takes_over(tmp_path: Path) -> None:
    with (
        State.create(tmp_path / "state", header(), sizes=SMALL) as state,
        pytest.raises(StateError, match="keeps no engine's state"),
    ):
        hand_over(state.folder)


def test_an_engine_that_cannot_be_kept_costs_time_only(tmp_path: Path) -> None:
    class Foreign:
        """A source of estimates that is none of the core's."""

    engine = engine_of(header())
    engine.estimates._source = Foreign()  # type: ignore[assignment]
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        words = asyncio.run(state.save_engine(engine))

        assert "no class of the core" in words
        assert state.engine_kept() is None


def test_an_engine_is_not_kept_between_a_decision_and_its_row(tmp_path: Path) -> None:
    told = day(0)
    engine = engine_of(header())

    async def at_once(state: State) -> str:
        writing = asyncio.gather(*(state.append(*batch) for batch in told[:3]))
        await asyncio.sleep(0)
        words = await state.save_engine(engine)
        await writing
        return words

    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        assert asyncio.run(at_once(state)) == "batches are still being written"
