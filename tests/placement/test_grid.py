"""A grid by example: where workers go, what is refused, and with which words."""

from __future__ import annotations

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, Gang, NodeId, Resources, TaskGroup
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.refusal import Lack, Refusal


def node(name: str, gpus: int = 8, **more: object) -> Node:
    fields = {"cpu_milli": 64_000, "memory_mib": 262_144, "gpu_memory_mib": 40_000, **more}
    return Node(id=NodeId(name), gpus=gpus, **fields)  # type: ignore[arg-type]


def grid(*nodes: Node) -> Grid:
    built = Grid()
    for each in nodes:
        built.set_node(each)
    return built


def demand(gpus: float, workers: int = 1, types: tuple[str, ...] = (), **each: int) -> Demand:
    need = Resources(gpu_milli=round(gpus * GPU), **each)
    return Demand(Gang((TaskGroup(workers=workers, each=need, gpu_types=types),)))


def placed(answer: Placement | Refusal | None) -> list[tuple[str, tuple[int, ...]]]:
    assert isinstance(answer, Placement), str(answer)
    return [(place.node, place.gpus) for place in answer.workers]


def refused(answer: Placement | Refusal | None) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def test_a_worker_gets_the_free_gpus_with_the_lowest_numbers() -> None:
    cluster = grid(node("a"))

    assert placed(cluster.take(demand(2))) == [("a", (0, 1))]
    assert placed(cluster.take(demand(3))) == [("a", (2, 3, 4))]
    assert cluster.gpu_milli_free == 3 * GPU


def test_whole_nodes_fill_from_the_front_and_small_jobs_from_the_back() -> None:
    cluster = grid(node("a"), node("b"), node("c"))

    assert placed(cluster.take(demand(8))) == [("a", tuple(range(8)))]
    assert placed(cluster.take(demand(1))) == [("c", (0,))]
    assert placed(cluster.take(demand(2))) == [("c", (1, 2))]


def test_a_small_job_goes_to_the_fullest_node_that_holds_it() -> None:
    cluster = grid(node("a"), node("b"))
    cluster.hold(demand(5), Placement((Assignment(NodeId("a"), (0, 1, 2, 3, 4)),)))

    assert placed(cluster.take(demand(2))) == [("a", (5, 6))]
    assert placed(cluster.take(demand(2))) == [("b", (0, 1))]


def test_two_fractions_never_lie_across_gpus() -> None:
    cluster = grid(node("a", gpus=2))

    assert placed(cluster.take(demand(0.6))) == [("a", (0,))]
    assert placed(cluster.take(demand(0.6))) == [("a", (1,))]
    assert not cluster.fits(demand(0.6))
    assert placed(cluster.take(demand(0.4))) == [("a", (0,))]


def test_a_fraction_goes_where_its_hole_is_tightest() -> None:
    cluster = grid(node("a"), node("b", gpus=1))
    cluster.hold(demand(0.7), Placement((Assignment(NodeId("a"), (5,)),)))

    assert placed(cluster.take(demand(0.3))) == [("a", (5,))]


def test_fractions_share_the_memory_of_their_gpu() -> None:
    cluster = grid(node("a", gpus=1))
    cluster.take(demand(0.3, gpu_memory_mib=30_000))

    refusal = refused(cluster.take(demand(0.3, gpu_memory_mib=20_000)))

    assert refusal.lack is Lack.GPU_MEMORY
    assert cluster.fits(demand(0.3, gpu_memory_mib=10_000))


def test_a_worker_without_gpus_needs_cpu_and_memory_only() -> None:
    cluster = grid(node("a", gpus=0), node("b"))

    assert placed(cluster.take(demand(0, cpu_milli=1000))) == [("a", ())]


def test_what_a_node_never_told_never_keeps_a_worker_out() -> None:
    cluster = grid(Node(id=NodeId("a"), gpus=2))
    greedy = demand(0.5, 4, cpu_milli=10**9, memory_mib=10**9, gpu_memory_mib=10**7)

    assert cluster.fits(greedy)


