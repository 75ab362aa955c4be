"""Amounts of what a node has and a worker needs, and gangs of workers."""

from __future__ import annotations

from typing import NewType

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

JobId = NewType("JobId", str)
NodeId = NewType("NodeId", str)

GPU = 1000
"""One GPU in milli: GPUs are counted in thousandths so that a fraction is a whole number."""


class Resources(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one worker needs.

    `gpu_milli` is a multiple of 1000 (whole GPUs) or less than 1000 (a fraction of one GPU).
    `gpu_memory_mib` is needed on each of the worker's GPUs; a fraction shares its GPU's memory
    with the others on it.
    """

    gpu_milli: int = 0
    gpu_memory_mib: int = 0
    cpu_milli: int = 0
    memory_mib: int = 0

    def __post_init__(self) -> None:
        """Refuse what no worker can need."""
        bounds.whole("gpu_milli", self.gpu_milli, low=0, high=bounds.GPU_MILLI_MAX)
        if self.gpu_milli > GPU and self.gpu_milli % GPU:
            raise InvalidFieldError(
                "gpu_milli", self.gpu_milli, "is neither a fraction (< 1000) nor whole GPUs"
            )
        bounds.whole("gpu_memory_mib", self.gpu_memory_mib, low=0, high=bounds.GPU_MEMORY_MIB_MAX)
        bounds.whole("cpu_milli", self.cpu_milli, low=0, high=bounds.CPU_MILLI_MAX)
        bounds.whole("memory_mib", self.memory_mib, low=0, high=bounds.MEMORY_MIB_MAX)


class TaskGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Workers of a gang that are alike: what each needs, and on which GPU types it runs."""

    workers: int
    each: Resources
    gpu_types: tuple[str, ...] = ()
    """The GPU types that will do; empty means any."""
    name: str = "worker"

    def __post_init__(self) -> None:
        """Refuse groups of nobody and groups without end."""
        bounds.whole("workers", self.workers, low=1, high=bounds.WORKERS_MAX)
        bounds.whole("workers x gpu_milli", self.gpu_milli, low=0, high=bounds.GPU_MILLI_MAX)
        for gpu_type in self.gpu_types:
            bounds.text("gpu_types", gpu_type, low=1, high=64)
        bounds.text("group name", self.name, low=1, high=64)

    @property
    def gpu_milli(self) -> int:
        """What all workers of the group need together."""
        return self.workers * self.each.gpu_milli


class Gang(msgspec.Struct, frozen=True, omit_defaults=True):
    """All workers of one job: they start together or not at all."""

    groups: tuple[TaskGroup, ...]

    def __post_init__(self) -> None:
        """Refuse gangs of nobody and gangs without end."""
        bounds.whole("task groups", len(self.groups), low=1, high=64)
        bounds.whole("workers", self.workers, low=1, high=bounds.WORKERS_MAX)
        bounds.whole("gpu_milli", self.gpu_milli, low=0, high=bounds.GPU_MILLI_MAX)

    @property
    def workers(self) -> int:
        """The workers of all groups."""
        return sum(group.workers for group in self.groups)

    @property
    def gpu_milli(self) -> int:
        """The GPUs of all workers, in thousandths."""
        return sum(group.gpu_milli for group in self.groups)


def gang_of(workers: int, each: Resources) -> Gang:
    """Build the common case: one group of equal workers."""
    return Gang((TaskGroup(workers=workers, each=each),))
