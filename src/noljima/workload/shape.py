"""How a bare number of GPUs becomes a gang of workers.

Most traces say "8 processors" and nothing of workers. A scheduler that packs nodes needs to know
what has to lie together, so one rule decides it for every reader and the generator.
"""

from __future__ import annotations

from functools import lru_cache

from noljima.model import bounds
from noljima.model.resources import GPU, Gang, Resources, gang_of


def shape(gpus: int, gpus_per_node: int | None = None) -> Gang:
    """Build the gang of a request for `gpus` GPUs on nodes of `gpus_per_node` (None: a pool).

    Without nodes, every GPU is a worker of its own: a pool only counts. On nodes, all workers get
    the same number of GPUs, the largest that fits a node and divides the request. So what fits on
    one node stays on one node (the user of 4 GPUs expects them side by side), a multiple of a node
    takes whole nodes, and any other number is cut into the fewest equal workers: 12 GPUs on nodes
    of 8 are two workers of 6, a prime number beyond a node is workers of one GPU. Equal, because
    data-parallel jobs are, and because padding to whole nodes would invent demand.
    """
    return _shape(gpus, gpus_per_node)


# Cached so that the equal gangs of a trace are one object: half the memory, and comparing two
# demands mostly is comparing two addresses.
@lru_cache(maxsize=65_536)
def _shape(gpus: int, gpus_per_node: int | None) -> Gang:
    bounds.whole("gpus", gpus, low=1, high=bounds.GPU_COUNT_MAX)
    if gpus_per_node is None:
        return gang_of(gpus, Resources(gpu_milli=GPU))
    bounds.whole("gpus_per_node", gpus_per_node, low=1, high=bounds.GPU_COUNT_MAX)
    each = next(d for d in range(min(gpus, gpus_per_node), 0, -1) if gpus % d == 0)
    return gang_of(gpus // each, Resources(gpu_milli=each * GPU))
