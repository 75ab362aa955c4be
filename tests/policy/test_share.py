"""The fair-share policy: whoever others make way for keeps the turn, and the quota with it."""

from __future__ import annotations

import pytest

from noljima.config import QueueSettings
from noljima.model.job import Checkpoint
from noljima.model.resources import JobId
from noljima.policy.share import SharePolicy
from noljima.prediction.sources import source_of
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play

SAVES_ALL = Checkpoint(interval_s=0.0)


def making_way(*, gpus: int = 4) -> Conversation:
    """Let a guest be told to go for `head`, whose user has used more than newcomers have."""
    talk = Conversation("share", gpus=gpus)
    talk.submit(job("early", gpus, user="b"))
    talk.at(50.0).finish("early")
    talk.submit(job("runs", gpus - 1, user="a"), job("head", gpus, user="b"))
    talk.submit(job("guest", 1, user="c", checkpoint=SAVES_ALL))

    assert talk.at(100.0).finish("runs") == ["evict guest for head"]
    return talk


def test_nobody_who_was_served_less_takes_the_place_that_others_clear() -> None:
    talk = making_way()

    assert talk.at(101.0).submit(job("new", 3, user="d")) == []
    assert talk.at(103.0).evicted("guest", saved_s=40.0) == ["start head"]


@pytest.mark.parametrize("leave", ["cancel", "hold"])
def test_whoever_leaves_gives_up_the_turn(leave: str) -> None:
    talk = making_way()
    talk.at(101.0).submit(job("new", 3, user="d"))

    assert getattr(talk, leave)("head") == ["start new"]


def test_the_order_of_turns_stays_while_several_places_are_cleared() -> None:
    talk = making_way()
    talk.at(101.0).submit(job("second", 4, user="d"))
    talk.at(102.0).submit(job("third", 4, user="e"))

    assert talk.at(103.0).evicted("guest", saved_s=40.0) == ["start head"]
    assert talk.at(104.0).finish("head") == ["start second"]


def test_a_quota_is_not_given_away_while_the_place_is_cleared() -> None:
    queues = (QueueSettings(name="own", quota_gpus=4), QueueSettings(name="other"))
    talk = Conversation(SharePolicy(queues), gpus=8)
    talk.submit(job("stays", 3, queue="other"), job("runs", 2, queue="other"))
    talk.submit(job("head", 4, queue="own"))
    talk.submit(job("guest", 3, queue="other", checkpoint=SAVES_ALL))

    assert talk.at(100.0).finish("runs") == ["evict guest for head"]
    assert talk.at(101.0).submit(job("small", 1, queue="own")) == []
    assert talk.at(103.0).evicted("guest", saved_s=100.0)[0] == "start head"


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        (1.0, "queue own holds 1 of the 1 GPU that it may"),
        (0.5, "queue own holds 0.5 of the 1 GPU that it may"),
    ],
)
def test_a_full_quota_is_told_with_its_numbers(gpus: float, words: str) -> None:
    talk = Conversation(SharePolicy((QueueSettings(name="own", quota_gpus=1),)), gpus=4)
    talk.submit(job("runs", gpus, queue="own"))
    talk.submit(job("waits", 1, queue="own"))

    assert talk.engine.explain(JobId("waits")).detail == words


@pytest.mark.parametrize(
    "shape",
    [
        Shape(evictable=Evictable.SOME, grace_s=3.0),
        Shape(evictable=Evictable.ALL, grace_s=3.0, start_failures_share=0.2, actions_share=0.3),
        Shape(evictable=Evictable.SOME, grace_s=5.0, gpus_max=8, jobs_max=40, gap_s_max=6),
        Shape(evictable=Evictable.SOME, grace_s=3.0, gpus_per_node=4, worker_gpus=(1, 2, 3)),
        Shape(grace_s=3.0, gpus_per_node=4, node_faults_mean_s=200.0, urgent_share=0.2),
    ],
    ids=["some stay", "interfered with", "crowded", "on nodes", "nodes fail"],
)
def test_nobody_goes_for_a_job_that_then_does_not_start(shape: Shape) -> None:
    for seed in range(25):
        play(draw(seed, shape), "share", source_of("limit"))
