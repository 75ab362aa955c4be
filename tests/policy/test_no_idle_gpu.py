"""T6 and T7: no GPU idles beside a job that may be a guest, and evictions are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.model.commands import Start
from noljima.model.events import Evicted
from noljima.model.resources import JobId
from noljima.policy.guests import GuestPolicy, GuestTerms
from noljima.policy.order import Order
from noljima.prediction.sources import source_of
from noljima.runtime.ports import Sink
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import Record
from noljima.testing.scenario import play
from noljima.testing.watches import EvictionTerms, NoIdleGpu

POLICIES = ("fair", "efficient")

# Every scenario is played under `watches_of`, which has `NoIdleGpu` and `EvictionTerms` in it.
SHAPES = {
    "guests": Shape(),
    "some stay": Shape(evictable=Evictable.SOME, urgent_share=0.1),
    "slow to go": Shape(grace_s=4.0),
    "starts fail": Shape(start_failures_share=0.3),
    "nodes": Shape(gpus_per_node=4, gpus_max=16, jobs_max=20, evictable=Evictable.SOME),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("estimates", ["limit", "adversarial"])
def test_no_gpu_idles_beside_a_job_that_may_be_a_guest(
    policy: str, shape: str, estimates: str
) -> None:
    for seed in range(8):
        record = play(draw(seed, SHAPES[shape]), policy, source_of(estimates, seed))

        assert record.batches


@pytest.mark.parametrize("policy", POLICIES)
def test_no_gpu_idles_while_users_cancel_hold_and_release(policy: str) -> None:
    for seed in range(8):
        play(draw(seed, Shape(grace_s=4.0, actions_share=0.2)), policy, source_of("limit"))


@given(seed=st.integers(0, 100_000), evictions_max=st.integers(0, 2))
def test_a_job_that_reached_the_maximum_is_never_a_guest_again(
    seed: int, evictions_max: int
) -> None:
    policy = GuestPolicy("fair", Order.SUBMIT, GuestTerms(evictions_max=evictions_max))

    def watches(engine: Engine) -> Sequence[Sink]:
        return [NoIdleGpu(engine, evictions_max), EvictionTerms(engine, evictions_max)]

    record = play(draw(seed, Shape(jobs_max=20)), policy, source_of("random", seed), watches)

    assert guest_starts_after(record, evictions_max) == 0


def guest_starts_after(record: Record, evictions_max: int) -> int:
    """Count, from what was said alone, the guests that had been evicted too often before."""
    evictions: Counter[JobId] = Counter()
    count = 0
    for events, commands in record.batches:
        evictions.update(event.job for event in events if isinstance(event, Evicted))
        guests = [c.job for c in commands if isinstance(c, Start) and c.guest]
        count += sum(evictions[job] >= evictions_max for job in guests)
    return count


def test_evictions_do_happen_in_these_scenarios() -> None:
    records = [play(draw(seed), "fair", source_of("limit")) for seed in range(20)]

    assert sum(len(record.told_to_go()) for record in records) > 50
    assert max(max(record.evictions().values(), default=0) for record in records) >= 2


def test_what_is_being_cleared_for_somebody_is_not_idle() -> None:
    talk = Conversation("fair", gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4), job("guest", 1))
    talk.at(10.0).finish("runs")

    assert talk.gpus_free == 3
    assert talk.submit(job("small", 1)) == []
