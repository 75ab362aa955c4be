"""A grid by property: exact feasibility, nothing over capacity, no memory of how it came about."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU, Gang, NodeId, Resources, TaskGroup, gang_of
from noljima.placement.demand import Demand, Demands
from noljima.placement.grid import Grid

MILLI = st.sampled_from([0, 200, 300, 500, 700, GPU, 2 * GPU, 3 * GPU])
NEEDS = st.builds(
    Resources,
    gpu_milli=MILLI,
    gpu_memory_mib=st.sampled_from([0, 0, 3, 8]),
    cpu_milli=st.sampled_from([0, 1, 3]),
    memory_mib=st.sampled_from([0, 2, 5]),
)
TYPES = st.sampled_from([(), (), ("x",), ("x", "y")])
NODES = st.builds(
    Node,
    id=st.sampled_from([NodeId(name) for name in ("a", "b", "c", "d")]),
    gpus=st.integers(0, 3),
    gpu_type=st.sampled_from(["x", "y"]),
    gpu_memory_mib=st.sampled_from([4, 10]),
    cpu_milli=st.integers(0, 9),
    memory_mib=st.integers(0, 9),
    rack=st.sampled_from(["r", "s"]),
    drained=st.sampled_from([False, False, False, True]),
)


def groups(most: int) -> st.SearchStrategy[TaskGroup]:
    return st.builds(TaskGroup, workers=st.integers(1, most), each=NEEDS, gpu_types=TYPES)


SINGLE = st.builds(lambda group: Demand(Gang((group,))), groups(6))
ANY = st.builds(lambda some: Demand(Gang(tuple(some))), st.lists(groups(3), min_size=1, max_size=3))


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Build a grid of up to four nodes on which something runs already."""
    grid = Grid()
    for node in draw(st.lists(NODES, max_size=4)):
        grid.set_node(node)
    for demand in draw(st.lists(ANY, max_size=4)):
        grid.take(demand)
    return grid