def test_a_gang_lies_on_the_fewest_nodes_and_those_in_one_rack() -> None:
    cluster = grid(
        node("a", rack="r1"), node("b", rack="r2"), node("c", rack="r1"), node("d", rack="r2")
    )
    cluster.hold(demand(1), Placement((Assignment(NodeId("c"), (0,)),)))

    assert {name for name, _ in placed(cluster.take(demand(8, 2)))} == {"b", "d"}


def test_the_last_node_of_a_gang_is_the_tightest_fit() -> None:
    cluster = grid(node("a"), node("b"), node("c"))
    cluster.hold(demand(4), Placement((Assignment(NodeId("b"), (0, 1, 2, 3)),)))

    assert [name for name, _ in placed(cluster.take(demand(4, 3)))] == ["a", "a", "b"]


def test_groups_are_placed_hardest_first_but_listed_in_their_order() -> None:
    cluster = grid(node("a"), node("b", gpus=4))
    gang = Gang(
        (
            TaskGroup(workers=4, each=Resources(gpu_milli=GPU), name="worker"),
            TaskGroup(workers=1, each=Resources(gpu_milli=8 * GPU), name="master"),
        )
    )

    names = [name for name, _ in placed(cluster.take(Demand(gang)))]

    assert names == ["b", "b", "b", "b", "a"]


def test_a_group_tied_to_few_nodes_goes_before_larger_workers_where_that_helps() -> None:
    cluster = grid(node("a", gpu_type="A100"), node("b", gpu_type="T4", drained=True))
    cluster.set_node(node("b", gpu_type="T4", gpus=4))
    gang = Gang(
        (
            TaskGroup(workers=1, each=Resources(gpu_milli=4 * GPU), name="free"),
            TaskGroup(workers=8, each=Resources(gpu_milli=GPU), gpu_types=("A100",), name="tied"),
        )
    )

    names = [name for name, _ in placed(cluster.take(Demand(gang)))]

    assert names == ["b"] + ["a"] * 8


def test_gpu_types_are_kept_to() -> None:
    cluster = grid(node("a", gpu_type="A100"), node("b", gpu_type="T4"))

    assert placed(cluster.take(demand(1, types=("A100", "H100")))) == [("a", (0,))]


def test_take_at_holds_all_or_nothing() -> None:
    cluster = grid(node("a"), node("b", gpus=4))
    before = cluster.copy()
    a, b = NodeId("a"), NodeId("b")

    assert cluster.take_at(demand(4, 2), [b, b]) is None
    assert cluster == before
    assert placed(cluster.take_at(demand(4, 2), [b, a])) == [
        ("b", (0, 1, 2, 3)),
        ("a", (0, 1, 2, 3)),
    ]
    assert cluster.take_at(demand(1), [NodeId("lost")]) is None


def test_a_lost_node_is_passed_over_when_its_gang_is_given_back() -> None:
    cluster = grid(node("a"), node("b"))
    gang = demand(8, 2)
    held = cluster.take(gang)
    assert isinstance(held, Placement)

    cluster.remove_node(NodeId("a"))
    cluster.give_back(gang, held)

    assert cluster == grid(node("b"))
    assert cluster.gpu_milli_free == cluster.gpu_milli_total == 8 * GPU


def test_a_node_that_came_back_is_not_freed_of_what_it_does_not_hold() -> None:
    cluster = grid(node("a"))
    gang = demand(8)
    held = cluster.take(gang)
    assert isinstance(held, Placement)

    cluster.remove_node(NodeId("a"))
    cluster.set_node(node("a"))
    cluster.give_back(gang, held)

    assert cluster == grid(node("a"))


