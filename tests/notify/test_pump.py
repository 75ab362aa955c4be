"""Notices of a real outbox on their way: once through each channel, whatever fails in between."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from noljima.notify import pump as pumping
from noljima.notify.channel import ChannelError
from noljima.notify.kinds import SITE_KINDS, Kind
from noljima.notify.message import Message
from noljima.notify.outbox import OutboxUnavailableError
from noljima.notify.pump import Pump
from noljima.notify.settings import Route
from noljima.service.postal import StateOutbox
from noljima.store.faults import Fault, StateError
from noljima.store.notices import ATTEMPTS_MAX, Notice, Outgoing, Sending
from noljima.store.state import Sizes, State
from noljima.store.writes import AddNotice
from noljima.testing.day import header
from noljima.testing.workshop import until

T = TypeVar("T")
# Thousands of commits: what they do to a disk is tested with the state.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own in it
SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)


class Moment:
    """A clock on which time passes when somebody waits."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.at_s += seconds


class Ear:
    """A channel that keeps what it hears, and fails as it is told to."""

    def __init__(self, name: str, users: str = "", timeout_s: float = 5.0) -> None:
        self.name = name
        self.route = Route(users=frozenset(users.split()))
        self.timeout_s = timeout_s
        self.error = ""
        self.hangs = False
        self.asked: list[str] = []
        self.heard: list[tuple[str, Message]] = []

    @property
    def notices(self) -> list[str]:
        return [notice for notice, _ in self.heard]

    async def send(self, message: Message, notice: str, at_s: float) -> None:  # noqa: ARG002 - no clock here
        self.asked.append(notice)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.error:
            raise ChannelError(self.error)
        self.heard.append((notice, message))


class KilledError(Exception):
    """The process is gone."""


class Frail(StateOutbox):
    """An outbox that is full, or gone, when it is told to be."""

    full = False
    killed_at_next_try = False

    async def tried(self, key: str, at_s: float, error: str) -> None:
        if self.killed_at_next_try:
            raise KilledError
        if self.full:
            raise OutboxUnavailableError("no room")
        await super().tried(key, at_s, error)


class Office:
    """A state with a pump, its channels and a clock."""

    def __init__(self, folder: Path, *ears: Ear) -> None:
        self.folder = folder
        self.ears = ears
        self.clock = Moment()
        self.warnings: list[str] = []
        self.state = State.create(folder, header(), sizes=SMALL)
        self.begin()

    def begin(self) -> None:
        self.reader = self.state.reader()
        self.outbox = Frail(self.state, self.reader)
        self.pump = Pump(self.outbox, self.ears, self.clock, warn=self.warnings.append)

    def close(self) -> None:
        self.reader.close()
        self.state.close()

    def reopen(self) -> None:
        self.close()
        self.state = State.open(self.folder, sizes=SMALL)
        self.begin()

    async def tell(self, key: str, what: Kind = Kind.FAILED, **fields: object) -> None:
        given = {"job": key, "at_s": 1.0, **fields}
        message = Message(what=what, **given)  # type: ignore[arg-type]  # checked as it is read
        notice = Notice(key=key, what=what, job=key, due_s=self.clock.at_s, body=message.encoded())
        await self.state.write(AddNotice(notice))

    async def turn(self) -> None:
        await self.pump.turn()
        await self.pump.settle()

    async def pass_time(self, seconds: float) -> None:
        self.clock.at_s += seconds
        await self.turn()

    def all(self) -> dict[str, Outgoing]:
        return {each.notice.key: each for each in self.reader.outbox()}


@contextmanager
def office(folder: Path, *ears: Ear) -> Iterator[Office]:
    made = Office(folder / "state", *ears)
    try:
        yield made
    finally:
        made.close()


