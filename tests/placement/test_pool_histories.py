"""A pool under any history: a second count of every holder agrees, and `fits` foretells `take`."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from noljima.model.node import Node
from noljima.model.placements import IN_POOL
from noljima.model.resources import GPU, NodeId, Resources, gang_of
from noljima.placement.demand import Demand
from noljima.placement.pool import Pool
from noljima.placement.refusal import Refusal

node_ids = st.sampled_from([NodeId(name) for name in "xyz"])
demands = st.builds(
    lambda workers, milli: Demand(gang_of(workers, Resources(gpu_milli=milli))),
    st.integers(1, 3),
    st.sampled_from([0, 1, 250, 500, 999, GPU, 2 * GPU, 5 * GPU]),
)


class AnyHistory(RuleBasedStateMachine):
    """Take, give back, drain and lose; count the holders anew after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.nodes: dict[NodeId, int] = {}
        self.holders: list[Demand] = []

    @rule(node=node_ids, gpus=st.integers(0, 8), drained=st.booleans())
    def see(self, node: NodeId, gpus: int, *, drained: bool) -> None:
        self.nodes[node] = 0 if drained else gpus * GPU
        self.pool.set_node(Node(id=node, gpus=gpus, drained=drained))

    @rule(node=node_ids)
    def lose(self, node: NodeId) -> None:
        self.nodes.pop(node, None)
        self.pool.remove_node(node)

    @rule(demand=demands, at=st.booleans())
    def take(self, demand: Demand, *, at: bool) -> None:
        fits = self.pool.fits(demand)
        taken = self.pool.take_at(demand, []) if at else self.pool.take(demand)
        if taken == IN_POOL:
            self.holders.append(demand)

        free = self.total - self.held + (demand.gpu_milli if fits else 0)

        assert fits == (taken == IN_POOL) == (demand.gpu_milli <= max(free, 0))
        if isinstance(taken, Refusal):
            assert 0 <= taken.fitting < taken.wanted == demand.workers

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        holder = self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1)))
        self.pool.give_back(holder, IN_POOL)

    @rule(demand=demands)
    def try_on_a_copy(self, demand: Demand) -> None:
        twin = self.pool.copy()
        twin.take(demand)
        twin.set_node(Node(id=NodeId("w"), gpus=3))

    @property
    def total(self) -> int:
        return sum(self.nodes.values())

    @property
    def held(self) -> int:
        return sum(holder.gpu_milli for holder in self.holders)

    @invariant()
    def books_agree(self) -> None:
        assert self.pool.gpu_milli_total == self.total
        assert self.pool.gpu_milli_free == self.total - self.held


TestAnyHistory = AnyHistory.TestCase