def test_a_node_keeps_what_is_held_when_it_shrinks_and_grows() -> None:
    cluster = grid(node("a"))
    gang = demand(6, cpu_milli=48_000)
    held = cluster.take(gang)
    assert isinstance(held, Placement)

    cluster.set_node(node("a", gpus=4, cpu_milli=32_000))
    assert cluster.gpu_milli_free == 0
    assert not cluster.fits(demand(0, cpu_milli=1))
    cluster.set_node(node("a"))
    assert cluster.gpu_milli_free == 2 * GPU
    cluster.give_back(gang, held)

    assert cluster == grid(node("a"))


def test_a_drained_node_keeps_what_runs_and_takes_nothing_new() -> None:
    cluster = grid(node("a"), node("b"))
    gang = demand(4)
    held = cluster.take_at(gang, [NodeId("a")])
    assert isinstance(held, Placement)
    cluster.set_node(node("a", drained=True))

    assert cluster.gpu_milli_total == cluster.gpu_milli_free == 8 * GPU
    assert placed(cluster.take(demand(1))) == [("b", (0,))]
    cluster.give_back(gang, held)
    cluster.set_node(node("a"))
    assert cluster.gpu_milli_free == 15 * GPU


def test_ever_fits_asks_the_empty_cluster() -> None:
    cluster = grid(node("a"), node("b", drained=True))
    cluster.take(demand(8))

    assert cluster.ever_fits(demand(8)) is None
    never = cluster.ever_fits(demand(8, 2))
    assert never is not None
    assert str(never) == "needs 2 workers of 8 GPUs; 1 fits"


def test_overlap_has_what_is_free_in_both() -> None:
    now = grid(node("a"), node("b"), node("c"))
    later = now.copy()
    later.remove_node(NodeId("c"))
    now.hold(demand(2), Placement((Assignment(NodeId("a"), (0, 1)),)))
    later.hold(demand(2), Placement((Assignment(NodeId("a"), (1, 2)),)))

    both = now.overlap(later)

    free = both.free_of(NodeId("a"))
    assert free is not None
    assert free.gpu_milli == (0, 0, 0, 1000, 1000, 1000, 1000, 1000)
    assert both.gpu_milli_free == 13 * GPU
    assert both.free_of(NodeId("c")) is None


def test_a_machine_that_changed_between_two_grids_has_nothing_in_their_overlap() -> None:
    now = grid(node("a"))
    later = grid(node("a", gpu_type="other"))

    assert now.overlap(later).gpu_milli_free == 0


def test_node_order_is_as_people_read_names() -> None:
    cluster = grid(node("gpu-10"), node("gpu-9"), node("gpu-1"))

    assert [free.node.id for free in cluster.nodes()] == ["gpu-1", "gpu-9", "gpu-10"]


def test_a_node_has_at_most_64_gpus() -> None:
    with pytest.raises(InvalidFieldError, match="gpus: 65"):
        grid(node("a", gpus=65))


def test_a_placement_with_the_wrong_number_of_gpus_is_refused() -> None:
    with pytest.raises(ValueError, match="2 GPUs cannot hold GPUs"):
        grid(node("a")).hold(demand(2), Placement((Assignment(NodeId("a"), (0,)),)))


def test_a_gang_must_have_as_many_places_as_workers() -> None:
    with pytest.raises(AssertionError):
        grid(node("a")).give_back(demand(2), Placement())


_BUSY = Placement((Assignment(NodeId("b"), (0, 1)),))


