"""Nodes that join, leave and are drained, and jobs that are too large for what is there."""

from __future__ import annotations

import pytest

from noljima.model.events import Evicted, Finished
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.policy.presets import NAMES
from noljima.testing.conversation import Conversation, job

REFUSED = "refuse large: needs 6 GPUs; 4 in the whole pool"


@pytest.mark.parametrize("policy", NAMES)
def test_a_job_that_cannot_run_is_told_at_once_and_blocks_nobody(policy: str) -> None:
    talk = Conversation(policy, gpus=4)

    assert talk.submit(job("large", 6), job("a", 4)) == [REFUSED, "start a"]
    assert talk.state("large") is State.INFEASIBLE
    assert talk.at(5.0).finish("a") == []


@pytest.mark.parametrize("policy", NAMES)
def test_it_comes_back_when_a_node_joins_in_its_old_place(policy: str) -> None:
    talk = Conversation(policy, gpus=4)
    talk.submit(job("runs", 4), job("large", 6), job("later", 6))

    assert talk.see("more", 2) == []
    assert talk.engine.infeasible == {}
    assert talk.at(5.0).finish("runs") == ["start large"]


def test_a_node_that_joins_is_used_at_once() -> None:
    talk = Conversation(gpus=1)
    talk.submit(job("a"), job("b"))

    assert talk.see("more", 1) == ["start b"]


def test_whoever_waits_for_a_node_that_leaves_is_told() -> None:
    talk = Conversation(gpus=4)
    talk.see("more", 2)
    talk.submit(job("runs", 6))
    talk.submit(job("large", 6), job("small", 1))

    assert talk.lose("more") == [REFUSED]
    assert talk.state("large") is State.INFEASIBLE
    assert talk.see("more", 2) == []
    assert talk.at(5.0).finish("runs") == ["start large"]


def test_a_job_that_was_lost_with_its_node_waits_and_blocks_nobody() -> None:
    talk = Conversation(gpus=4)
    talk.see("more", 2)
    talk.submit(job("large", 6))
    told = talk.lose("more", Evicted(at_s=0.0, job=JobId("large")))

    assert told == [REFUSED]
    assert talk.submit(job("next", 4)) == ["start next"]
    assert talk.see("more", 2) == []
    assert talk.at(5.0).finish("next") == ["start large"]


def test_a_node_that_leaves_under_running_jobs_leaves_less_than_nothing_free() -> None:
    talk = Conversation(gpus=4)
    talk.see("more", 2)
    talk.submit(job("a", 3), job("b", 3), job("c", 1))
    talk.lose("more")

    assert talk.gpus_free == -2
    assert talk.at(5.0).finish("a") == ["start c"]


def test_a_drained_node_keeps_what_runs_and_takes_nothing_new() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("a", 3))

    assert talk.see("pool", 4, drained=True) == []
    assert talk.state("a") is State.RUNNING
    assert talk.submit(job("b", 1)) == ["refuse b: needs 1 GPU; 0 in the whole pool"]
    assert talk.see("pool", 4) == ["start b"]


def test_a_job_that_is_released_onto_a_smaller_cluster_is_told() -> None:
    talk = Conversation(gpus=4)
    talk.see("more", 2)
    talk.submit(job("runs", 6))
    talk.submit(job("large", 6))
    talk.hold("large")
    talk.lose("more")

    assert talk.state("large") is State.HELD
    assert talk.release("large") == [REFUSED]


def test_what_is_told_of_a_node_nobody_knows_changes_nothing() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("a", 4), job("b", 4))

    assert talk.lose("nowhere") == []
    assert talk.gpus_free == 0


@pytest.mark.parametrize("policy", NAMES)
def test_a_cluster_of_nothing_runs_nothing_and_waits(policy: str) -> None:
    talk = Conversation(policy, gpus=0)

    assert talk.submit(job("a")) == ["refuse a: needs 1 GPU; 0 in the whole pool"]
    assert talk.see("first", 1) == ["start a"]
    assert talk.at(3.0).tell(Finished(at_s=3.0, job=JobId("a"))) == []


def test_whoever_is_told_to_be_lost_after_the_node_is_back_is_in_the_strict_queue_again() -> None:
    talk = Conversation(gpus=4)
    talk.see("more", 8)
    talk.submit(job("runs", 5))
    talk.submit(job("head", 12), job("guest", 6))
    talk.lose("more")
    talk.see("more", 8)
    talk.evicted("guest")
    shadow = talk.engine.state.shadow

    assert shadow is not None
    assert [ticket.job.id for ticket in shadow.waiting()] == ["head", "guest"]