@lru_cache(maxsize=100_000)
def most_workers(gpus: tuple[tuple[int, int], ...], cpu: int, memory: int, need: Resources) -> int:
    """Count by trying every way to place workers on one node, one after the other."""
    if cpu < need.cpu_milli or memory < need.memory_mib:
        return 0
    left = cpu - need.cpu_milli, memory - need.memory_mib
    if not need.gpu_milli:
        endless = not need.cpu_milli and not need.memory_mib
        return 1_000_000 if endless else 1 + most_workers(gpus, *left, need)
    share = min(need.gpu_milli, GPU)
    best = 0
    for chosen in combinations(range(len(gpus)), max(need.gpu_milli // GPU, 1)):
        if all(gpus[gpu] >= (share, need.gpu_memory_mib) for gpu in chosen) and all(
            gpus[gpu][1] >= need.gpu_memory_mib for gpu in chosen
        ):
            after = tuple(
                (milli - share, mib - need.gpu_memory_mib) if gpu in chosen else (milli, mib)
                for gpu, (milli, mib) in enumerate(gpus)
            )
            best = max(best, 1 + most_workers(tuple(sorted(after)), *left, need))
    return best


def room(grid: Grid, group: TaskGroup) -> int:
    """Count the workers of a group that fit, without the grid's own arithmetic."""
    total = 0
    for free in grid.nodes():
        node = free.node
        if node.drained or (group.gpu_types and node.gpu_type not in group.gpu_types):
            continue
        gpus = tuple(sorted(zip(free.gpu_milli, free.gpu_memory_mib, strict=True)))
        total += most_workers(gpus, free.cpu_milli, free.memory_mib, group.each)
    return total


@given(grids(), SINGLE)
def test_one_group_fits_exactly_when_some_way_to_place_it_exists(
    grid: Grid, demand: Demand
) -> None:
    group = demand.gang.groups[0]

    assert grid.fits(demand) == (room(grid, group) >= group.workers)


@given(grids(), SINGLE)
def test_a_refusal_counts_the_workers_that_fit(grid: Grid, demand: Demand) -> None:
    expected = room(grid, demand.gang.groups[0])
    answer = grid.take(demand)

    if not isinstance(answer, Placement):
        assert answer.fitting == expected < answer.wanted == demand.workers
        assert answer.words


@given(grids(), ANY)
def test_fits_says_what_take_does_and_a_refusal_changes_nothing(grid: Grid, demand: Demand) -> None:
    before = grid.copy()
    fitted = grid.fits(demand)
    answer = grid.take(demand)

    assert fitted == isinstance(answer, Placement)
    assert fitted or grid == before
    if isinstance(answer, Placement):
        assert len(answer.workers) == demand.workers


@given(grids(), ANY)
def test_give_back_is_the_exact_inverse(grid: Grid, demand: Demand) -> None:
    before = grid.copy()
    answer = grid.take(demand)
    if not isinstance(answer, Placement):
        return

    again = before.copy()
    again.hold(demand, answer)
    assert again == grid
    grid.give_back(demand, answer)
    assert grid == before
    assert grid.gpu_milli_free == before.gpu_milli_free


@given(grids(), st.lists(ANY, max_size=5))
def test_a_copy_is_independent(grid: Grid, demands: list[Demand]) -> None:
    before, total = grid.copy(), grid.gpu_milli_total
    copy = grid.copy()
    for demand in demands:
        copy.take(demand)
    copy.set_node(Node(id=NodeId("new"), gpus=1))
    copy.remove_node(NodeId("a"))

    assert grid == before
    assert grid.gpu_milli_total == total


@given(st.lists(NODES, max_size=4, unique_by=lambda node: node.id), st.lists(ANY, max_size=5))
def test_a_grid_does_not_remember_how_it_came_about(
    nodes: list[Node], demands: list[Demand]
) -> None:
    straight, crooked = Grid(), Grid()
    for node in nodes:
        straight.set_node(node)
    for node in reversed(nodes):
        crooked.set_node(Node(id=node.id, gpus=5))
        crooked.take_at(Demand(gang_of(1, Resources(gpu_milli=300))), [node.id])
        crooked.remove_node(node.id)
        crooked.set_node(node)
    for demand in reversed(demands):
        answer = crooked.take(demand)
        if isinstance(answer, Placement):
            crooked.give_back(demand, answer)

    for demand in demands:
        assert straight.take(demand) == crooked.take(demand)


@given(grids(), st.lists(ANY, max_size=3), st.lists(ANY, max_size=3))
def test_what_fits_the_overlap_fits_both(
    grid: Grid, mine: list[Demand], theirs: list[Demand]
) -> None:
    other = grid.copy()
    for demand in mine:
        grid.take(demand)
    for demand in theirs:
        other.take(demand)

    both = grid.overlap(other)

    assert both == other.overlap(grid)
    for one, left, right in zip(both.nodes(), grid.nodes(), other.nodes(), strict=True):
        assert one.gpu_milli == tuple(map(min, left.gpu_milli, right.gpu_milli))
        assert one.cpu_milli == min(left.cpu_milli, right.cpu_milli)
        assert one.memory_mib == min(left.memory_mib, right.memory_mib)


@given(grids(), ANY, st.data())
def test_take_at_takes_exactly_what_take_would_have_room_for(
    grid: Grid, demand: Demand, data: st.DataObject
) -> None:
    names = [free.node.id for free in grid.nodes()] or [NodeId("none")]
    nodes = data.draw(
        st.lists(st.sampled_from(names), min_size=demand.workers, max_size=demand.workers)
    )
    before = grid.copy()
    answer = grid.take_at(demand, nodes)

    if answer is None:
        assert grid == before
    else:
        assert [place.node for place in answer.workers] == nodes
        grid.give_back(demand, answer)
        assert grid == before


@given(grids(), ANY)
def test_what_fits_now_would_ever_fit(grid: Grid, demand: Demand) -> None:
    if len(demand.gang.groups) == 1 and grid.fits(demand):
        assert grid.ever_fits(demand) is None


@given(st.data())
def test_the_room_is_what_the_nodes_have_whatever_was_counted_before(data: st.DataObject) -> None:
    demands = Demands()
    grids = [Grid()]
    for number in range(40):
        grids[0].set_node(Node(id=NodeId(f"n{number}"), gpus=4))
    held: list[list[tuple[Demand, Placement]]] = [[]]
    for _ in range(data.draw(st.integers(1, 30))):
        at = data.draw(st.integers(0, len(grids) - 1))
        grid, mine = grids[at], held[at]
        milli = data.draw(st.sampled_from([100, 250, 300, GPU, 2 * GPU, 4 * GPU]))
        demand = demands.of(gang_of(data.draw(st.integers(1, 8)), Resources(gpu_milli=milli)))
        match data.draw(st.sampled_from(["take", "take", "back", "copy", "lose"])):
            case "take":
                placement = grid.take(demand)
                if isinstance(placement, Placement):
                    mine.append((demand, placement))
            case "back" if mine:
                grid.give_back(*mine.pop())
            case "copy" if len(grids) < 3:
                grids.append(grid.copy())
                held.append(list(mine))
            case _:
                grid.remove_node(NodeId(f"n{data.draw(st.integers(0, 39))}"))
        for each in grids:
            shape = each._shapes.of(demand)[0][0]

            assert each._room(shape) == int(shape.capacity.take(each._column).sum())
