"""Fragmentation gradient descent: put a worker where it breaks least of what usual workers need.

After "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
Descent" (Weng et al., USENIX ATC 2023). The fragment of a node for a worker is what is free of
its GPUs and of no use to that worker: all of it where the worker does not fit, else the GPUs with
less free than the worker needs of one. The expected fragment weighs that over the usual workers;
a worker goes where it grows least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from noljima.model.resources import GPU, Resources
from noljima.placement.shapes import Field, Shape
from noljima.placement.states import FloatArray, IntArray, States
from noljima.placement.strategies.choice import first_free, one_by_one
from noljima.placement.strategies.typical import Table, Usual, popular, usual_of

POPULAR_SHARE: Final = 0.95
"""The rarest workers, a twentieth of all, are not typical."""
_CHUNK: Final = 4096


class After(NamedTuple):
    """Nodes as they would be with one worker more: of each state, each way to place it."""

    state: IntArray
    """Which of the asked states each row comes from."""
    gpu: IntArray
    """The GPU that a fraction goes to; -1 for whole GPUs and for none."""
    kind: IntArray
    gpu_milli: IntArray
    cpu_milli: IntArray
    memory_mib: IntArray


class Fgd:
    """The node where the expected fragment grows least."""

    name: Final = "fgd"

    def __init__(self, usual: Usual) -> None:
        # Typical workers differ in GPUs and CPU only: the paper's do not know memory.
        counts: Counter[tuple[Resources, tuple[str, ...]]] = Counter()
        for worker in usual:
            each = Resources(gpu_milli=worker.each.gpu_milli, cpu_milli=worker.each.cpu_milli)
            counts[each, worker.gpu_types] += worker.times
        typical = popular(usual_of(counts), POPULAR_SHARE)
        self._table = Table(typical)
        self._total = sum(worker.times for worker in typical)
        # The artifact's scores are whole percents of a sigmoid of the gradient in GPUs. These are
        # the gradients at which the next percent begins; most nodes tie, and node order decides.
        percent = np.arange(1, 100)
        self._steps: FloatArray = GPU * self._total * np.log(percent / (100 - percent))

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by how much the expected fragment grows."""
        chunks = [ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK)]
        return np.concatenate([self._costs(shape, chunk) for chunk in chunks])

    def _costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        after = afterwards(shape, ids)
        costs = np.full(len(ids), np.inf)
        np.minimum.at(costs, after.state, self._levels(shape.states, ids, after))
        return costs

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the GPU on which a fraction breaks least, the first free ones for whole GPUs."""
        if not shape.load.gpus:
            return ()
        if shape.load.gpu_milli == GPU:
            return first_free(shape, state)
        ids = np.array([state])
        after = afterwards(shape, ids)
        return (int(after.gpu[self._levels(shape.states, ids, after).argmin()]),)

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give the cheapest node for each worker in turn."""
        return one_by_one(shape, field, workers)

    def _levels(self, states: States, ids: IntArray, after: After) -> FloatArray:
        before = self._fragment(
            states, states.kind[ids], states.gpu_milli[ids], states.cpu_milli[ids]
        )
        now = self._fragment(states, after.kind, after.gpu_milli, after.cpu_milli)
        percent = np.searchsorted(self._steps, before[after.state] - now, side="right")
        costs: FloatArray = (100 - percent).astype(np.float64)
        return costs

    def _fragment(
        self, states: States, kind: IntArray, milli: IntArray, cpu_milli: IntArray
    ) -> IntArray:
        """Sum up the fragments over all typical workers, times how often each comes."""
        table = self._table
        free = milli.sum(axis=1)
        small = milli[:, np.newaxis, :] < table.milli[:, np.newaxis]
        scraps = np.where(small, milli[:, np.newaxis, :], 0).sum(axis=2)
        # Columns beyond a machine's GPUs are zero and count as small.
        roomy = milli.shape[1] - small.sum(axis=2)
        fits = (roomy[:, table.share] >= table.gpus) & table.allowed(states, kind)
        fits &= cpu_milli[:, np.newaxis] >= table.cpu_milli
        fragment = np.where(fits, scraps[:, table.share], free[:, np.newaxis]) @ table.times
        # To a worker without GPUs, all that is free is a fragment.
        others = self._total - int(table.times.sum())
        total: IntArray = fragment + free * others
        return total


def afterwards(shape: Shape, ids: IntArray) -> After:
    """Work out what placing one worker would make of nodes in these states, in every way."""
    states, load = shape.states, shape.load
    milli = states.gpu_milli[ids]
    if 0 < load.gpu_milli < GPU:
        room = (milli >= load.gpu_milli) & (states.gpu_memory_mib[ids] >= load.gpu_memory_mib)
        # A GPU like an earlier one of the same node is the same choice.
        alike = np.tril(milli[:, :, np.newaxis] == milli[:, np.newaxis, :], -1)
        room &= ~(alike & room[:, np.newaxis, :]).any(axis=2)
        state, gpu = room.nonzero()
        milli = milli[state]
        milli[np.arange(len(state)), gpu] -= load.gpu_milli
    else:
        state, gpu = np.arange(len(ids)), np.full(len(ids), -1)
        free = (milli == GPU) & (states.gpu_memory_mib[ids] >= load.gpu_memory_mib)
        milli = np.where(free & (free.cumsum(axis=1) <= load.gpus), 0, milli)
    rows = ids[state]
    return After(
        state=state,
        gpu=gpu,
        kind=states.kind[rows],
        gpu_milli=milli,
        cpu_milli=states.cpu_milli[rows] - load.cpu_milli,
        memory_mib=states.memory_mib[rows] - load.memory_mib,
    )
