"""Machines: what a node has and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import NodeId

GPUS_PER_NODE_MAX: Final = 64


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the scheduler knows of one machine at one moment.

    A pool (a cluster seen as one number of processors or GPUs) is told to a `placement.Pool` as
    one node with all its GPUs; a machine in a `placement.Grid` has at most 64.
    """

    id: NodeId
    gpus: int = 0
    gpu_type: str = ""
    gpu_memory_mib: int = bounds.GPU_MEMORY_MIB_MAX
    """Of each GPU; where nobody said, it never is what keeps a worker out."""
    cpu_milli: int = bounds.CPU_MILLI_MAX
    memory_mib: int = bounds.MEMORY_MIB_MAX
    rack: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    drained: bool = False
    """A drained node keeps what runs on it and takes nothing new."""
    gpus_out: tuple[int, ...] = ()
    """GPUs that take nothing new while the others do, in order: broken, or held by what cannot be
    killed."""

    def __post_init__(self) -> None:
        """Refuse what no machine has."""
        bounds.text("node id", self.id, low=1)
        bounds.whole("gpus", self.gpus, low=0, high=bounds.GPU_COUNT_MAX)
        for gpu in self.gpus_out:
            bounds.whole("gpus_out", gpu, low=0, high=self.gpus - 1)
        if list(self.gpus_out) != sorted(set(self.gpus_out)):
            raise InvalidFieldError("gpus_out", self.gpus_out, "names one twice or is not in order")
        bounds.text("gpu_type", self.gpu_type, high=64)
        bounds.whole("gpu_memory_mib", self.gpu_memory_mib, low=0, high=bounds.GPU_MEMORY_MIB_MAX)
        bounds.whole("cpu_milli", self.cpu_milli, low=0, high=bounds.CPU_MILLI_MAX)
        bounds.whole("memory_mib", self.memory_mib, low=0, high=bounds.MEMORY_MIB_MAX)
        bounds.text("rack", self.rack, high=64)
        bounds.whole("labels", len(self.labels), low=0, high=256)
        for key, value in self.labels.items():
            bounds.text("label", key, low=1)
            bounds.text(f"label {key}", value)
