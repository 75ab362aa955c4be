"""Refill: what a mixture leaves of a node, and which choices follow from that."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, NodeId, Resources, TaskGroup, gang_of
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.strategies import refill
from noljima.placement.strategies.refill import Refill, Step, left_idle, mixtures
from noljima.placement.strategies.typical import usual_workers

STEPS = st.lists(
    st.builds(
        Step,
        gpus=st.just(1),
        gpu_milli=st.sampled_from([200, 300, 700]),
        cpu_milli=st.integers(0, 3),
        memory_mib=st.integers(0, 3),
        workers=st.integers(1, 3),
        gpu_types=st.sampled_from([(), ("x",), ("y",)]),
    )
    | st.builds(
        Step,
        gpus=st.integers(1, 3),
        gpu_milli=st.just(GPU),
        cpu_milli=st.integers(0, 3),
        memory_mib=st.integers(0, 3),
        workers=st.integers(1, 3),
        gpu_types=st.just(()),
    ),
    max_size=8,
)


def slowly(mixture: list[Step], free: tuple[int, ...], cpu: int, memory: int) -> int:
    """Place the mixture worker by worker: the fullest GPU that has room."""
    gpus = list(free)
    for step in mixture:
        for _ in range(step.workers):
            suits = not step.gpu_types or "x" in step.gpu_types
            ranked = sorted(range(len(gpus)), key=gpus.__getitem__)
            room = [gpu for gpu in ranked if gpus[gpu] >= step.gpu_milli][: step.gpus]
            enough = cpu >= step.cpu_milli and memory >= step.memory_mib
            if suits and enough and len(room) == step.gpus:
                cpu, memory = cpu - step.cpu_milli, memory - step.memory_mib
                for gpu in room:
                    gpus[gpu] -= step.gpu_milli
    return sum(gpus)


@given(
    STEPS,
    st.lists(st.sampled_from([100, 200, 500, 700, GPU]), max_size=4),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_what_a_mixture_leaves_idle_is_as_placed_one_by_one(
    mixture: list[Step], free: list[int], cpu: int, memory: int
) -> None:
    idle = left_idle(mixture, "x", tuple(sorted(free)), cpu, memory)

    assert idle == slowly(mixture, tuple(free), cpu, memory)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_mixture_has_each_kind_as_often_as_it_comes(times: list[int]) -> None:
    groups = [
        TaskGroup(workers=count, each=Resources(gpu_milli=GPU, cpu_milli=cpu))
        for cpu, count in enumerate(times)
    ]
    usual = usual_workers(groups)
    for steps in mixtures(list(usual)):
        found: Counter[int] = Counter()
        for step in steps:
            found[step.cpu_milli] += step.workers
        assert sum(found.values()) == refill.MIXTURE_LENGTH
        for cpu, count in enumerate(times):
            # Each kind is evenly spaced; that they must share the places moves them a little.
            assert abs(found[cpu] - refill.MIXTURE_LENGTH * count / sum(times)) <= 4


def test_two_fractions_that_go_together_share_a_gpu() -> None:
    usual = usual_workers(
        [
            TaskGroup(workers=1, each=Resources(gpu_milli=600)),
            TaskGroup(workers=1, each=Resources(gpu_milli=400)),
        ]
    )
    grid = Grid(Refill(usual))
    grid.set_node(Node(id=NodeId("a"), gpus=3))
    grid.hold(fraction(300), Placement((Assignment(NodeId("a"), (0,)),)))
    grid.hold(fraction(600), Placement((Assignment(NodeId("a"), (1,)),)))

    answer = grid.take(fraction(400))

    assert isinstance(answer, Placement)
    assert answer.workers[0].gpus == (1,)


def test_gpus_that_would_lose_their_cpu_are_spared() -> None:
    usual = usual_workers([TaskGroup(workers=1, each=Resources(gpu_milli=GPU, cpu_milli=8_000))])
    grid = Grid(Refill(usual))
    grid.set_node(Node(id=NodeId("even"), gpus=4, cpu_milli=32_000))
    grid.set_node(Node(id=NodeId("rich"), gpus=2, cpu_milli=64_000))

    answer = grid.take(Demand(gang_of(1, Resources(gpu_milli=GPU, cpu_milli=20_000))))

    assert isinstance(answer, Placement)
    assert answer.workers[0].node == "rich"


@pytest.mark.parametrize("workers", [(), (TaskGroup(workers=5, each=Resources(cpu_milli=9)),)])
def test_without_usual_gpu_workers_it_still_places(workers: tuple[TaskGroup, ...]) -> None:
    grid = Grid(Refill(usual_workers(workers)))
    grid.set_node(Node(id=NodeId("a"), gpus=1))

    assert isinstance(grid.take(fraction(500)), Placement)
    assert isinstance(grid.take(Demand(gang_of(1, Resources(cpu_milli=5)))), Placement)


def test_what_was_worked_out_is_forgotten_before_it_takes_too_much_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refill, "_IDLE_MAX", 3)
    strategy = Refill(usual_workers([TaskGroup(workers=1, each=Resources(gpu_milli=300))]))
    grid = Grid(strategy)
    grid.set_node(Node(id=NodeId("a"), gpus=4))
    while isinstance(grid.take(fraction(150)), Placement):
        pass

    assert len(strategy._idle) <= 3


def fraction(milli: int) -> Demand:
    return Demand(gang_of(1, Resources(gpu_milli=milli)))
