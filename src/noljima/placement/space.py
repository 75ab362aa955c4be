"""The interface through which policies see free capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import NodeId
from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal


class Space(Protocol):
    """Free capacity that gangs are taken from and given back to.

    `fits(d)` is true exactly when `take(d)` returns a placement, and neither has a memory: the
    same free capacity gives the same placement.
    """

    @property
    def gpu_milli_total(self) -> int:
        """GPUs of all nodes that are not drained, in thousandths."""
        ...

    @property
    def gpu_milli_free(self) -> int:
        """GPUs that nobody holds on nodes that are not drained, in thousandths."""
        ...

    def set_node(self, node: Node) -> None:
        """Add a node, or change one and keep what is held on it."""
        ...

    def remove_node(self, node: NodeId) -> None:
        """Take a node away, with all that was held on it."""
        ...

    def fits(self, demand: Demand) -> bool:
        """Say whether the whole gang fits now."""
        ...

    def take(self, demand: Demand) -> Placement | Refusal:
        """Choose places for the whole gang and hold them, or say why not and hold nothing."""
        ...

    def take_at(self, demand: Demand, nodes: Sequence[NodeId]) -> Placement | None:
        """Hold places on these nodes, one for each worker in order; None where one is too full."""
        ...

    def hold(self, demand: Demand, placement: Placement) -> None:
        """Hold a placement that another copy of this space has chosen."""
        ...

    def give_back(self, demand: Demand, placement: Placement) -> None:
        """Free what a placement holds; what stood on a lost node is gone and is passed over."""
        ...

    def ever_fits(self, demand: Demand) -> Refusal | None:
        """Say why the gang would not fit even if nothing ran; None where it would."""
        ...

    def copy(self) -> Self:
        """Return an independent copy; cheap, as plans make one in every cycle."""
        ...

    def overlap(self, other: Self) -> Self:
        """Return a new space that holds what is free in both."""
        ...
