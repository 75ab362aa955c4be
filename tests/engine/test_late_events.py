"""Events that come late, twice, or of nobody: they change nothing."""

from __future__ import annotations

import pytest

from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    Released,
    Started,
    StartFailed,
    Submitted,
)
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.policy.presets import NAMES
from noljima.testing.conversation import Conversation, job

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