@pytest.mark.parametrize(
    ("wanted", "lack", "words"),
    [
        (
            demand(8),
            Lack.GPUS,
            "needs 8 GPUs on one node; the largest free block is 6 (b)",
        ),
        (
            demand(1, types=("H100", "H200")),
            Lack.GPU_TYPE,
            "needs GPU type H100 or H200; no node has it",
        ),
        (
            demand(1, types=("K80",)),
            Lack.GPU_TYPE,
            "needs GPU type K80; the nodes that have it are drained",
        ),
        (
            demand(1, gpu_memory_mib=81_920),
            Lack.GPU_MEMORY,
            "needs 81,920 MiB of memory on each GPU; the largest has 40,000 MiB (a)",
        ),
        (demand(3, 4), Lack.GPUS, "needs 4 workers of 3 GPUs; 3 fit"),
        (
            demand(2, cpu_milli=80_000),
            Lack.CPU,
            "needs 80 CPUs beside 2 GPUs on one node; the most that is free is 64 (a)",
        ),
        (
            demand(0, memory_mib=300_000),
            Lack.MEMORY,
            "needs 300,000 MiB of memory on one node; the most that is free is 262,144 MiB (a)",
        ),
        (
            demand(1, cpu_milli=1000, memory_mib=300_000),
            Lack.MEMORY,
            (
                "needs 300,000 MiB of memory beside 1 GPU and 1 CPU on one node; "
                "the most that is free is 262,144 MiB (a)"
            ),
        ),
        (
            demand(1, 5, cpu_milli=32_000),
            Lack.CPU,
            "needs 5 workers of 1 GPU and 32 CPUs; 4 fit; CPU is short",
        ),
        (demand(3, 2, ("A100",)), Lack.GPUS, "needs 2 workers of 3 A100 GPUs; 1 fits"),
        (
            demand(0.5, 5, memory_mib=131_072),
            Lack.MEMORY,
            "needs 5 workers of 0.5 GPUs and 131,072 MiB of memory; 4 fit; memory is short",
        ),
        (
            demand(4, 1, ("A100",)),
            Lack.GPUS,
            "needs 4 A100 GPUs on one node; the largest free block is 3 (a)",
        ),
    ],
)
def test_a_refusal_names_what_is_short_with_its_numbers(
    wanted: Demand, lack: Lack, words: str
) -> None:
    cluster = grid(
        node("a", gpus=3, gpu_type="A100"),
        node("b"),
        node("c", gpu_type="K80", drained=True),
    )
    cluster.hold(demand(2), _BUSY)

    refusal = refused(cluster.take(wanted))

    assert (refusal.lack, refusal.words) == (lack, words)
    assert refusal.wanted == wanted.workers


def test_one_of_anything_is_one() -> None:
    cluster = grid(node("a", gpus=1, cpu_milli=500))

    assert str(cluster.take(demand(1, cpu_milli=1000))) == (
        "needs 1 CPU beside 1 GPU on one node; the most that is free is 0.5 (a)"
    )
    assert str(cluster.take(demand(1, 2))) == "needs 2 workers of 1 GPU; 1 fits"


def test_a_full_cluster_says_that_nothing_is_free() -> None:
    cluster = grid(node("a"))
    cluster.take(demand(8))

    assert str(cluster.take(demand(1))) == "needs 1 GPU; none is free"
    assert str(cluster.take(demand(0.25))) == (
        "needs 0.25 of one GPU; the most that is free on one is 0 (a)"
    )


def test_an_empty_or_drained_cluster_says_so() -> None:
    assert str(grid().take(demand(1))) == "needs 1 GPU; there is no node"
    drained = grid(node("a", drained=True))
    assert str(drained.take(demand(0))) == "needs a place to run; every node is drained"
    assert refused(drained.take(demand(0))).lack is Lack.NODES


def test_of_several_groups_the_one_that_does_not_fit_is_named() -> None:
    cluster = grid(node("a"))
    small = TaskGroup(workers=4, each=Resources(gpu_milli=GPU), name="worker")
    large = TaskGroup(workers=1, each=Resources(gpu_milli=9 * GPU), name="master")
    half = TaskGroup(workers=1, each=Resources(gpu_milli=5 * GPU), name="master")

    alone = refused(cluster.take(Demand(Gang((small, large)))))
    together = refused(cluster.take(Demand(Gang((small, half)))))

    assert str(alone) == "master: needs 9 GPUs on one node; the largest free block is 8 (a)"
    assert str(together) == "each task group fits alone, all together do not: of 5 workers 4 fit"
    assert (together.fitting, together.wanted) == (4, 5)
