"""A copy that is played forward says when jobs start, if all run as long as is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.app import EngineSpec, Scene, StrictStarts, build_engine, pool_nodes, simulate
from noljima.model.events import NodeSeen, Submitted
from noljima.model.job import Checkpoint
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId
from noljima.runtime.whatif import Forward
from noljima.testing.conversation import Conversation, job
from noljima.workload.trace import Trace, TraceJob

NODE = Node(id=NodeId("pool"), gpus=4)


def test_jobs_start_one_after_the_other_as_room_comes() -> None:
    talk = Conversation("fifo", gpus=4)
    talk.submit(*(job(name, 4, limit_s=100.0) for name in ("a", "b", "c")))
    talk.at(40.0)
    played = Forward(talk.engine).play()

    assert played.start_s == {"b": 100.0, "c": 200.0}
    assert (played.end_s, played.whole) == (300.0, True)


def test_a_job_that_is_evicted_goes_on_from_what_it_saved() -> None:
    talk = Conversation("fair", gpus=4)
    talk.submit(job("first", 2, limit_s=50.0, evictable=False))
    talk.submit(job("wide", 4, limit_s=10.0, evictable=False))
    talk.submit(job("guest", 2, limit_s=100.0, checkpoint=Checkpoint(interval_s=10.0)))
    played = Forward(talk.engine).play()

    assert played.start_s == {"wide": 50.0}
    # 50 s of the guest are done when it makes way; 50 s are left when it comes back.
    assert played.end_s == 110.0


def test_without_room_a_job_starts_never() -> None:
    talk = Conversation("fair", gpus=4)
    talk.submit(job("runs", 4))
    talk.submit(job("waits", 4))
    less = NodeSeen(at_s=0.0, node=Node(id=NodeId("pool"), gpus=2))
    played = Forward(talk.engine).play(less)

    assert played.start_s == {}


def test_what_is_played_ends_however_little_comes_of_it() -> None:
    talk = Conversation("fair", gpus=4)
    talk.submit(*(job(f"j{n}", 4) for n in range(50)))
    played = Forward(talk.engine).play(moments_max=10)

    assert not played.whole
    assert len(played.start_s) < 50


@pytest.mark.parametrize("policy", ["fifo", "easy", "fair", "conservative"])
@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([10.0, 25.0, 70.0])), min_size=1, max_size=12
    )
)
def test_it_says_what_a_simulation_of_the_same_jobs_does(
    policy: str, sizes: list[tuple[int, float]]
) -> None:
    jobs = [
        job(f"j{n}", gpus, limit_s=run_s, evictable=False) for n, (gpus, run_s) in enumerate(sizes)
    ]
    spec = EngineSpec(policy=policy)
    entries = (TraceJob(job=each, submit_s=0.0, run_s=each.limit_s or 0.0) for each in jobs)
    trace = Trace(name="drawn", jobs=tuple(entries))
    starts = StrictStarts()
    simulate(build_engine(spec), Scene(nodes=pool_nodes(4), trace=trace), [starts])
    engine = build_engine(spec)
    engine.handle(NodeSeen(at_s=0.0, node=pool_nodes(4)[0]))
    played = Forward(engine).play(*(Submitted(at_s=0.0, job=each) for each in jobs))

    assert played.start_s == starts.start_s


def test_a_job_that_has_outlived_its_middle_is_still_expected_to_end() -> None:
    talk = Conversation("fifo", gpus=4)
    talk.submit(job("long", 4, limit_s=100.0), job("next", 4, limit_s=100.0))
    talk.at(150.0).tick()
    played = Forward(talk.engine).play()

    assert played.start_s[JobId("next")] > 150.0
