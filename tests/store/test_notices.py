"""A notice goes out at least once, never before its cause is on the disk, always under one key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noljima.model.events import Ticked
from noljima.store.notices import (
    ATTEMPTS_MAX,
    RETRY_S_MAX,
    Notice,
    Outgoing,
    Sending,
    after,
    pause_s,
)
from noljima.store.state import Sizes, State
from noljima.store.writes import AddNotice, DropNotices, NoticeTried
from noljima.testing.day import header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


def outbox(state: State) -> list[Outgoing]:
    with state.reader() as reader:
        return reader.outbox()


def test_pauses_grow_to_an_hour() -> None:
    pauses = [pause_s(attempts) for attempts in range(1, ATTEMPTS_MAX)]

    assert pauses[:3] == [15.0, 30.0, 60.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == RETRY_S_MAX
    assert 1.5 * 86400 < sum(pauses) < 3 * 86400


def test_an_attempt_ends_in_success_a_pause_or_giving_up() -> None:
    assert after(1, 10.0, "") == (Sending.SENT, 10.0)
    assert after(1, 10.0, "no route") == (Sending.PENDING, 25.0)
    assert after(ATTEMPTS_MAX, 10.0, "no route") == (Sending.GIVEN_UP, 10.0)
    assert after(ATTEMPTS_MAX, 10.0, "") == (Sending.SENT, 10.0)


def test_a_notice_is_there_with_its_batch_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        # In the same transaction: nobody can see the one without the other.
        committed = state._committer._set_anchor

        def look(head: object) -> None:
            seen.append(len(outbox(state)))
            committed(head)  # type: ignore[arg-type]

        monkeypatch.setattr(state._committer, "_set_anchor", look)
        add = state._committer._add

        def added(*values: object) -> object:
            head = add(*values)  # type: ignore[arg-type]
            seen.append(len(outbox(state)))
            return head

        monkeypatch.setattr(state._committer, "_add", added)
        notice = AddNotice(Notice(key="j/started", what="started", job="j", to="kim"))
        asyncio.run(state.append((Ticked(at_s=1.0),), (), [notice]))

        assert seen == [0, 1]
        (found,) = outbox(state)
        assert found.sequence == state.head.sequence
        assert found.notice == notice.notice


def test_a_cause_that_is_written_twice_is_told_once(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:

        async def run() -> None:
            await state.write(AddNotice(Notice(key="k", what="started", body="first")))
            await state.write(AddNotice(Notice(key="k", what="started", body="second")))
            await state.write(NoticeTried("k", 5.0))
            await state.write(AddNotice(Notice(key="k", what="started", body="third")))
            await state.write(NoticeTried("k", 9.0, "a late answer"))

        asyncio.run(run())
        (found,) = outbox(state)

    assert found.notice.body == "first"
    assert (found.sending, found.due_s, found.attempts) == (Sending.SENT, 5.0, 1)


def test_failures_are_tried_again_after_a_pause_also_after_a_restart(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:

        async def run() -> None:
            await state.write(
                AddNotice(Notice(key="a", what="started", due_s=3.0)),
                AddNotice(Notice(key="b", what="started", due_s=9.0)),
            )
            await state.write(NoticeTried("a", 4.0, "no route to host"))

        asyncio.run(run())
    with State.open(tmp_path / "state", sizes=SMALL) as state, state.reader() as reader:
        assert reader.due(5.0) == []
        assert reader.next_due_s() == 9.0
        assert [o.notice.key for o in reader.due(9.0)] == ["b"]
        assert [o.notice.key for o in reader.due(19.0)] == ["b", "a"]
        assert reader.due(19.0, limit=1)[0].notice.key == "b"
        failed = reader.due(19.0)[1]
        assert (failed.error, failed.attempts, failed.due_s) == ("no route to host", 1, 19.0)


def test_only_what_is_done_with_is_forgotten(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:

        async def run() -> None:
            await state.write(*(AddNotice(Notice(key=k, what="started")) for k in "abc"))
            await state.write(NoticeTried("a", 5.0), NoticeTried("b", 50.0))
            await state.write(DropNotices(10.0), NoticeTried("nobody", 1.0))

        asyncio.run(run())
        assert [o.notice.key for o in outbox(state)] == ["b", "c"]
        with state.reader() as reader:
            after_b = reader.outbox(after=outbox(state)[0].number)
    assert [o.notice.key for o in after_b] == ["c"]


def test_long_errors_are_shortened(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", header(), sizes=SMALL) as state:
        asyncio.run(
            state.write(
                AddNotice(Notice(key="a", what="started")), NoticeTried("a", 1.0, "x" * 10_000)
            )
        )
        assert len(outbox(state)[0].error) == 500
