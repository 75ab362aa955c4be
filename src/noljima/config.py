"""Settings as frozen values, refused in words where they make no sense."""

from __future__ import annotations

import msgspec

from noljima.model import bounds


class QueueSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a site says of one queue."""

    name: str
    parent: str = ""
    weight: float = 1.0
    """Its share of the parent's capacity against its siblings'."""
    quota_gpus: int | None = None
    """GPUs that its jobs may hold of right; None for no quota."""
    borrow_gpus: int = 0
    """GPUs that it may hold beyond its quota while nobody with a right to them wants them."""
    evictable: bool | None = None
    """Default for its jobs; None takes the rule for whole-node jobs."""

    def __post_init__(self) -> None:
        """Refuse what no queue can be."""
        bounds.text("queue name", self.name, low=1)
        bounds.text("queue parent", self.parent)
        if not 0.0 < self.weight <= bounds.MILLION:  # also true for NaN
            raise bounds.InvalidFieldError("weight", self.weight, "is not above 0 and up to 1e6")
        if self.quota_gpus is not None:
            bounds.whole("quota_gpus", self.quota_gpus, low=0, high=bounds.GPU_COUNT_MAX)
        bounds.whole("borrow_gpus", self.borrow_gpus, low=0, high=bounds.GPU_COUNT_MAX)


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a site says of its scheduler, the policy apart."""

    whole_node_gpus: int = 8
    """A job with a worker of this many GPUs, or this many in all, is not evictable by default."""
    queues: tuple[QueueSettings, ...] = ()

    def __post_init__(self) -> None:
        """Refuse queues that name each other wrongly."""
        bounds.whole("whole_node_gpus", self.whole_node_gpus, low=1, high=bounds.GPU_COUNT_MAX)
        names = [queue.name for queue in self.queues]
        for queue in self.queues:
            if names.count(queue.name) > 1:
                raise bounds.InvalidFieldError("queue name", queue.name, "is there twice")
            if queue.parent and queue.parent not in names:
                raise bounds.InvalidFieldError("queue parent", queue.parent, "is no queue")
        parents = {queue.name: queue.parent for queue in self.queues}
        for name in names:
            _refuse_cycle(name, parents)


def _refuse_cycle(name: str, parents: dict[str, str]) -> None:
    seen = {name}
    above = parents[name]
    while above:
        if above in seen:
            raise bounds.InvalidFieldError("queue parent", name, "is its own ancestor")
        seen.add(above)
        above = parents[above]
