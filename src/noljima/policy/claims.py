"""Which real nodes the strict queue's nodes stand for.

The shadow places jobs on nodes of its own. Nodes that are alike can trade names while no job is
*anchored* on them, that is, running in reality where the shadow has it. So a job that started early
somewhere else can often be *adopted* where it is, and need not move when it becomes due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from noljima.model.node import Node
from noljima.model.resources import NodeId


class Claims:
    """A renaming of nodes, from the shadow's to the real ones, among nodes that are alike."""

    def __init__(self) -> None:
        self._kinds: dict[NodeId, Node] = {}
        # Only nodes that do not stand for themselves are in these two.
        self._real: dict[NodeId, NodeId] = {}
        self._shadow: dict[NodeId, NodeId] = {}
        self._anchored: Counter[NodeId] = Counter()

    def set_node(self, node: Node) -> None:
        """Learn of a node, or of a change of one, which ends its likeness to the others."""
        self._kinds[node.id] = Node(
            id=NodeId("-"),
            gpus=node.gpus,
            gpu_type=node.gpu_type,
            gpu_memory_mib=node.gpu_memory_mib,
            cpu_milli=node.cpu_milli,
            memory_mib=node.memory_mib,
            rack=node.rack,
            labels=node.labels,
            drained=node.drained,
            gpus_out=node.gpus_out,
        )

    def remove_node(self, node: NodeId) -> None:
        """Forget a node; its name stays where it is until the node returns."""
        self._kinds.pop(node, None)

    def real(self, nodes: Sequence[NodeId]) -> list[NodeId]:
        """Return the real nodes that these of the shadow's stand for, one for one."""
        return [self._real.get(node, node) for node in nodes]

    def anchor(self, nodes: Sequence[NodeId]) -> None:
        """Note that a job runs in reality on the nodes that these of the shadow's stand for."""
        self._anchored.update(nodes)

    def raise_anchor(self, nodes: Sequence[NodeId]) -> None:
        """Note that it no longer does."""
        for node in nodes:
            self._anchored[node] -= 1
            if not self._anchored[node]:
                del self._anchored[node]

    def adopt(
        self, nodes: Sequence[NodeId], places: Sequence[NodeId], groups: Sequence[int] = ()
    ) -> bool:
        """Rename so that these nodes of the shadow's stand for these real places, as often each.

        `groups` says of each worker to which task group it belongs; without it they are alike.
        Returns False, and renames nothing, where nodes that would have to trade differ or have an
        anchored job.
        """
        groups = groups or (0,) * len(nodes)
        wanted = Counter(self.real(nodes))
        wanted.subtract(Counter(places))
        if not any(wanted.values()):
            return self._fulfil((), nodes, places, groups)
        missing = sorted(node for node, count in wanted.items() if count < 0)
        shares = Counter(nodes)
        trades: list[tuple[NodeId, NodeId]] = []
        for node in sorted(shares, key=lambda n: (-shares[n], n)):
            real = self._real.get(node, node)
            if wanted[real] <= 0:
                continue
            # The place must hold as many workers as the shadow's node does.
            place = next((p for p in missing if -wanted[p] == wanted[real] == shares[node]), None)
            if place is None or not self._may_trade(node, self._shadow.get(place, place)):
                return False
            missing.remove(place)
            trades.append((node, self._shadow.get(place, place)))
        if missing or not self._fulfil(trades, nodes, places, groups):
            return False
        for one, other in trades:
            self._trade(one, other)
        return True

    def _fulfil(
        self,
        trades: Sequence[tuple[NodeId, NodeId]],
        nodes: Sequence[NodeId],
        places: Sequence[NodeId],
        groups: Sequence[int],
    ) -> bool:
        """Say whether each group's nodes would stand for its places, as often each, once traded."""
        names = {node: self._real.get(node, node) for node in nodes}
        names |= {node: self._real.get(node, node) for trade in trades for node in trade}
        for one, other in trades:
            names[one], names[other] = names[other], names[one]
        claimed = Counter((group, names[node]) for group, node in zip(groups, nodes, strict=True))
        return claimed == Counter(zip(groups, places, strict=True))

    def _may_trade(self, one: NodeId, other: NodeId) -> bool:
        real_one, real_other = self.real((one, other))
        kinds = [self._kinds.get(node) for node in (one, other, real_one, real_other)]
        alike = kinds[0] is not None and all(kind == kinds[0] for kind in kinds)
        return alike and not self._anchored[one] and not self._anchored[other]

    def _trade(self, one: NodeId, other: NodeId) -> None:
        real_one, real_other = self.real((one, other))
        for node, real in ((one, real_other), (other, real_one)):
            self._real[node] = real
            self._shadow[real] = node
