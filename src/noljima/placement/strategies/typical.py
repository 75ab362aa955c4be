"""The workers that usually come: what a strategy may know of the future.

It is a distribution, of the whole trace or of what was seen so far, never the next job itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from noljima.model.resources import Resources, TaskGroup
from noljima.placement.states import BoolArray, IntArray, Load, States, load_of

COUNT_MAX: Final = 1_000_000
"""So that a count times the GPUs of a node in milli is far below 2^53, exact in a float."""


class Worker(NamedTuple):
    """A need that comes up, and how often."""

    each: Resources
    gpu_types: tuple[str, ...]
    times: int

    @property
    def load(self) -> Load:
        """What such a worker holds."""
        return load_of(self.each)


Usual = tuple[Worker, ...]
"""The needs that come up, the most frequent first."""


def usual_workers(groups: Iterable[TaskGroup]) -> Usual:
    """Count the needs of task groups, each worker once."""
    counts: Counter[tuple[Resources, tuple[str, ...]]] = Counter()
    for group in groups:
        counts[group.each, tuple(sorted(set(group.gpu_types)))] += group.workers
    return usual_of(counts)


def usual_of(counts: Mapping[tuple[Resources, tuple[str, ...]], int]) -> Usual:
    """Sort counted needs, the most frequent first, equals by what they need."""
    total = sum(counts.values())
    scale = max(1, -(-total // COUNT_MAX))
    workers = [
        Worker(each, types, max(count // scale, 1)) for (each, types), count in counts.items()
    ]
    return tuple(sorted(workers, key=lambda worker: (-worker.times, worker.load, worker.gpu_types)))


def popular(usual: Usual, share: float) -> Usual:
    """Keep the most frequent needs until they make up this share of all workers."""
    total = sum(worker.times for worker in usual)
    kept: list[Worker] = []
    seen = 0
    for worker in usual:
        if seen >= share * total:
            break
        kept.append(worker)
        seen += worker.times
    return tuple(kept)


class Table:
    """Usual workers as columns; workers that take no GPU are left out, they strand none."""

    __slots__ = (
        "_allowed",
        "_states",
        "cpu_milli",
        "gpu_types",
        "gpus",
        "memory_mib",
        "milli",
        "share",
        "size",
        "times",
    )

    def __init__(self, usual: Usual) -> None:
        workers = [worker for worker in usual if worker.load.gpus]
        loads = [worker.load for worker in workers]
        self.gpu_types = [worker.gpu_types for worker in workers]
        self.times: IntArray = np.array([worker.times for worker in workers], np.int64)
        self.gpus: IntArray = np.array([load.gpus for load in loads], np.int64)
        self.cpu_milli: IntArray = np.array([load.cpu_milli for load in loads], np.int64)
        self.memory_mib: IntArray = np.array([load.memory_mib for load in loads], np.int64)
        milli = np.array([load.gpu_milli for load in loads], np.int64)
        self.size: IntArray = self.gpus * milli
        self.milli, share = np.unique(milli, return_inverse=True)
        self.share: IntArray = share.astype(np.int64)
        # What was asked last, and of which table: a few kinds of machine, asked all the time.
        self._states: States | None = None
        self._allowed: BoolArray = np.zeros((0, len(workers)), np.bool_)

    def allowed(self, states: States, kind: IntArray) -> BoolArray:
        """Mark for nodes of these kinds (rows) which workers (columns) may go there."""
        if self._states is not states or len(self._allowed) != len(states.kinds):
            marks = [
                [not types or what.gpu_type in types for types in self.gpu_types]
                for what in states.kinds
            ]
            self._states = states
            self._allowed = np.array(marks, np.bool_).reshape(len(marks), -1)
        allowed: BoolArray = self._allowed[kind]
        return allowed
