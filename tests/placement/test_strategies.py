"""Every strategy keeps the promises of a grid; each one chooses as its name says."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, Gang, NodeId, Resources, TaskGroup, gang_of
from noljima.placement import shapes
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.strategies import NAMES, describe, strategy_of
from noljima.placement.strategies.chance import Random
from noljima.placement.strategies.typical import popular, usual_of, usual_workers

NEEDS = st.builds(
    Resources,
    gpu_milli=st.sampled_from([0, 250, 400, 700, GPU, 2 * GPU, 4 * GPU]),
    gpu_memory_mib=st.sampled_from([0, 0, 30]),
    cpu_milli=st.integers(0, 4),
    memory_mib=st.integers(0, 4),
)
GROUPS = st.builds(
    TaskGroup, workers=st.integers(1, 3), each=NEEDS, gpu_types=st.sampled_from([(), (), ("x",)])
)
DEMANDS = st.builds(
    lambda groups: Demand(Gang(tuple(groups))), st.lists(GROUPS, min_size=1, max_size=2)
)
NODES = st.lists(
    st.builds(
        Node,
        id=st.sampled_from([NodeId(f"n{number}") for number in range(12)]),
        gpus=st.integers(0, 8),
        gpu_type=st.sampled_from(["x", "y"]),
        gpu_memory_mib=st.sampled_from([40, 80]),
        cpu_milli=st.integers(0, 20),
        memory_mib=st.integers(0, 20),
        drained=st.sampled_from([False, False, False, True]),
    ),
    max_size=6,
    unique_by=lambda node: node.id,
)
USUAL = usual_of(
    {(Resources(gpu_milli=m, cpu_milli=2, memory_mib=1), ()): 3 for m in (400, 700, 1000, 2000)}
)


def built(name: str, nodes: list[Node], seed: int = 0) -> Grid:
    grid = Grid(strategy_of(name, seed=seed, usual=USUAL))
    for node in nodes:
        grid.set_node(node)
    return grid


def one(gpus: float, **each: int) -> Demand:
    return Demand(gang_of(1, Resources(gpu_milli=round(gpus * GPU), **each)))


def place_of(grid: Grid, demand: Demand) -> Assignment:
    answer = grid.take(demand)
    assert isinstance(answer, Placement), str(answer)
    return answer.workers[0]


@pytest.mark.parametrize("name", NAMES)
@given(nodes=NODES, demands=st.lists(DEMANDS, max_size=6))
def test_any_strategy_places_what_fits_and_nothing_over_capacity(
    name: str, nodes: list[Node], demands: list[Demand]
) -> None:
    grid = built(name, nodes)
    empty = grid.copy()
    held: list[tuple[Demand, Placement]] = []
    for demand in demands:
        fitted = grid.fits(demand)
        answer = grid.take(demand)
        assert isinstance(answer, Placement) == fitted
        if isinstance(answer, Placement):
            held.append((demand, answer))

    used: Counter[tuple[NodeId, int]] = Counter()
    for demand, placement in held:
        needs = [group.each for group in demand.gang.groups for _ in range(group.workers)]
        for need, place in zip(needs, placement.workers, strict=True):
            for gpu in place.gpus:
                used[place.node, gpu] += min(need.gpu_milli, GPU)
    assert all(milli <= GPU for milli in used.values())
    for demand, placement in held:
        grid.give_back(demand, placement)
    assert grid == empty


@pytest.mark.parametrize("name", NAMES)
@given(nodes=NODES, demands=st.lists(DEMANDS, max_size=5))
def test_no_strategy_remembers_how_a_grid_came_about(
    name: str, nodes: list[Node], demands: list[Demand]
) -> None:
    straight, crooked = built(name, nodes), built(name, nodes[::-1])
    for demand in reversed(demands):
        answer = crooked.take(demand)
        if isinstance(answer, Placement):
            crooked.give_back(demand, answer)

    for demand in demands:
        assert straight.take(demand) == crooked.take(demand)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_says_its_name_and_what_it_does(name: str) -> None:
    assert strategy_of(name).name == name
    assert describe(name)


def test_an_unknown_strategy_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidFieldError, match=r"placement: 'tetris' is none of: pack, refill"):
        strategy_of("tetris")


def test_spread_is_another_name_of_worst_fit() -> None:
    assert strategy_of("spread").name == "worst-fit"


@pytest.mark.parametrize(
    ("name", "node", "gpus"),
    [
        ("first-fit", "a", (0,)),  # the first in order, its fullest GPU
        ("best-fit", "b", (0,)),  # the least left of CPU and GPUs
        ("worst-fit", "c", (0,)),  # the most left, its emptiest GPU
        ("dot-product", "b", (0,)),  # the smallest amounts times the need
        ("gpu-packing", "a", (0,)),  # the only shared GPU
        ("pack", "a", (0,)),  # the tightest hole
    ],
)
def test_a_fraction_goes_where_the_strategy_says(
    name: str, node: str, gpus: tuple[int, ...]
) -> None:
    nodes = [
        Node(id=NodeId("a"), gpus=4, cpu_milli=64_000),
        Node(id=NodeId("b"), gpus=1, cpu_milli=16_000),
        Node(id=NodeId("c"), gpus=8, cpu_milli=128_000),
    ]
    grid = built(name, nodes)
    grid.hold(one(0.5), Placement((Assignment(NodeId("a"), (0,)),)))

    place = place_of(grid, one(0.3, cpu_milli=8_000))

    assert (place.node, place.gpus) == (node, gpus)


def test_gpu_packing_takes_a_free_gpu_of_a_used_node_before_a_free_node() -> None:
    grid = built("gpu-packing", [Node(id=NodeId(name), gpus=8) for name in "abc"])
    grid.hold(one(1), Placement((Assignment(NodeId("b"), (0,)),)))

    assert place_of(grid, one(2)) == Assignment(NodeId("b"), (1, 2))


def test_worst_fit_spreads_a_gang() -> None:
    grid = built("worst-fit", [Node(id=NodeId(name), gpus=8) for name in "abc"])
    answer = grid.take(Demand(gang_of(3, Resources(gpu_milli=GPU))))

    assert isinstance(answer, Placement)
    assert [place.node for place in answer.workers] == ["a", "b", "c"]


def test_chance_depends_on_the_seed_and_on_what_is_free_only() -> None:
    nodes = [Node(id=NodeId(f"n{number}"), gpus=8) for number in range(20)]
    first, again, other = (built("random", nodes, seed) for seed in (1, 1, 2))
    places = [[place_of(grid, one(0.1)).node for _ in range(30)] for grid in (first, again, other)]

    assert places[0] == places[1] != places[2]
    assert len(set(places[0])) > 10


def test_chance_takes_each_node_and_gpu_about_as_often() -> None:
    nodes = [Node(id=NodeId(f"n{number}"), gpus=4) for number in range(5)]
    counts: Counter[tuple[NodeId, int]] = Counter()
    for seed in range(600):
        place = place_of(built("random", nodes, seed), one(0.1))
        counts[place.node, place.gpus[0]] += 1

    assert len(counts) == 20
    assert all(10 <= count <= 60 for count in counts.values())


def test_a_seed_may_be_any_whole_number() -> None:
    assert Random(-1).name == Random(10**30).name == "random"


def test_usual_workers_are_counted_and_the_popular_ones_kept() -> None:
    small = TaskGroup(workers=3, each=Resources(gpu_milli=500))
    large = TaskGroup(workers=1, each=Resources(gpu_milli=8 * GPU), gpu_types=("b", "a"))
    usual = usual_workers([large, small, small])

    assert [(worker.each.gpu_milli, worker.times) for worker in usual] == [(500, 6), (8000, 1)]
    assert usual[1].gpu_types == ("a", "b")
    assert popular(usual, 0.8) == usual[:1]
    assert popular(usual, 1.0) == usual


def test_counts_are_scaled_down_so_that_ratings_stay_exact() -> None:
    usual = usual_of({(Resources(gpu_milli=GPU), ()): 10**9, (Resources(gpu_milli=500), ()): 1})

    assert sum(worker.times for worker in usual) <= 1_000_001
    assert usual[1].times == 1


def test_shapes_are_forgotten_before_they_take_too_much_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes, "CELLS_MAX", 256)
    grid = built("pack", [Node(id=NodeId("a"), gpus=8, cpu_milli=1000)])
    for cpu in range(50):
        demand = one(1, cpu_milli=cpu)
        answer = grid.take(demand)
        assert isinstance(answer, Placement)
        grid.give_back(demand, answer)

    assert len(grid._shapes._of_need) <= 4
