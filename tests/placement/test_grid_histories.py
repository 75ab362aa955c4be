"""A grid under any history, against books kept a second time: never over capacity."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU, Gang, NodeId, Resources, TaskGroup
from noljima.placement import grid as grid_module
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid

NAMES = st.sampled_from([NodeId(name) for name in "xyz"])
NEEDS = st.builds(
    Resources,
    gpu_milli=st.sampled_from([0, 250, 400, GPU, 2 * GPU, 4 * GPU]),
    gpu_memory_mib=st.sampled_from([0, 10, 30]),
    cpu_milli=st.integers(0, 4),
    memory_mib=st.integers(0, 4),
)
GANGS = st.lists(
    st.builds(TaskGroup, workers=st.integers(1, 3), each=NEEDS), min_size=1, max_size=2
)


class AnyHistory(RuleBasedStateMachine):
    """Draw a history of nodes and gangs."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = Grid()
        self.nodes: dict[NodeId, Node] = {}
        self.running: list[tuple[Demand, Placement]] = []

    @rule(name=NAMES, gpus=st.integers(0, 4), cpu=st.integers(0, 9), drained=st.booleans())
    def set_node(self, name: NodeId, gpus: int, cpu: int, *, drained: bool) -> None:
        node = Node(
            id=name, gpus=gpus, gpu_memory_mib=40, cpu_milli=cpu, memory_mib=9, drained=drained
        )
        self.nodes[name] = node
        self.grid.set_node(node)

    @rule(name=NAMES)
    def lose_node(self, name: NodeId) -> None:
        # What ran there is gone: its gangs end, as the engine ends them, before anything else.
        for demand, placement in self.running.copy():
            if any(place.node == name for place in placement.workers):
                self.running.remove((demand, placement))
                self.grid.give_back(demand, placement)
        self.nodes.pop(name, None)
        self.grid.remove_node(name)

    @rule(groups=GANGS)
    def start(self, groups: list[TaskGroup]) -> None:
        demand = Demand(Gang(tuple(groups)))
        over_before = self.over()
        answer = self.grid.take(demand)
        if isinstance(answer, Placement):
            self.running.append((demand, answer))
            assert not any(self.nodes[place.node].drained for place in answer.workers)
            # A node that shrank may be over; nothing new makes it, or another, more so.
            assert self.over() == over_before

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        demand, placement = data.draw(st.sampled_from(self.running))
        self.running.remove((demand, placement))
        self.grid.give_back(demand, placement)

    def used(self) -> Counter[tuple[str, NodeId, int]]:
        used: Counter[tuple[str, NodeId, int]] = Counter()
        for demand, placement in self.running:
            needs = [group.each for group in demand.gang.groups for _ in range(group.workers)]
            for need, place in zip(needs, placement.workers, strict=True):
                assert len(place.gpus) == (need.gpu_milli + GPU - 1) // GPU
                used["cpu", place.node, 0] += need.cpu_milli
                used["memory", place.node, 0] += need.memory_mib
                for gpu in place.gpus:
                    used["gpu", place.node, gpu] += min(need.gpu_milli, GPU)
                    used["gpu memory", place.node, gpu] += need.gpu_memory_mib
        return used

    def total(self, what: str, name: NodeId, gpu: int) -> int:
        node = self.nodes[name]
        if what.startswith("gpu"):
            here = gpu < node.gpus
            return here * (GPU if what == "gpu" else node.gpu_memory_mib)
        return node.cpu_milli if what == "cpu" else node.memory_mib

    def over(self) -> dict[tuple[str, NodeId, int], int]:
        used = self.used()
        return {key: used[key] for key in used if used[key] > self.total(*key)}

    @invariant()
    def the_books_agree(self) -> None:
        used = self.used()
        for name, node in self.nodes.items():
            free = self.grid.free_of(name)
            assert free is not None
            assert free.cpu_milli == max(0, node.cpu_milli - used["cpu", name, 0])
            assert free.memory_mib == max(0, node.memory_mib - used["memory", name, 0])
            gpus = range(node.gpus)
            assert free.gpu_milli == tuple(max(0, GPU - used["gpu", name, g]) for g in gpus)
            assert free.gpu_memory_mib == tuple(
                max(0, node.gpu_memory_mib - used["gpu memory", name, g]) for g in gpus
            )
        ready = [free for free in self.grid.nodes() if not free.node.drained]
        assert self.grid.gpu_milli_free == sum(free.gpu_milli_sum for free in ready)
        assert self.grid.gpu_milli_total == sum(free.node.gpus for free in ready) * GPU


class ForgetfulHistory(AnyHistory):
    """The same, with a grid that forgets the states it has seen all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(grid_module, "STATES_MAX", 4)

    def teardown(self) -> None:
        self.patch.undo()


TestAnyHistory = AnyHistory.TestCase
TestForgetfulHistory = ForgetfulHistory.TestCase
TestForgetfulHistory.settings = settings(max_examples=25)
