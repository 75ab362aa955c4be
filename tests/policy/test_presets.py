"""Every policy by name: played through scenarios of all shapes, with every book checked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.engine.validate import BrokenInvariantError
from noljima.model.bounds import InvalidFieldError
from noljima.model.commands import Command
from noljima.model.events import Event, Submitted
from noljima.model.resources import Resources, gang_of
from noljima.policy.conservative import Conservative
from noljima.policy.podwise import BACKOFF_S, RENDEZVOUS_S, PodByPod
from noljima.policy.presets import NAMES, describe, policy_of
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.sources import source_of
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play, watches_of

SHAPES = {
    "plain": Shape(evictable=Evictable.SOME, urgent_share=0.1),
    "troubled": Shape(
        evictable=Evictable.SOME, grace_s=3.0, start_failures_share=0.2, limits=False
    ),
    "nodes": Shape(gpus_per_node=4, gpus_max=16, jobs_max=20, evictable=Evictable.SOME),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_says_its_name_and_what_it_does(name: str) -> None:
    assert policy_of(name).name == name
    assert len(describe(name)) > 10


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidFieldError, match="is not one of fair, efficient, share"):
        policy_of("lifo")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_all_jobs_end_and_all_books_agree(name: str, shape: str) -> None:
    for seed in range(5):
        scenario = draw(seed, SHAPES[shape])
        record = play(scenario, name, source_of("noisy:1", seed))
        ended = record.end_s().keys() | record.refused().keys()

        assert ended == {entry.job.id for entry in scenario.jobs}, seed


@pytest.mark.parametrize("name", NAMES)
def test_nodes_that_are_lost_and_users_that_interfere_upset_no_book(name: str) -> None:
    trouble = Shape(
        gpus_per_node=4, gpus_max=16, jobs_max=20, node_faults_mean_s=150.0, actions_share=0.3
    )
    for seed in range(5):
        play(draw(seed, trouble), name, source_of("noisy:1", seed))


class Reservations:
    """Raises where a job that waits under `conservative` is put off."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._promised_s: dict[Ticket, float] = {}

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        policy = self._engine.policy
        assert isinstance(policy, Conservative)
        for ticket in self._engine.state.line:
            start_s = policy.reserved_s(ticket)
            if start_s > self._promised_s.get(ticket, NEVER_S):
                raise BrokenInvariantError("no reservation moves later", f"{start_s}")
            self._promised_s[ticket] = start_s


@given(seed=st.integers(0, 100_000))
def test_conservative_with_enforced_limits_puts_nobody_off(seed: int) -> None:
    scenario = draw(seed, Shape(jobs_max=20, evictable=Evictable.NONE))

    play(
        scenario,
        "conservative",
        source_of("limit"),
        lambda engine: [*watches_of(engine), Reservations(engine)],
    )


def test_conservative_does_not_take_for_free_what_is_expected_to_end_now() -> None:
    talk = Conversation("conservative", gpus=4, source="true")
    talk.submit(job("runs", 4), oracle_s=0.0)

    # It was expected to end in the moment in which it started, and has not.
    assert talk.submit(job("next", 4), oracle_s=5.0) == []


def test_srtf_lets_the_shorter_job_go_first_and_stops_a_longer_one() -> None:
    talk = Conversation("srtf", gpus=4, source="true")
    talk.submit(job("long", 4, limit_s=None), oracle_s=90.0)

    assert talk.at(10.0).submit(job("short", 4), oracle_s=5.0) == ["evict long for long"]
    assert talk.evicted("long") == ["start short"]
    assert talk.at(15.0).finish("short") == ["start long"]


def test_tiresias_lets_newcomers_pass_who_has_had_its_share() -> None:
    talk = Conversation("tiresias", gpus=4)
    talk.submit(job("old", 4, limit_s=None))
    talk.submit(job("new", 4))

    assert talk.engine.wake_s == 900.0
    assert talk.at(900.0).tick() == ["evict old for old"]


def test_pods_one_by_one_wait_for_each_other_until_they_give_up() -> None:
    policy = PodByPod()
    talk = Conversation(policy, gpus=4)
    pair = gang_of(2, Resources(gpu_milli=2000))
    three = gang_of(3, Resources(gpu_milli=1000))
    talk.submit(job("x", 1))
    talk.submit(job("pair", gang=pair), job("three", gang=three))

    # Each holds two GPUs and lacks some: all are held, and nobody runs.
    assert talk.at(10.0).finish("x") == []
    assert talk.at(RENDEZVOUS_S).tick() == []
    assert policy.gave_up == 2
    assert talk.at(RENDEZVOUS_S + BACKOFF_S[0]).tick() == ["start pair"]


@given(seed=st.integers(0, 100_000))
def test_sjf_starts_the_shortest_of_those_that_wait_together(seed: int) -> None:
    scenario = draw(seed, Shape(gpus_max=1, gap_s_max=0, urgent_share=0.0, run_s_min=1))
    record = play(scenario, "sjf", source_of("true"))
    runs_s = {e.job.id: min(e.run_s, e.job.limit_s or e.run_s) for e in scenario.jobs}
    started = [runs_s[start.job] for _, start in record.starts()]

    assert started == sorted(started)


def test_a_submission_reaches_every_policy_once() -> None:
    scenario = draw(3)
    for name in NAMES:
        record = play(scenario, name, source_of("limit"))
        submitted = [event for event in record.events() if isinstance(event, Submitted)]

        assert len(submitted) == len(scenario.jobs)
