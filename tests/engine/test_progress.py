"""Progress that running jobs tell of: expected ends follow it, and nothing else depends on it."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Cancelled, Event, Finished, Progressed, Submitted
from noljima.model.phase import Phase
from noljima.model.resources import JobId
from noljima.policy.presets import NAMES
from noljima.prediction.source import Source
from noljima.prediction.sources import source_of
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.references import strict_starts
from noljima.testing.scenario import Scenario, lateness_s, play

SOURCES = ("limit", "last-two", "history", "random")


def progressed(talk: Conversation, name: str, step: float, total: float | None) -> list[str]:
    return talk.tell(Progressed(at_s=talk.now_s, job=JobId(name), step=step, total=total))


def stepping(talk: Conversation, name: str, each_s: float, total: float, until_s: float) -> None:
    """Let a job tell of its steps, every ten seconds from now on."""
    began_s = talk.now_s
    while talk.now_s < until_s:
        talk.at(talk.now_s + 10.0)
        progressed(talk, name, (talk.now_s - began_s) // each_s, total)


# --- What is expected ---


def test_a_running_job_is_expected_to_end_with_its_steps() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("a", limit_s=86_400.0))
    assert talk.ticket("a").expected_end_s == 86_400.0
    stepping(talk, "a", each_s=2.0, total=1000, until_s=600.0)

    assert talk.ticket("a").expected_end_s == pytest.approx(2000.0, rel=0.1)


def test_a_job_behind_it_is_promised_an_earlier_start_and_a_shorter_hole_is_filled() -> None:
    talk = Conversation("easy", gpus=4)
    talk.submit(job("a", 3, limit_s=86_400.0))
    talk.submit(job("wide", 4, limit_s=100.0))
    assert talk.engine.reservation is not None
    assert talk.engine.reservation.start_s == 86_400.0
    stepping(talk, "a", each_s=2.0, total=1000, until_s=600.0)

    assert talk.submit(job("long", 1, limit_s=7200.0)) == []
    assert talk.engine.reservation.start_s == pytest.approx(2000.0, rel=0.1)
    assert talk.submit(job("short", 1, limit_s=600.0)) == ["start short"]


def test_a_job_that_turns_out_long_lets_others_before_the_reservation_at_once() -> None:
    talk = Conversation("easy", gpus=4, source="last-two")
    for name in ("x", "y"):
        talk.submit(job(name, 1, limit_s=86_400.0))
        talk.at(talk.now_s + 1000.0).finish(name)
    talk.submit(job("a", 3, limit_s=86_400.0))
    talk.submit(job("wide", 4, limit_s=50.0))
    talk.submit(job("b", 1, user="new", limit_s=3600.0))
    assert talk.state("b") == "queued"
    began_s = talk.now_s
    commands: list[str] = []
    while not commands and talk.now_s < began_s + 300.0:
        talk.at(talk.now_s + 10.0)
        commands = progressed(talk, "a", (talk.now_s - began_s) // 2.0, 40_000.0)

    # By itself, with nothing else happening.
    assert commands == ["start b"]


def test_a_job_that_outlives_its_steps_is_believed_to_go_on() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("a", limit_s=86_400.0))
    stepping(talk, "a", each_s=5.0, total=100, until_s=480.0)
    talk.at(700.0).tick()

    assert 700.0 < talk.ticket("a").expected_end_s < 1500.0


def test_steps_of_a_resumed_run_are_counted_on() -> None:
    talk = Conversation("fair", gpus=1)
    talk.submit(job("a", limit_s=86_400.0))
    stepping(talk, "a", each_s=2.0, total=1000, until_s=1000.0)
    talk.evicted("a", saved_s=800.0)
    assert talk.state("a") == "running"
    for number in range(1, 31):
        talk.at(1000.0 + 10.0 * number)
        progressed(talk, "a", 400.0 + 5.0 * number, 1000.0)

    # 450 steps are left of 2 s each, and what is saved need not be done again.
    assert talk.ticket("a").expected_end_s == pytest.approx(1300.0 + 900.0, rel=0.1)


@pytest.mark.parametrize("name", ["waiting", "gone", "unknown"])
def test_progress_of_a_job_that_does_not_run_is_passed_over(name: str) -> None:
    talk = Conversation("fifo", gpus=1)
    talk.submit(job("gone"))
    talk.finish("gone")
    talk.submit(job("busy"), job("waiting"))

    assert progressed(talk, name, 5.0, 10.0) == []


def test_progress_of_an_old_run_is_passed_over() -> None:
    talk = Conversation(gpus=1)
    talk.submit(job("a", limit_s=86_400.0))
    talk.evicted("a")
    for number in range(10):
        talk.at(10.0 * number)
        told = Progressed(at_s=talk.now_s, job=JobId("a"), attempt=1, step=number, total=20.0)
        talk.tell(told)

    assert talk.ticket("a").expected_end_s == 86_400.0


def test_progress_and_the_end_in_one_batch_are_taken_in_any_order() -> None:
    for first in (0, 1):
        talk = Conversation(gpus=1)
        talk.submit(job("a", limit_s=100.0))
        talk.at(100.0)
        events: list[Event] = [
            Finished(at_s=100.0, job=JobId("a")),
            Progressed(at_s=100.0, job=JobId("a"), step=10.0, total=10.0),
        ]
        talk.tell(*(events if first else events[::-1]))

        assert talk.state("a") is None


def test_a_cancelled_job_is_forgotten_by_the_source() -> None:
    talk = Conversation(gpus=2, source="history")
    talk.submit(job("a", limit_s=1000.0), job("b", limit_s=1000.0))
    stepping(talk, "a", each_s=2.0, total=1000, until_s=100.0)
    talk.tell(Cancelled(at_s=talk.now_s, job=JobId("a")))
    talk.finish("a")
    talk.tell(Cancelled(at_s=talk.now_s, job=JobId("b")))
    talk.evicted("b")
    source = talk.engine.estimates._source

    assert vars(source)["_before"] == {}
    assert vars(source)["_runs"] == {}
    assert vars(vars(source)["_source"])["_pending"] == {}


# --- What must not depend on it ---


@pytest.mark.parametrize("step", [-1.0, math.nan, math.inf, 1e16, True, "5", None])
def test_an_event_with_steps_that_are_none_is_not_built(step: float) -> None:
    with pytest.raises(InvalidFieldError, match=r"^step: "):
        Progressed(at_s=1.0, job=JobId("a"), step=step)
    if step is not None:
        with pytest.raises(InvalidFieldError, match=r"^total: "):
            Progressed(at_s=1.0, job=JobId("a"), step=1.0, total=step)


def test_nor_is_it_read_from_a_journal() -> None:
    whole = b'{"type":"Progressed","at_s":1.0,"job":"a","step":3,"total":7,"phase":"evaluate"}'
    event = Progressed(at_s=1.0, job=JobId("a"), step=3.0, total=7.0, phase=Phase.EVALUATE)

    assert msgspec.json.decode(whole, type=Event) == event
    with pytest.raises(msgspec.ValidationError, match="outside 0 to 1e"):
        msgspec.json.decode(whole.replace(b"3", b"-3"), type=Event)


@st.composite
def chatty(draw_one: st.DrawFn) -> Scenario:
    """Draw a scenario in which jobs tell anything of their progress, true or not."""
    shape = draw_one(
        st.sampled_from([Shape(), Shape(evictable=Evictable.SOME, limits=False, grace_s=1.0)])
    )
    scenario = draw(draw_one(st.integers(0, 1000)), shape)
    names = [entry.job.id for entry in scenario.jobs]
    last_s = max(entry.submit_s for entry in scenario.jobs) + 100.0
    told = draw_one(
        st.lists(
            st.builds(
                Progressed,
                at_s=st.floats(0.0, last_s),
                job=st.sampled_from(names),
                step=st.one_of(st.floats(0.0, 50.0), st.floats(0.0, 1e15)),
                total=st.one_of(st.none(), st.floats(0.0, 50.0), st.floats(0.0, 1e15)),
                phase=st.sampled_from(Phase),
                attempt=st.integers(0, 2),
            ),
            max_size=60,
        )
    )
    actions = sorted((*scenario.actions, *told), key=lambda event: event.at_s)
    return msgspec.structs.replace(scenario, actions=tuple(actions))


def source(name: str) -> Source:
    return source_of(name, seed=3)


@given(scenario=chatty(), name=st.sampled_from(NAMES), estimates=st.sampled_from(SOURCES))
def test_whatever_jobs_tell_every_book_balances_and_every_job_ends(
    scenario: Scenario, name: str, estimates: str
) -> None:
    record = play(scenario, name, source(estimates))
    submitted = {event.job.id for event in record.events() if isinstance(event, Submitted)}
    ended = record.end_s().keys() | record.refused().keys()

    assert submitted <= ended
    assert play(scenario, name, source(estimates)).as_bytes() == record.as_bytes()


@given(scenario=chatty(), policy=st.sampled_from(["fair", "efficient"]))
def test_whatever_jobs_tell_nobody_starts_later_than_first_come_first_served(
    scenario: Scenario, policy: str
) -> None:
    evictable = tuple(
        msgspec.structs.replace(entry, job=msgspec.structs.replace(entry.job, evictable=True))
        for entry in scenario.jobs
    )
    scenario = msgspec.structs.replace(scenario, jobs=evictable, grace_s=0.0)
    record = play(scenario, policy, source("history"))
    strict_s = strict_starts(scenario.gpu_milli, scenario.requests())

    assert lateness_s(scenario, record, strict_s) == {}
