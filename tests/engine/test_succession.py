"""Another policy takes over from one that has jobs; nothing that runs notices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine.succession import succeed
from noljima.model.events import Finished, Submitted
from noljima.model.job import Checkpoint
from noljima.model.lifecycle import State
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId
from noljima.policy.presets import NAMES
from noljima.testing.conversation import Conversation, job

POOL = Node(id=NodeId("pool"), gpus=4)
# The others are not for real jobs: one has no gangs, two stop jobs that cannot be evicted.
POLICIES = [name for name in NAMES if name not in {"pod-by-pod", "srtf", "tiresias"}]


def taken_over(old: Conversation, policy: str) -> Conversation:
    """Let another policy take over."""
    new = Conversation(policy, gpus=0)
    succeed(new.engine, old.engine, [POOL])
    new.now_s = old.now_s
    return new


def in_all_states() -> Conversation:
    """Return a story with a job in each state that can be taken over."""
    talk = Conversation("fair", gpus=4)
    talk.submit(job("runs", 2, evictable=False))
    talk.submit(job("leaves", 1, checkpoint=Checkpoint(interval_s=1.0)))
    talk.at(5.0)
    talk.submit(job("waits", 4, evictable=False), job("never", 5))
    talk.tell(Submitted(at_s=5.0, job=job("held", 1), held=True))
    talk.cancel("leaves")
    return talk


@pytest.mark.parametrize("policy", POLICIES)
def test_every_job_stands_as_it_stood(policy: str) -> None:
    old = in_all_states()
    before = {name: ticket.state for name, ticket in old.engine.tickets.items()}
    runs = old.ticket("runs")
    new = taken_over(old, policy)
    after = {name: ticket.state for name, ticket in new.engine.tickets.items()}

    assert (
        after
        == before
        == {
            "runs": State.RUNNING,
            "leaves": State.STOPPING,
            "waits": State.QUEUED,
            "never": State.INFEASIBLE,
            "held": State.HELD,
        }
    )
    assert new.ticket("runs").start_s == runs.start_s
    assert new.ticket("runs").expected_end_s == runs.expected_end_s
    assert new.ticket("leaves").cancelled
    assert new.gpus_free == 1.0


@pytest.mark.parametrize("policy", POLICIES)
def test_what_comes_free_goes_to_who_waited(policy: str) -> None:
    new = taken_over(in_all_states(), policy).at(50.0)
    new.tell(Finished(at_s=50.0, job=JobId("leaves"), attempt=1))

    assert new.finish("runs") == ["start waits"]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=12),
    ended=st.sets(st.integers(0, 11)),
    policies=st.tuples(st.sampled_from(POLICIES), st.sampled_from(POLICIES)),
)
def test_all_jobs_end_whoever_began_them(
    sizes: list[tuple[int, bool]], ended: set[int], policies: tuple[str, str]
) -> None:
    old = Conversation(policies[0], gpus=4)
    for number, (gpus, evictable) in enumerate(sizes):
        old.at(float(number)).submit(job(f"j{number}", gpus, evictable=evictable))
    old.at(20.0)
    for number in sorted(ended):
        if old.state(f"j{number}") is State.RUNNING:
            old.finish(f"j{number}")
    new = taken_over(old, policies[1])
    for step in range(200):
        new.at(30.0 + step)
        leaving = list(new.engine.state.stopping)
        running = [job for job in new.engine.state.running if job not in leaving]
        for name in leaving:
            new.evicted(name)
        if running and not leaving:
            new.finish(running[0])
        elif not new.engine.tickets:
            break
        else:
            new.tick()

    assert not new.engine.tickets
