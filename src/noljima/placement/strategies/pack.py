"""The scheduler's own strategy: keep whole nodes whole.

Groups that need a whole node or more fill the cluster from the front of the node order and smaller
ones from the back, on the fullest node that still holds them. So the small jobs, which may be
evicted, stand together, and evicting them frees whole nodes. A gang gets the fewest nodes, and of
those the fewest racks: traffic inside a node is cheaper than inside a rack, and that is cheaper
than between racks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from noljima.model.resources import GPU
from noljima.placement.shapes import Field, Shape
from noljima.placement.states import BoolArray, FloatArray, IntArray
from noljima.placement.strategies.choice import fullest

# Costs are whole numbers in steps, the finer below the coarser, and exact in a float: GPU memory
# below one milli of a GPU (2^-25 each MiB, 2^24 of them), the free GPUs of a node below 2^17
# milli, the hole on one GPU above them; 10 + 17 + 25 bits.
_HOLE: Final = float(1 << 17)
_MEMORY_MAX: Final = 1 << 24
_MEMORY: Final = float(1 << 25)


class Pack:
    """Whole nodes from the front, the rest from the back; fewest nodes, then fewest racks."""

    name: Final = "pack"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by the hole that is left on the GPU, then by what is free of the node's GPUs.

        For a fraction, a GPU that is already shared goes before a whole one. Among equals the GPU
        with less memory goes first: the larger one can do what the smaller one cannot.
        """
        states, load = shape.states, shape.load
        milli = states.gpu_milli[ids]
        memory = states.gpu_memory_mib[ids]
        largest = np.minimum(memory.max(axis=1, initial=0), _MEMORY_MAX)
        costs: FloatArray = states.gpu_milli_sum[ids] + largest / _MEMORY
        if 0 < load.gpu_milli < GPU:
            room = (milli >= load.gpu_milli) & (memory >= load.gpu_memory_mib)
            costs += np.where(room, milli, GPU).min(axis=1) * _HOLE
        return costs

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the fullest GPU for a fraction, the first free ones for whole GPUs."""
        return fullest(shape, state)

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give the one best node where it holds all workers, else the fewest nodes."""
        costs, first = shape.cheapest(field.column)
        if workers > 1:
            capacity = shape.capacity.take(field.column)
            if capacity.max() < workers:
                yield from _fewest(shape, field, np.minimum(capacity, workers), workers)
                return
            costs[capacity < workers] = np.inf
            first = int(costs.argmin())
        if _from_front(shape, int(field.column[first]), workers):
            yield first, workers
        else:
            # The last of those that cost the same; bytes are searched backwards fastest.
            yield (costs == costs[first]).tobytes().rfind(b"\x01"), workers


def _from_front(shape: Shape, state: int, workers: int) -> bool:
    """Say whether the workers need as many GPUs as such a node has, or more."""
    kind = shape.states.kinds[shape.states.rows[state].kind]
    return shape.load.gpus > 0 and workers * shape.each.gpu_milli >= kind.gpus * GPU


def _fewest(
    shape: Shape, field: Field, capacity: IntArray, workers: int
) -> Iterator[tuple[int, int]]:
    """Give the fewest nodes that hold the workers: the roomiest, and last the tightest fit."""
    rows = np.flatnonzero(capacity)
    if not _from_front(shape, int(field.column[rows[0]]), workers):
        rows = rows[::-1]  # the sorts below keep the order of equals
    count = 1 + int(np.sort(capacity[rows])[::-1].cumsum().searchsorted(workers))
    rows = rows[_fewest_racks(field.roster.racks[rows], capacity[rows], count, workers)]
    costs = shape.costs_of(field.column)[rows]
    order = rows[np.lexsort((costs, -capacity[rows]))]
    chosen, others = order[: count - 1], order[count - 1 :]
    left = workers - int(capacity[chosen].sum())
    enough = others[capacity[others] >= left]
    last = enough[capacity[enough].argmin()]
    for row in sorted([*chosen.tolist(), int(last)]):
        yield row, left if row == last else int(capacity[row])


def _fewest_racks(racks: IntArray, capacity: IntArray, nodes: int, workers: int) -> BoolArray:
    """Mark the nodes of few racks in which so many nodes hold all workers.

    One rack where one is enough: the one with the least room. Else racks are added, the roomiest
    first, until they are enough, which need not be the smallest number of racks that would do.
    """
    if not racks.any():
        return np.ones(len(racks), np.bool_)
    order = np.lexsort((-capacity, racks))
    grouped = racks[order]
    place = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    best = order[place < nodes]
    room = np.bincount(racks[best], weights=capacity[best])
    alone = np.flatnonzero(room >= workers)
    if len(alone):
        total = np.bincount(racks, weights=capacity)
        alone_best: BoolArray = racks == alone[total[alone].argmin()]
        return alone_best
    rank = np.empty(len(room), np.int64)
    rank[np.argsort(-room, kind="stable")] = np.arange(len(room))
    low, high = 1, len(room)
    while low < high:
        middle = (low + high) // 2
        held = np.sort(capacity[rank[racks] < middle])[-nodes:].sum()
        low, high = (low, middle) if held >= workers else (middle + 1, high)
    marks: BoolArray = rank[racks] < low
    return marks
