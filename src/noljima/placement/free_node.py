"""What is free of one node, for people and for whoever asks about a single node."""

from __future__ import annotations

import msgspec

from noljima.model.node import Node
from noljima.model.resources import GPU
from noljima.placement.states import State


class FreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node and what nobody holds of it; nothing is below zero."""

    node: Node
    gpu_milli: tuple[int, ...]
    """Of each GPU."""
    gpu_memory_mib: tuple[int, ...]
    """Of each GPU."""
    cpu_milli: int
    memory_mib: int

    @property
    def gpus(self) -> int:
        """The GPUs of which nothing is held."""
        return self.gpu_milli.count(GPU)

    @property
    def gpu_milli_sum(self) -> int:
        """What is free of all GPUs together, in thousandths."""
        return sum(self.gpu_milli)


def free_node(node: Node, state: State) -> FreeNode:
    """Read what is free of a node from its state."""
    return FreeNode(
        node=node,
        gpu_milli=tuple(max(milli, 0) for milli in state.gpu_milli[: node.gpus]),
        gpu_memory_mib=tuple(max(memory, 0) for memory in state.gpu_memory_mib[: node.gpus]),
        cpu_milli=max(state.cpu_milli, 0),
        memory_mib=max(state.memory_mib, 0),
    )
