"""What is told only once it is on the disk, and what happens while the disk is full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from noljima.app import EngineSpec, build_engine
from noljima.drivers.local.endings import Ending
from noljima.drivers.local.facts import Ended
from noljima.model.commands import Command
from noljima.model.events import Event, Evicted, Finished, NodeSeen, Outcome, Started, Submitted
from noljima.model.node import Node
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.notify.kinds import Kind
from noljima.notify.message import Message, decoded
from noljima.service import ledger as ledgers
from noljima.service import shelves
from noljima.service.admission import Admission
from noljima.service.handed import Handed, read_handed
from noljima.service.ledger import Ledger
from noljima.service.past import read_past
from noljima.service.telling import Telling
from noljima.store.faults import Fault, StateError
from noljima.store.state import State
from noljima.submission.nouns import Submission

SPEC = EngineSpec(policy="fair", space="grid", promises=True)
NODE = Node(id=NodeId("here"), gpus=4)
J = JobId("1")


class Desk:
    """A ledger with its engine and state, told what happens by hand."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.engine = build_engine(SPEC)
        self.put: list[Event] = []
        self.ledger = Ledger(state, self.engine, Telling(self.engine, "the limit"), self._put)

    def _put(self, make: Callable[[float], Event]) -> Event:
        self.put.append(make(self.engine.state.now_s))
        return self.put[-1]

    async def tell(self, *events: Event) -> list[Command]:
        """Let the engine handle a batch and the ledger write it."""
        commands = self.engine.handle(*events)
        await self.ledger.append(events, commands)
        return commands

    def admit(self, **fields: object) -> Admission:
        """Let a job be on its way."""
        gang = gang_of(1, Resources(gpu_milli=GPU))
        given = {"gang": gang, "folder": "/", "argv": ("true",), "limit_s": 100.0}
        submission = Submission(**(given | fields))  # type: ignore[arg-type]
        handed = Handed(base="1", user="kim", uid=0, gid=0, submission=submission)
        admission = Admission((handed,), 2, "0/k", 1.0)
        self.ledger.admit(admission)
        self.ledger.waits.take(handed, lambda _: None)
        return admission

    def submitted(self, admission: Admission, at_s: float = 1.0) -> Submitted:
        """Return the event of a job that was admitted."""
        return Submitted(at_s=at_s, job=admission.handed[0].job(J))

    def messages(self) -> dict[str, Message]:
        """Return what is in the outbox, by key."""
        with self.state.reader() as reader:
            found = {each.notice.key: decoded(each.notice.body) for each in reader.outbox()}
        return {key: body for key, body in found.items() if isinstance(body, Message)}


def state_in(folder: Path) -> State:
    return State.create(folder / "state", {"policy": "fair"})


def test_all_that_follows_from_a_submission_is_in_one_row(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        admission = desk.admit(notify=("all",))
        before = desk.state.commits
        await desk.tell(NodeSeen(at_s=1.0, node=NODE), desk.submitted(admission))

        assert desk.state.commits == before + 1
        assert admission.written.done()

    with state_in(tmp_path) as state:
        desk = Desk(state)
        asyncio.run(story(desk))
        with state.reader() as reader:
            body = reader.item(shelves.SPECS, "1")
            assert body is not None
            assert read_handed(body).user == "kim"
            assert reader.item(shelves.SERVICE, shelves.NEXT) == b"2"
            assert reader.item(shelves.KEYS, "0/k") is not None
            (record,) = reader.unended()
        assert (record.job, record.state, record.told.source) == ("1", "starting", "the limit")
        accepted = desk.messages()["1/accepted/1"]
        assert (accepted.user, accepted.wanted) == ("kim", ("all",))


def test_what_became_of_runs_is_kept_and_owners_are_told(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        admission = desk.admit()
        await desk.tell(NodeSeen(at_s=1.0, node=NODE), desk.submitted(admission))
        await desk.tell(Started(at_s=2.0, job=J, attempt=1))
        desk.ledger.heard(Ended(J, 1, Ending(outcome="evict", reason="it makes way for job 9")))
        await desk.tell(Evicted(at_s=12.0, job=J, attempt=1, saved_s=5.0))
        await desk.tell(Started(at_s=13.0, job=J, attempt=2))
        desk.ledger.heard(Ended(J, 2, Ending(outcome="exited", codes=(7,))))
        await desk.tell(Finished(at_s=20.0, job=J, attempt=2, outcome=Outcome.FAILED))

    with state_in(tmp_path) as state:
        desk = Desk(state)
        asyncio.run(story(desk))
        with state.reader() as reader:
            past = read_past(reader.item(shelves.PASTS, "1"))
        said = desk.messages()

    assert [(run.begun_s, run.ended_s, run.way) for run in past.runs] == [
        (2.0, 12.0, "evict"),
        (13.0, 20.0, "exited"),
    ]
    assert (past.codes, past.words) == ((7,), "it ended with exit code 7")
    assert [*said] == [
        "1/accepted/1",
        "1/started/1",
        "1/evicted/1",
        "1/started/2",
        "1/failed/2",
    ]
    evicted = said["1/evicted/1"]
    assert (evicted.saved_s, evicted.why) == (5.0, "it makes way for job 9")
    assert (said["1/failed/2"].ran_s, said["1/failed/2"].why) == (7.0, "it ended with exit code 7")
    assert said["1/failed/2"].what is Kind.FAILED


def test_on_a_full_disk_nobody_is_answered_and_the_batch_is_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = asyncio.Event()
    append = State.append

    async def full(
        self: State,
        events: Sequence[Event],
        commands: Sequence[Command],
        writes: Sequence = (),  # type: ignore[type-arg]
    ) -> None:
        if not room.is_set():
            raise StateError(Fault.FULL, "here", "its disk is full")
        await append(self, events, commands, writes)

    async def story(desk: Desk) -> None:
        admission = desk.admit()
        event = desk.submitted(admission)
        done = asyncio.create_task(desk.ledger.done(event))
        telling = asyncio.create_task(desk.tell(NodeSeen(at_s=1.0, node=NODE), event))
        while not desk.ledger.full:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)

        assert "its disk is full" in desk.ledger.full
        assert not admission.written.done()
        assert not done.done()
        room.set()
        await telling
        await done
        assert admission.written.done()
        assert desk.ledger.full == ""

    monkeypatch.setattr(ledgers, "AGAIN_S", 0.0)
    with state_in(tmp_path) as state:
        desk = Desk(state)
        monkeypatch.setattr(State, "append", full)
        asyncio.run(story(desk))
        with state.reader() as reader:
            assert [record.job for record in reader.unended()] == ["1"]


def test_what_breaks_otherwise_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: State, *arguments: object) -> None:  # noqa: ARG001 - it breaks first
        raise StateError(Fault.BROKEN, "here", "nobody knows what is on the disk")

    with state_in(tmp_path) as state:
        desk = Desk(state)
        monkeypatch.setattr(State, "append", broken)
        with pytest.raises(StateError, match="nobody knows"):
            asyncio.run(desk.tell(NodeSeen(at_s=1.0, node=NODE)))
