"""Events that come late, twice, or of nobody: they change nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from noljima.engine import Engine
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    OfRun,
    Released,
    Started,
    StartFailed,
    Submitted,
)
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.policy.presets import NAMES, policy_of
from noljima.prediction.user_limit import UserLimit
from noljima.runtime.ports import Driver
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Shape, draw
from noljima.testing.rehearsal import rehearse
from noljima.testing.scenario import play, watches_of

AFTER_A_RUN: list[Event] = [
    Started(at_s=9.0, job=JobId("a")),
    StartFailed(at_s=9.0, job=JobId("a")),
    Evicted(at_s=9.0, job=JobId("a"), saved_s=5.0),
    Finished(at_s=9.0, job=JobId("a")),
]
FROM_USERS: list[Event] = [
    Cancelled(at_s=9.0, job=JobId("a")),
    Held(at_s=9.0, job=JobId("a")),
    Released(at_s=9.0, job=JobId("a")),
]


def kind(event: Event) -> str:
    return type(event).__name__


@pytest.mark.parametrize("event", AFTER_A_RUN + FROM_USERS, ids=kind)
@pytest.mark.parametrize("policy", NAMES)
def test_nobody_knows_the_job(policy: str, event: Event) -> None:
    talk = Conversation(policy)
    talk.submit(job("b", 4))
    talk.submit(job("c", 4))
    talk.at(9.0)

    assert talk.tell(event) == []
    assert (talk.state("a"), talk.state("b"), talk.state("c")) == (None, "running", "queued")


@pytest.mark.parametrize("event", AFTER_A_RUN + FROM_USERS, ids=kind)
def test_the_job_has_ended(event: Event) -> None:
    talk = Conversation()
    talk.submit(job("a"))
    talk.at(5.0).finish("a")
    held_milli_s = talk.engine.state.held_milli_s

    assert talk.at(9.0).tell(event) == []
    assert talk.gpus_free == 4
    assert talk.engine.state.held_milli_s == held_milli_s


@pytest.mark.parametrize("event", AFTER_A_RUN, ids=kind)
def test_the_job_waits_again(event: Event) -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=5.0))
    talk.submit(job("head", 4), job("a", 1))
    talk.at(5.0).finish("runs")
    talk.evicted("a")
    evictions = talk.ticket("a").evictions

    assert talk.at(9.0).tell(event) == []
    assert talk.state("a") is State.QUEUED
    assert talk.ticket("a").evictions == evictions
    assert talk.ticket("a").saved_s == 0.0


@pytest.mark.parametrize("event", AFTER_A_RUN, ids=kind)
def test_the_job_is_held(event: Event) -> None:
    talk = Conversation(gpus=1)
    talk.submit(job("runs"))
    talk.submit(job("a"))
    talk.hold("a")

    assert talk.at(9.0).tell(event) == []
    assert talk.state("a") is State.HELD


def test_a_job_is_up_already() -> None:
    talk = Conversation()
    talk.submit(job("a"))
    talk.at(9.0)

    assert talk.tell(AFTER_A_RUN[0]) == []
    assert talk.ticket("a").start_s == 0.0


@pytest.mark.parametrize("policy", NAMES)
def test_a_job_is_submitted_again_while_it_waits_or_runs(policy: str) -> None:
    talk = Conversation(policy, gpus=4)
    talk.submit(job("runs", 4), job("waits", 4))

    assert talk.submit(job("runs", 1), job("waits", 1)) == []
    assert talk.ticket("waits").job == job("waits", 4)
    assert talk.finish("runs") == ["start waits"]


def test_one_batch_ends_a_job_twice() -> None:
    talk = Conversation(gpus=1)
    talk.submit(job("a"), job("b"))
    talk.at(9.0)

    assert talk.finish("a", "a") == ["start b"]
    assert talk.state("b") is State.RUNNING


def test_a_job_that_ends_as_expected_is_cancelled_in_the_same_batch() -> None:
    talk = Conversation(gpus=1)
    talk.submit(job("a", limit_s=9.0), job("b"))
    talk.at(9.0)
    told = talk.tell(Cancelled(at_s=9.0, job=JobId("a")), Finished(at_s=9.0, job=JobId("a")))

    assert told == ["start b"]
    assert talk.state("a") is None


def test_a_job_comes_up_and_ends_as_expected_in_the_same_batch() -> None:
    talk = Conversation(gpus=1)
    talk.tell(Submitted(at_s=0.0, job=job("a", limit_s=9.0)))
    talk.at(9.0)

    assert talk.tell(AFTER_A_RUN[0], AFTER_A_RUN[3]) == []
    assert talk.state("a") is None


def test_a_submission_told_again_after_the_end_does_not_run_again() -> None:
    talk = Conversation()
    talk.submit(job("a"))
    talk.at(5.0).finish("a")

    assert talk.submit(job("a")) == []


OF_THE_FIRST_RUN: list[Event] = [
    Started(at_s=9.0, job=JobId("a"), attempt=1),
    StartFailed(at_s=9.0, job=JobId("a"), attempt=1),
    Evicted(at_s=9.0, job=JobId("a"), attempt=1, saved_s=5.0),
    Finished(at_s=9.0, job=JobId("a"), attempt=1),
]


def second_run(*, up: bool) -> Conversation:
    """Let job `a` be started for the second time, on a pool that it fills."""
    talk = Conversation(gpus=4)
    talk.tell(Submitted(at_s=0.0, job=job("a", 4, limit_s=9.0)))
    talk.tell(Evicted(at_s=0.0, job=JobId("a"), attempt=1))
    if up:
        talk.tell(Started(at_s=0.0, job=JobId("a"), attempt=2))
    return talk.at(9.0)


def test_each_start_of_a_job_has_the_next_number() -> None:
    talk = Conversation(gpus=1)
    events: list[Event] = [Submitted(at_s=0.0, job=job("a"))]
    attempts: list[int] = []
    for _ in range(3):
        starts = [c for c in talk.engine.handle(*events) if isinstance(c, Start)]
        attempts += [start.attempt for start in starts]
        events = [StartFailed(at_s=0.0, job=JobId("a"), attempt=attempts[-1])]

    assert attempts == [1, 2, 3]


@pytest.mark.parametrize("up", [False, True], ids=["starting", "running"])
@pytest.mark.parametrize("event", OF_THE_FIRST_RUN, ids=kind)
def test_what_is_told_of_an_earlier_run_is_nothing_to_the_present_one(
    event: Event, *, up: bool
) -> None:
    talk = second_run(up=up)
    ticket = talk.ticket("a")
    before = (ticket.state, ticket.start_s, ticket.saved_s, ticket.evictions)

    assert talk.tell(event) == []
    assert talk.ticket("a") is ticket
    assert (ticket.state, ticket.start_s, ticket.saved_s, ticket.evictions) == before
    assert talk.gpus_free == 0


@pytest.mark.parametrize("attempt", [0, 2], ids=["unsaid", "said"])
def test_what_is_told_of_the_present_run_counts(attempt: int) -> None:
    talk = second_run(up=True)
    talk.tell(Finished(at_s=9.0, job=JobId("a"), attempt=attempt))

    assert talk.state("a") is None
    assert talk.gpus_free == 4


def test_the_end_of_an_earlier_run_does_not_free_at_once_what_was_to_end_now() -> None:
    talk = second_run(up=True)
    old = Finished(at_s=9.0, job=JobId("a"), attempt=1)

    assert talk.tell(Submitted(at_s=9.0, job=job("b", 4)), old) == []
    assert talk.state("a") is State.RUNNING


def test_a_run_that_was_never_started_is_nobodys() -> None:
    talk = second_run(up=True)

    assert talk.tell(Finished(at_s=9.0, job=JobId("a"), attempt=3)) == []
    assert talk.state("a") is State.RUNNING


class Belated:
    """A driver that tells everything of a job's earlier runs again once the job runs anew."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._told: dict[JobId, list[Event]] = {}
        self._again: list[Event] = []
        self.told_again = 0

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        events = await self._driver.wait(until_s)
        for event in events:
            if isinstance(event, OfRun):
                self._told.setdefault(event.job, []).append(event)
        if not events:
            return ()
        again = [msgspec.structs.replace(event, at_s=events[-1].at_s) for event in self._again]
        self.told_again += len(again)
        self._again = []
        return (*events, *again)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Start):
                self._again += self._told.get(command.job, [])
        await self._driver.do(at_s, commands)


@pytest.mark.parametrize("policy", ["fair", "efficient", "share", "tiresias", "easy"])
def test_a_driver_that_tells_of_old_runs_again_changes_no_decision(policy: str) -> None:
    told_again = 0
    for seed in range(12):
        shape = Shape(
            jobs_max=20, gpus_per_node=4, start_failures_share=0.3, node_faults_mean_s=200.0
        )
        scenario = draw(seed, shape)
        plain = play(scenario, policy, UserLimit())
        engine = Engine(policy_of(policy), UserLimit(), scenario.space())
        driver = Belated(scenario.driver())
        record = rehearse(engine, driver, watches_of(engine))
        told_again += driver.told_again

        assert record.as_bytes() == plain.as_bytes(), seed
    assert told_again > 20
