"""What this machine is to the engine: one node."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from noljima.drivers.local.gpus import Gpu
from noljima.model import bounds
from noljima.model.node import Node
from noljima.model.resources import NodeId


def node_of(name: NodeId, gpus: Sequence[Gpu], out: Collection[int]) -> Node:
    """Return this machine as a node, without the GPUs that take nothing new."""
    models = {gpu.model for gpu in gpus}
    return Node(
        id=name,
        gpus=len(gpus),
        gpus_out=tuple(sorted(out)),
        gpu_type=models.pop() if len(models) == 1 else "",
        # Of unequal GPUs the smallest, so that what is promised is there on each.
        gpu_memory_mib=min((gpu.memory_mib for gpu in gpus), default=bounds.GPU_MEMORY_MIB_MAX),
        cpu_milli=len(os.sched_getaffinity(0)) * 1000,
        memory_mib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
    )
