"""A cluster as one number: processors or GPUs without nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from noljima.model.amounts import gpus, thousandths
from noljima.model.node import Node
from noljima.model.placements import IN_POOL, Placement
from noljima.model.resources import GPU, NodeId
from noljima.placement.demand import Demand
from noljima.placement.refusal import Lack, Refusal


class Pool:
    """All GPUs of all nodes in one; only their number counts."""

    __slots__ = ("_nodes", "gpu_milli_free", "gpu_milli_total")

    def __init__(self) -> None:
        self._nodes: dict[NodeId, int] = {}
        self.gpu_milli_total = 0
        # Kept beside the holders, unlike on a `Grid`: `Engine.validate` recounts it.
        self.gpu_milli_free = 0

    def set_node(self, node: Node) -> None:
        """Add the node's GPUs, or change their number."""
        milli = 0 if node.drained else (node.gpus - len(node.gpus_out)) * GPU
        change = milli - self._nodes.get(node.id, 0)
        # A new dict: copies of this pool share the old one.
        self._nodes = {**self._nodes, node.id: milli}
        self.gpu_milli_total += change
        self.gpu_milli_free += change

    def remove_node(self, node: NodeId) -> None:
        """Take the node's GPUs away."""
        milli = self._nodes.get(node, 0)
        self._nodes = {key: value for key, value in self._nodes.items() if key != node}
        self.gpu_milli_total -= milli
        self.gpu_milli_free -= milli

    def fits(self, demand: Demand) -> bool:
        """Say whether the whole gang fits now."""
        # Less than nothing is free after a loss; even then a gang without GPUs fits.
        return demand.gpu_milli <= self.gpu_milli_free or not demand.gpu_milli

    def take(self, demand: Demand) -> Placement | Refusal:
        """Hold the gang's GPUs, or say how many are free."""
        if not self.fits(demand):
            return _refusal(demand, self.gpu_milli_free, "free")
        self.gpu_milli_free -= demand.gpu_milli
        return IN_POOL

    def take_at(self, demand: Demand, nodes: Sequence[NodeId]) -> Placement | None:  # noqa: ARG002 - a pool has no places
        """Hold the gang's GPUs; a pool has no places to choose from."""
        if not self.fits(demand):
            return None
        self.gpu_milli_free -= demand.gpu_milli
        return IN_POOL

    def hold(self, demand: Demand, placement: Placement) -> None:  # noqa: ARG002 - a pool has no places
        """Hold the gang's GPUs."""
        self.gpu_milli_free -= demand.gpu_milli

    def give_back(self, demand: Demand, placement: Placement) -> None:  # noqa: ARG002 - a pool has no places
        """Free the gang's GPUs."""
        self.gpu_milli_free += demand.gpu_milli

    def ever_fits(self, demand: Demand) -> Refusal | None:
        """Refuse a gang that is larger than the pool."""
        if demand.gpu_milli <= self.gpu_milli_total:
            return None
        return _refusal(demand, self.gpu_milli_total, "in the whole pool")

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin._nodes = self._nodes  # noqa: SLF001 - its own kind
        twin.gpu_milli_total = self.gpu_milli_total
        twin.gpu_milli_free = self.gpu_milli_free
        return twin

    def overlap(self, other: Self) -> Self:
        """Return a pool that has free what both have."""
        twin = self.copy()
        twin.gpu_milli_free = min(self.gpu_milli_free, other.gpu_milli_free)
        return twin


def _refusal(demand: Demand, milli: int, where: str) -> Refusal:
    need = demand.gpu_milli
    fitting = demand.workers * max(milli, 0) // need if need else demand.workers
    words = f"needs {gpus(need)}; {thousandths(max(milli, 0))} {where}"
    return Refusal(lack=Lack.GPUS, fitting=fitting, wanted=demand.workers, words=words)
