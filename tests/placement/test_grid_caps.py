"""The largest amounts that the model lets in neither overflow a column nor blur a rating."""

from __future__ import annotations

from noljima.model import bounds
from noljima.model.node import GPUS_PER_NODE_MAX, Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, NodeId, Resources, gang_of
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.states import UNLIMITED
from noljima.placement.strategies import NAMES, pack, strategy_of
from noljima.placement.strategies.typical import COUNT_MAX

A = NodeId("a")


def test_what_all_workers_of_a_gang_hold_is_below_unlimited() -> None:
    most = max(bounds.CPU_MILLI_MAX, bounds.MEMORY_MIB_MAX, bounds.GPU_MEMORY_MIB_MAX)

    assert most * bounds.WORKERS_MAX < UNLIMITED < 2**52 + 1


def test_ratings_are_whole_numbers_that_a_float_holds_exactly() -> None:
    assert GPUS_PER_NODE_MAX * GPU < pack._HOLE
    assert (GPU + 1) * pack._HOLE * pack._MEMORY < 2**53
    assert 100 * COUNT_MAX * GPUS_PER_NODE_MAX * GPU < 2**53


def test_the_largest_gang_of_the_neediest_workers_is_counted_right() -> None:
    grid = Grid()
    grid.set_node(Node(id=A, gpus=64))
    greedy = Resources(cpu_milli=bounds.CPU_MILLI_MAX, memory_mib=bounds.MEMORY_MIB_MAX)
    gang = Demand(gang_of(bounds.WORKERS_MAX, greedy))
    before = grid.copy()

    placement = Placement((Assignment(A),) * bounds.WORKERS_MAX)
    grid.hold(gang, placement)
    free = grid.free_of(A)

    assert free is not None
    assert free.cpu_milli == free.memory_mib == 0
    assert grid.fits(gang), "a node that never told its CPU has no end of it"
    grid.give_back(gang, placement)
    assert grid == before
    assert grid.take(gang) == placement


def test_every_strategy_takes_the_largest_node_and_the_smallest_need() -> None:
    node = Node(
        id=A,
        gpus=64,
        gpu_memory_mib=bounds.GPU_MEMORY_MIB_MAX - 1,
        cpu_milli=bounds.CPU_MILLI_MAX - 1,
        memory_mib=bounds.MEMORY_MIB_MAX - 1,
    )
    tiny = Demand(gang_of(1, Resources(gpu_milli=1, gpu_memory_mib=1, cpu_milli=1, memory_mib=1)))
    for name in NAMES:
        grid = Grid(strategy_of(name))
        grid.set_node(node)
        assert isinstance(grid.take(tiny), Placement)
        assert grid.gpu_milli_free == 64 * GPU - 1