def test_a_channel_that_fails_is_tried_again_and_the_others_are_left_alone(tmp_path: Path) -> None:
    ears = one, bad, two = Ear("one"), Ear("bad"), Ear("two")
    bad.error = "it rains"

    async def story(made: Office) -> None:
        await made.tell("17/failed/1")
        for wait_s in (0.0, 15.0, 30.0):
            await made.pass_time(wait_s)
        assert made.pump.troubles == {"bad": "it rains"}
        bad.error = ""
        await made.pass_time(59.0)
        assert bad.heard == []
        await made.pass_time(1.0)
        assert made.pump.troubles == {}
        await made.pass_time(1e6)

    with office(tmp_path, *ears) as made:
        asyncio.run(story(made))
        found = made.all()

    assert one.notices == two.notices == bad.notices == ["17/failed/1"]
    assert bad.heard[0][1].job == "17/failed/1"
    assert {key: each.attempts for key, each in found.items()} == {
        "17/failed/1": 1,
        "17/failed/1 @ one": 1,
        "17/failed/1 @ bad": 4,
        "17/failed/1 @ two": 1,
    }
    assert {each.sending for each in found.values()} == {Sending.SENT}
    assert made.warnings == [
        "channel bad: it rains; it will be tried later",
        "channel bad works again",
    ]
    assert (made.pump.counts.sent, made.pump.counts.failed, made.pump.counts.given_up) == (3, 3, 0)


def test_notices_go_in_the_order_in_which_they_are_due_and_none_before(tmp_path: Path) -> None:
    ear = Ear("ear")

    async def story(made: Office) -> None:
        late = Message(what=Kind.FAILED, job="late", at_s=1.0).encoded()
        await made.state.write(
            AddNotice(Notice(key="late", what="failed", due_s=2000.0, body=late))
        )
        for key in "abc":
            await made.tell(key)
            made.clock.at_s += 1
        await made.turn()
        assert ear.notices == ["a", "b", "c"]
        await made.pass_time(2000.0 - made.clock.at_s)

    with office(tmp_path, ear) as made:
        asyncio.run(story(made))
    assert ear.notices == ["a", "b", "c", "late"]


def test_who_is_told_is_whom_the_channels_are_for(tmp_path: Path) -> None:
    site, kim, lee = Ear("site"), Ear("kim", "kim"), Ear("both", "kim lee")

    async def story(made: Office) -> None:
        await made.tell("1", Kind.STARTED, user="kim")
        await made.tell("2", Kind.FAILED, user="lee")
        await made.tell("3", Kind.STARTED, user="lee", wanted=("started",))
        await made.tell("4", Kind.FAILED, user="kim", wanted=("none",))
        await made.turn()

    with office(tmp_path, site, kim, lee) as made:
        asyncio.run(story(made))
        assert len(made.all()) == 4 + 4 + 2

    assert site.notices == ["1", "2", "3", "4"]
    assert kim.notices == []
    assert lee.notices == ["2", "3"]


def test_killed_between_sending_and_writing_it_sends_once_more_under_the_same_key(
    tmp_path: Path,
) -> None:
    ears = one, two = Ear("one"), Ear("two")

    async def killed(made: Office) -> None:
        await made.tell("k")
        made.outbox.killed_at_next_try = True
        two.hangs = True
        await made.pump.turn()
        with pytest.raises(KilledError):
            await asyncio.wait_for(asyncio.gather(*made.pump._at_work.values()), 5.0)
        await made.pump._stop()

    with office(tmp_path, *ears) as made:
        asyncio.run(killed(made))
        assert one.notices == ["k"]
        two.hangs = False
        made.reopen()
        asyncio.run(made.turn())
        asyncio.run(made.pass_time(1e6))

    assert (one.notices, two.notices) == (["k", "k"], ["k"])
    assert one.heard[0] == one.heard[1]


def test_a_channel_that_hangs_is_left_in_time_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    ears = hanging, well = Ear("hanging", timeout_s=0.1), Ear("well")
    hanging.hangs = True

    async def story(made: Office) -> None:
        await made.tell("1")
        await made.pump.turn()
        await until(lambda: bool(well.heard))
        assert list(made.pump._at_work) == ["hanging", "well"]
        # Further notices go out while it still hangs.
        await made.tell("2")
        while len(well.heard) < 2:
            await made.pump.turn()
            await asyncio.sleep(0)
        assert "hanging" in made.pump._at_work
        assert hanging.asked == ["1"]
        await made.pump.settle()

    with office(tmp_path, *ears) as made:
        asyncio.run(story(made))
        assert made.all()["1 @ hanging"].error == "no answer within 0.1 s"


