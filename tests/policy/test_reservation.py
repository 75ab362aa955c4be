"""When a waiting job can start at the latest, if running jobs end as expected."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.node import Node
from noljima.model.placements import IN_POOL
from noljima.model.resources import GPU, NodeId
from noljima.placement.demand import Demand
from noljima.placement.pool import Pool
from noljima.policy.reservation import earliest
from noljima.policy.state import Release
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.testing.conversation import job


def demand(gpus: int) -> Demand:
    return Demand(job("d", gpus).gang)


def busy(gpus_free: int, *ends: tuple[float, int]) -> tuple[Pool, list[Release]]:
    """Build a pool with these GPUs free, the others held by jobs that end at these times."""
    pool = Pool()
    pool.set_node(Node(id=NodeId("p"), gpus=gpus_free + sum(gpus for _, gpus in ends)))
    releases: list[Release] = []
    for number, (end_s, gpus) in enumerate(sorted(ends)):
        asked = job(f"j{number}", gpus)
        ticket = Ticket(asked, number, 0.0, Demand(asked.gang), Estimate.point(1.0))
        pool.take(ticket.demand)
        releases.append((end_s, number, ticket, IN_POOL))
    return pool, releases


def test_it_is_the_end_that_frees_enough() -> None:
    pool, releases = busy(1, (10.0, 1), (20.0, 2), (30.0, 4))
    start_s, future = earliest(pool, releases, demand(4))

    assert start_s == 20.0
    assert future.gpu_milli_free == 4 * GPU
    assert pool.gpu_milli_free == 1 * GPU


def test_all_ends_of_one_moment_count_together() -> None:
    pool, releases = busy(0, (10.0, 1), (10.0, 1), (10.0, 1))
    start_s, future = earliest(pool, releases, demand(2))

    assert start_s == 10.0
    assert future.gpu_milli_free == 3 * GPU


def test_a_gang_that_never_fits_never_starts() -> None:
    pool, releases = busy(1, (10.0, 1))

    assert earliest(pool, releases, demand(3))[0] == NEVER_S


@given(
    free=st.integers(0, 3),
    ends=st.lists(st.tuples(st.sampled_from([1.0, 2.0, 5.0, 9.0]), st.integers(1, 4)), max_size=8),
    wanted=st.integers(1, 12),
)
def test_it_is_the_first_moment_at_which_a_recount_has_enough(
    free: int, ends: list[tuple[float, int]], wanted: int
) -> None:
    start_s, _ = earliest(*busy(free, *ends), demand(wanted))
    enough = [
        at_s
        for at_s, _ in sorted(ends)
        if free + sum(gpus for end_s, gpus in ends if end_s <= at_s) >= wanted
    ]

    assert start_s == min(enough, default=NEVER_S)
