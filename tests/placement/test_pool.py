"""A pool: one number of GPUs, counted right whatever is held, freed, drained or lost."""

from __future__ import annotations

from noljima.model.node import Node
from noljima.model.placements import IN_POOL
from noljima.model.resources import GPU, NodeId, Resources, gang_of
from noljima.placement.demand import Demand, Demands
from noljima.placement.pool import Pool
from noljima.placement.refusal import Lack, Refusal


def pool(*sizes: int) -> Pool:
    space = Pool()
    for number, size in enumerate(sizes):
        space.set_node(Node(id=NodeId(f"n{number}"), gpus=size))
    return space


def demand(workers: int, gpus_each: float = 1.0) -> Demand:
    return Demand(gang_of(workers, Resources(gpu_milli=int(gpus_each * GPU))))


def test_a_gang_that_fits_holds_all_its_gpus() -> None:
    space = pool(4, 4)

    assert space.fits(demand(2, 3))
    assert space.take(demand(2, 3)) == IN_POOL
    assert space.gpu_milli_free == 2 * GPU


def test_a_gang_that_half_fits_is_refused_with_the_count_and_holds_nothing() -> None:
    space = pool(5)
    refusal = space.take(demand(3, 2))

    assert refusal == Refusal(lack=Lack.GPUS, fitting=2, wanted=3, words="needs 6 GPUs; 5 free")
    assert str(refusal) == "needs 6 GPUs; 5 free"
    assert space.gpu_milli_free == 5 * GPU
    assert space.take_at(demand(3, 2), []) is None


def test_a_gang_larger_than_the_pool_never_fits() -> None:
    space = pool(4)
    space.take(demand(4))
    refusal = space.ever_fits(demand(5))

    assert space.ever_fits(demand(4)) is None
    assert refusal is not None
    assert refusal.words == "needs 5 GPUs; 4 in the whole pool"


def test_what_was_held_is_free_again_when_given_back() -> None:
    space = pool(4)
    space.hold(demand(3), IN_POOL)
    space.give_back(demand(3), IN_POOL)

    assert space.gpu_milli_free == space.gpu_milli_total == 4 * GPU


def test_a_drained_node_takes_nothing_new_and_keeps_what_it_holds() -> None:
    space = pool(4, 4)
    space.take(demand(6))
    space.set_node(Node(id=NodeId("n1"), gpus=4, drained=True))

    assert (space.gpu_milli_total, space.gpu_milli_free) == (4 * GPU, -2 * GPU)
    assert not space.fits(demand(1))
    refusal = space.take(demand(1))
    assert isinstance(refusal, Refusal)
    assert refusal.words == "needs 1 GPU; 0 free"


def test_a_node_that_is_lost_and_seen_again_counts_once() -> None:
    space = pool(4, 4)
    space.remove_node(NodeId("n1"))
    space.remove_node(NodeId("n1"))

    assert space.gpu_milli_total == 4 * GPU

    space.set_node(Node(id=NodeId("n1"), gpus=2))
    space.set_node(Node(id=NodeId("n1"), gpus=2))

    assert space.gpu_milli_total == space.gpu_milli_free == 6 * GPU


def test_a_copy_is_independent() -> None:
    space = pool(4)
    twin = space.copy()
    twin.take(demand(3))
    twin.set_node(Node(id=NodeId("n9"), gpus=1))
    space.set_node(Node(id=NodeId("n0"), gpus=8))

    assert (space.gpu_milli_total, space.gpu_milli_free) == (8 * GPU, 8 * GPU)
    assert (twin.gpu_milli_total, twin.gpu_milli_free) == (5 * GPU, 2 * GPU)


def test_an_overlap_has_free_what_both_have() -> None:
    one, other = pool(8), pool(8)
    one.take(demand(3))
    other.take(demand(5))

    assert one.overlap(other).gpu_milli_free == other.overlap(one).gpu_milli_free == 3 * GPU
    assert one.gpu_milli_free == 5 * GPU


def test_a_gang_without_gpus_always_fits() -> None:
    space = pool(2)
    space.hold(demand(3), IN_POOL)

    assert space.fits(demand(3, 0))
    assert space.take(demand(3, 0)) == IN_POOL
    assert space.ever_fits(demand(3, 0)) is None


def test_equal_gangs_share_one_demand() -> None:
    demands = Demands()
    one = demands.of(gang_of(2, Resources(gpu_milli=GPU)))

    assert demands.of(gang_of(2, Resources(gpu_milli=GPU))) is one
    assert one == demand(2)
    assert hash(one) == hash(demand(2))
    assert one != demand(3)