def test_no_backlog_of_a_busy_channel_hides_the_notices_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumping, "LOOK", 4)
    ears = hanging, well = Ear("hanging", users="kim", timeout_s=60.0), Ear("well", users="lee")
    hanging.hangs = True

    async def story(made: Office) -> None:
        for number in range(20):
            await made.tell(f"{number}", user="kim")
        await made.pump.turn()
        made.clock.at_s += 1
        await made.tell("other", user="lee")
        await made.pump.turn()
        await until(lambda: bool(well.heard))
        await made.pump._stop()

    with office(tmp_path, *ears) as made:
        asyncio.run(asyncio.wait_for(story(made), 20.0))
    assert well.notices == ["other"]


def test_what_never_gets_through_is_given_up_and_the_operator_is_told(tmp_path: Path) -> None:
    bad = Ear("bad")
    bad.error = "it rains"

    async def story(made: Office) -> None:
        await made.tell("k")
        for _ in range(ATTEMPTS_MAX + 3):
            await made.pass_time(3600.0)

    with office(tmp_path, bad) as made:
        asyncio.run(story(made))
        leg = made.all()["k @ bad"]

    assert (leg.sending, leg.attempts, leg.error) == (Sending.GIVEN_UP, 60, "it rains")
    assert made.warnings[1:] == ["channel bad: k is given up after 60 attempts: it rains"]
    assert made.pump.counts.given_up == 1


def test_with_a_full_disk_nothing_is_sent_twice_and_all_of_it_is_noted_later(
    tmp_path: Path,
) -> None:
    ear = Ear("ear")

    async def story(made: Office) -> None:
        await made.tell("1")
        await made.tell("2")
        made.outbox.full = True
        for _ in range(5):
            await made.pass_time(100.0)
        assert ear.notices == ["1"]
        assert list(made.pump.troubles) == [""]
        made.outbox.full = False
        await made.turn()
        assert made.pump.troubles == {}

    with office(tmp_path, ear) as made:
        asyncio.run(story(made))
        assert {each.sending for each in made.all().values()} == {Sending.SENT}
    assert ear.notices == ["1", "2"]
    assert made.warnings == [
        "the outbox cannot be written to, and sending waits: no room",
        "the outbox can be written to again",
    ]


def test_on_a_disk_that_is_full_a_notice_is_not_even_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(state: State, *writes: object, words: str = "") -> None:  # noqa: ARG001 - refuses all
        raise StateError(Fault.FULL, state.folder.root, "is full")

    ear = Ear("ear")
    with office(tmp_path, ear) as made:
        asyncio.run(made.tell("1"))
        with monkeypatch.context() as patch:
            patch.setattr(State, "write", full)
            asyncio.run(made.turn())
        assert ear.heard == []
        assert "is full" in made.warnings[0]
        asyncio.run(made.turn())
    assert ear.notices == ["1"]


def test_a_channel_that_is_gone_may_come_back(tmp_path: Path) -> None:
    ear = Ear("ear")
    ear.error = "not yet"
    with office(tmp_path, ear) as made:
        asyncio.run(made.tell("1"))
        asyncio.run(made.turn())
        made.ears = ()
        made.begin()
        asyncio.run(made.pass_time(15.0))
        assert made.all()["1 @ ear"].error == "there is no channel ear any more"
        made.ears, ear.error = (ear,), ""
        made.begin()
        asyncio.run(made.pass_time(30.0))
    assert ear.notices == ["1"]


def test_what_cannot_be_read_is_told_of_and_harms_nothing_else(tmp_path: Path) -> None:
    ear = Ear("ear")

    async def story(made: Office) -> None:
        await made.state.write(AddNotice(Notice(key="odd", what="failed", body="{")))
        await made.tell("k")
        await made.turn()

    with office(tmp_path, ear) as made:
        asyncio.run(story(made))
        assert made.all()["odd"].attempts == 1
    assert ear.notices == ["k"]
    assert made.warnings[0].startswith("notice odd: the notice cannot be read")


def test_a_channel_that_breaks_is_told_of_without_its_words(tmp_path: Path) -> None:
    class Broken(Ear):
        async def send(self, message: Message, notice: str, at_s: float) -> None:  # noqa: ARG002 - breaks
            raise ZeroDivisionError("passw0rd")

    with office(tmp_path, Broken("broken")) as made:
        asyncio.run(made.tell("k"))
        asyncio.run(made.turn())
    assert made.warnings == [
        "channel broken: the channel broke with ZeroDivisionError; it will be tried later"
    ]


