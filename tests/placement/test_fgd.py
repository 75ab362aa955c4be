"""Fragmentation gradient descent rates as its paper defines it."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU, NodeId, Resources, TaskGroup, gang_of
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.strategies.gradient import POPULAR_SHARE, Fgd
from noljima.placement.strategies.typical import Usual, popular, usual_workers

NEEDS = st.builds(
    Resources,
    gpu_milli=st.sampled_from([0, 200, 300, 500, 800, GPU, 2 * GPU]),
    cpu_milli=st.integers(0, 5),
)
USUAL = st.lists(
    st.builds(
        TaskGroup, workers=st.integers(1, 9), each=NEEDS, gpu_types=st.sampled_from([(), ("x",)])
    ),
    min_size=1,
    max_size=6,
).map(usual_workers)
FREE = st.lists(st.sampled_from([0, 100, 200, 350, 500, 900, GPU]), min_size=1, max_size=3)


def fragment(gpus: list[int], cpu: int, gpu_type: str, usual: Usual) -> float:
    """Weigh what is free and of no use to a worker over the workers, one by one."""
    total = 0.0
    for worker in usual:
        load = worker.load
        useful = [free for free in gpus if free >= load.gpu_milli]
        suits = not worker.gpu_types or gpu_type in worker.gpu_types
        fits = load.gpus and suits and len(useful) >= load.gpus and cpu >= load.cpu_milli
        idle = sum(gpus) - sum(useful) if fits else sum(gpus)
        total += idle * worker.times
    return total / sum(worker.times for worker in usual)


def cost(gpus: list[int], cpu: int, gpu_type: str, need: Resources, usual: Usual) -> int:
    """Try every GPU; rate by a sigmoid of the gradient in whole percents."""
    before = fragment(gpus, cpu, gpu_type, usual)
    ways = []
    if 0 < need.gpu_milli < GPU:
        for gpu, free in enumerate(gpus):
            if free >= need.gpu_milli:
                ways.append([*gpus[:gpu], free - need.gpu_milli, *gpus[gpu + 1 :]])
    else:
        after, wanted = gpus.copy(), need.gpu_milli // GPU
        for gpu, free in enumerate(gpus):
            if free == GPU and wanted:
                after[gpu], wanted = 0, wanted - 1
        ways.append(after)
    gradients = [before - fragment(way, cpu - need.cpu_milli, gpu_type, usual) for way in ways]
    # Twelve digits: the reference's sums are rounded, the strategy's are exact.
    steps = [math.floor(round(100 / (1 + math.exp(-grown / GPU)), 12)) for grown in gradients]
    return 100 - max(steps)


@given(USUAL, FREE, st.integers(0, 12), NEEDS)
def test_the_cost_is_the_growth_of_the_expected_fragment(
    usual: Usual, gpus: list[int], cpu: int, need: Resources
) -> None:
    # CPU-only workers of equal CPU differ in nothing, and the last few are not typical.
    typical = popular(usual, POPULAR_SHARE)
    grid = Grid(Fgd(usual))
    grid.set_node(Node(id=NodeId("a"), gpus=len(gpus), gpu_type="x", cpu_milli=cpu))
    for gpu, free in enumerate(gpus):
        if free < GPU:
            fraction = Demand(gang_of(1, Resources(gpu_milli=GPU - free or GPU)))
            shape, _ = grid._shapes.of(fraction)[0]
            grid._set(0, shape.hold(int(grid._column[0]), (gpu,)))
    shape, _ = grid._shapes.of(Demand(gang_of(1, need)))[0]
    costs = shape.costs_of(grid._column)

    if np.isfinite(costs[0]):
        assert costs[0] == cost(gpus, cpu, "x", need, typical)


def test_a_fraction_goes_to_the_gpu_on_which_it_breaks_least() -> None:
    usual = usual_workers([TaskGroup(workers=1, each=Resources(gpu_milli=GPU))])
    grid = Grid(Fgd(usual))
    grid.set_node(Node(id=NodeId("a"), gpus=2))
    shared = Demand(gang_of(1, Resources(gpu_milli=400)))
    grid.take(shared)

    answer = grid.take(shared)

    assert isinstance(answer, Placement)
    assert answer.workers[0].gpus == (0,)


def test_a_worker_that_needs_no_cpu_leaves_the_cpu_to_those_that_do() -> None:
    usual = usual_workers([TaskGroup(workers=1, each=Resources(gpu_milli=GPU, cpu_milli=8000))])
    grid = Grid(Fgd(usual))
    grid.set_node(Node(id=NodeId("rich"), gpus=2, cpu_milli=16_000))
    grid.set_node(Node(id=NodeId("scarce"), gpus=2, cpu_milli=4_000))

    answer = grid.take(Demand(gang_of(1, Resources(gpu_milli=GPU))))

    assert isinstance(answer, Placement)
    assert answer.workers[0].node == "scarce"


def test_without_usual_workers_it_is_first_fit() -> None:
    grid = Grid(Fgd(()))
    for name in "ab":
        grid.set_node(Node(id=NodeId(name), gpus=2))

    answer = grid.take(Demand(gang_of(1, Resources(gpu_milli=500))))

    assert isinstance(answer, Placement)
    assert answer.workers[0].node == "a"