def test_it_runs_until_it_is_stopped_and_sends_what_becomes_due(tmp_path: Path) -> None:
    ears = ear, bad = Ear("ear"), Ear("bad")
    bad.error = "it rains"

    async def story(made: Office) -> None:
        running = asyncio.create_task(made.pump.run())
        await made.tell("1")
        made.pump.nudge()
        await until(lambda: made.pump.counts.failed >= 3)
        bad.error = ""
        await until(lambda: bool(bad.heard))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert made.pump._at_work == {}

    with office(tmp_path, *ears) as made:
        asyncio.run(asyncio.wait_for(story(made), 20.0))
        # Pauses of 15, 30 and 60 s.
        assert made.clock.at_s >= 1105.0
    assert (ear.notices, bad.notices) == (["1"], ["1"])


class Deliveries(RuleBasedStateMachine):
    """Keeps its own books of what everybody must hear, through failures, kills and full disks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="noljima-test-", dir=MEMORY))
        self.ears = (Ear("site"), Ear("kim", "kim"), Ear("both", "kim lee"))
        self.expected: dict[str, set[str]] = {ear.name: set() for ear in self.ears}
        self.kills = 0
        self.runner = asyncio.Runner()

    @initialize()
    def begin(self) -> None:
        self.office = Office(self.folder / "state", *self.ears)

    def run_(self, work: Callable[[], Coroutine[object, object, T]]) -> T | None:
        """Do something; where that kills the process, begin again on its state."""
        try:
            return self.runner.run(work())
        except KilledError:
            self.kills += 1
            self.runner.run(self.office.pump._stop())
            self.office.reopen()
            return None

    @rule(
        what=st.sampled_from(Kind), user=st.sampled_from(["kim", "lee"]), number=st.integers(0, 9)
    )
    def something_happens(self, what: Kind, user: str, number: int) -> None:
        key = f"{user}/{what}/{number}"
        self.run_(lambda: self.office.tell(key, what, user=user))
        takers = {"site"}
        if what in SITE_KINDS:
            takers |= {"kim", "both"} if user == "kim" else {"both"}
        for taker in takers:
            self.expected[taker].add(key)

    @rule(seconds=st.sampled_from([0.0, 1.0, 15.0, 100.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.run_(lambda: self.office.pass_time(seconds))
        self.nobody_heard_what_was_not_for_them()

    @rule(ear=st.integers(0, 2), error=st.sampled_from(["", "no", "not now"]))
    def a_channel_changes(self, ear: int, error: str) -> None:
        self.ears[ear].error = error

    @rule()
    def the_disk_fills_up_or_is_emptied(self) -> None:
        self.office.outbox.full = not self.office.outbox.full

    @rule()
    def it_will_be_killed_at_the_next_word(self) -> None:
        self.office.outbox.killed_at_next_try = True

    def nobody_heard_what_was_not_for_them(self) -> None:
        for ear in self.ears:
            heard = Counter(ear.notices)
            assert set(heard) <= self.expected[ear.name]
            # Once more for each time that it was killed, at most.
            assert all(count <= 1 + self.kills for count in heard.values())
            if not self.kills:
                assert all(count == 1 for count in heard.values())
            for notice, message in ear.heard:
                assert notice == f"{message.user}/{message.what}/{notice.rsplit('/', 1)[1]}"

    def teardown(self) -> None:
        try:
            for ear in self.ears:
                ear.error = ""
            self.office.outbox.full = False
            self.office.outbox.killed_at_next_try = False
            for _ in range(3):
                self.run_(lambda: self.office.pass_time(3600.0))
            self.nobody_heard_what_was_not_for_them()
            for ear in self.ears:
                assert set(ear.notices) == self.expected[ear.name]
            assert {each.sending for each in self.office.all().values()} <= {Sending.SENT}
        finally:
            self.office.close()
            self.runner.close()
            shutil.rmtree(self.folder, ignore_errors=True)


Deliveries.TestCase.settings = settings(stateful_step_count=30, deadline=None)
TestDeliveries = Deliveries.TestCase
