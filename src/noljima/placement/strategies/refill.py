"""Refill: put a worker where, once the node has filled up again, the least stays idle.

Fragmentation gradient descent asks of each usual worker whether one more of it would fit. This
strategy asks what is left when no more fit, in two steps. First, for all nodes: fill the node with
one kind of worker only, and weigh what stays idle over the kinds. Then, for the few best: fill the
node with a mixture in the order in which the usual workers might come, several times, and look at
what stays idle in the end. The second step sees what no single worker shows: that the CPU beside
the last two GPUs will be gone, or that two fractions that go together leave less of a GPU.

Like fragmentation gradient descent it knows the distribution of the usual workers, not the next
one. All ratings are whole numbers, so that they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from noljima.model.resources import GPU
from noljima.placement.shapes import Field, Shape
from noljima.placement.states import FloatArray, IntArray, State, States
from noljima.placement.strategies.choice import first_free
from noljima.placement.strategies.gradient import After, afterwards
from noljima.placement.strategies.typical import Table, Usual, Worker

KINDS_MAX: Final = 64
"""The most frequent needs stand for all."""
BEST_STATES: Final = 8
"""So many states are looked at in the second step; twice as many change nothing."""
MIXTURES: Final = 4
MIXTURE_LENGTH: Final = 64
SORTED_LENGTH: Final = 16
"""Within so many workers of a mixture those that are alike are placed together: it is faster."""
MIXTURE_WEIGHT: Final = 4
"""What the second step's idle GPUs count against the first's. From 3 to 10 it hardly matters;
without the first step whole nodes are broken for nothing where the mixtures lack large workers."""
_GOLDEN: Final = 0.6180339887498949
_IDLE_MAX: Final = 1 << 18
_CHUNK: Final = 4096


class Step(NamedTuple):
    """Workers of one kind that come next in a mixture."""

    gpus: int
    gpu_milli: int
    cpu_milli: int
    memory_mib: int
    workers: int
    gpu_types: tuple[str, ...]


class Refill:
    """The node of which the least stays idle once usual workers have filled it up again."""

    name: Final = "refill"

    def __init__(self, usual: Usual) -> None:
        kept = [worker for worker in usual if worker.load.gpus][:KINDS_MAX]
        self._table = Table(tuple(kept))
        self._total = max(int(self._table.times.sum()), 1)
        self._mixtures = mixtures(kept)
        self._idle: dict[tuple[object, ...], int] = {}

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by how much more stays idle when the node is filled with one kind of worker."""
        chunks = [ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK)]
        return np.concatenate([self._costs(shape, chunk) for chunk in chunks])

    def _costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        after = afterwards(shape, ids)
        costs = np.full(len(ids), np.inf)
        np.minimum.at(costs, after.state, self._growth(shape.states, ids, after))
        return costs

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the GPU for a fraction by both steps, the first free ones for whole GPUs."""
        self._rate(shape, [state])
        return shape.ratings[state][1]

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give for each worker the node that both steps together find best."""
        for _ in range(workers):
            costs = shape.costs_of(field.column)
            # Of each state the first node stands for all, so that node order decides between
            # equals, and not the numbers of the states.
            _, rows = np.unique(field.column, return_index=True)
            rows = rows[np.isfinite(costs[rows])]
            rows = rows[np.lexsort((rows, costs[rows]))][:BEST_STATES]
            states = field.column[rows].tolist()
            self._rate(shape, states)
            ratings = [shape.ratings[state][0] for state in states]
            yield min(zip(ratings, rows.tolist(), strict=True), default=(0, 0))[1], 1

    def _rate(self, shape: Shape, ids: list[int]) -> None:
        """Note the cost of placing a worker on nodes in these states, and its GPUs, by both steps.

        Where several GPUs will do for a fraction, the one that costs least.
        """
        states = shape.states
        unrated = [state for state in ids if state not in shape.ratings]
        if not unrated:
            return
        asked = np.array(unrated, np.int64)
        after = afterwards(shape, asked)
        growth = self._growth(states, asked, after).tolist()
        idle = [self._idle_of(states, states.rows[state]) for state in unrated]
        for way, (at, gpu) in enumerate(zip(after.state.tolist(), after.gpu.tolist(), strict=True)):
            state = unrated[at]
            gpus = (gpu,) if gpu >= 0 else _whole(shape, state)
            then = self._idle_of(states, states.held(states.rows[state], shape.load, gpus))
            more = (then - idle[at]) * MIXTURE_WEIGHT * self._total
            rating = int(growth[way]) * MIXTURES + more, gpus
            shape.ratings[state] = min(shape.ratings.get(state, rating), rating)

    def _growth(self, states: States, ids: IntArray, after: After) -> FloatArray:
        """Return by how much the first step's idle GPUs grow, times how often workers come."""
        before = self._idle_with_one_kind(
            states,
            After(
                ids,
                ids,
                states.kind[ids],
                states.gpu_milli[ids],
                states.cpu_milli[ids],
                states.memory_mib[ids],
            ),
        )
        growth = self._idle_with_one_kind(states, after) - before[after.state]
        return growth.astype(np.float64)

    def _idle_with_one_kind(self, states: States, nodes: After) -> IntArray:
        """Fill nodes with one kind of usual worker; sum up what stays idle over the kinds."""
        table = self._table
        milli = nodes.gpu_milli
        room = (milli[:, np.newaxis, :] // table.milli[:, np.newaxis]).sum(axis=2)
        workers = room[:, table.share] // table.gpus
        for free, need in (
            (nodes.cpu_milli, table.cpu_milli),
            (nodes.memory_mib, table.memory_mib),
        ):
            enough = free[:, np.newaxis] // np.maximum(need, 1)
            workers = np.where(need > 0, np.minimum(workers, enough), workers)
        workers *= table.allowed(states, nodes.kind)
        idle: IntArray = milli.sum(axis=1) * self._total - workers @ (table.size * table.times)
        return idle

    def _idle_of(self, states: States, state: State) -> int:
        """Return what stays idle of a node that the mixtures have filled, summed over them."""
        what = states.kinds[state.kind]
        milli = tuple(sorted(free for free in state.gpu_milli[: what.gpus] if free > 0))
        key = what.gpu_type, milli, state.cpu_milli, state.memory_mib
        idle = self._idle.get(key)
        if idle is None:
            if len(self._idle) >= _IDLE_MAX:
                self._idle.clear()
            idle = self._idle[key] = sum(
                left_idle(mixture, what.gpu_type, milli, state.cpu_milli, state.memory_mib)
                for mixture in self._mixtures
            )
        return idle


def _whole(shape: Shape, state: int) -> tuple[int, ...]:
    return first_free(shape, state) if shape.load.gpus else ()


def mixtures(workers: list[Worker]) -> list[list[Step]]:
    """Lay out orders in which workers might come, each kind as often as it does.

    The times of a kind are evenly spaced; where they begin differs from kind to kind and from
    mixture to mixture, spread by the golden ratio rather than drawn.
    """
    total = sum(worker.times for worker in workers)
    laid = []
    for mixture in range(MIXTURES if workers else 0):
        begin = (mixture + 0.5) / MIXTURES
        due = [
            ((begin + (rank + 1) * _GOLDEN) % 1.0) * total / worker.times
            for rank, worker in enumerate(workers)
        ]
        order = []
        for _ in range(MIXTURE_LENGTH):
            first = min(range(len(due)), key=due.__getitem__)
            due[first] += total / workers[first].times
            order.append(first)
        laid.append(_steps(workers, order))
    return laid


def _steps(workers: list[Worker], order: list[int]) -> list[Step]:
    """Join workers that are alike and come close to one another."""
    steps = []
    for at in range(0, len(order), SORTED_LENGTH):
        near = order[at : at + SORTED_LENGTH]
        for rank in dict.fromkeys(near):
            load = workers[rank].load
            steps.append(
                Step(
                    gpus=load.gpus,
                    gpu_milli=load.gpu_milli,
                    cpu_milli=load.cpu_milli,
                    memory_mib=load.memory_mib,
                    workers=near.count(rank),
                    gpu_types=workers[rank].gpu_types,
                )
            )
    return steps


def left_idle(
    mixture: list[Step], gpu_type: str, free: tuple[int, ...], cpu_milli: int, memory_mib: int
) -> int:
    """Place a mixture on one node, what fits of it, and return what stays idle of its GPUs."""
    shared = [milli for milli in free if milli < GPU]
    whole = len(free) - len(shared)
    for step in mixture:
        workers = step.workers
        if step.cpu_milli:
            workers = min(workers, cpu_milli // step.cpu_milli)
        if step.memory_mib:
            workers = min(workers, memory_mib // step.memory_mib)
        if workers <= 0 or (step.gpu_types and gpu_type not in step.gpu_types):
            continue
        if step.gpu_milli == GPU:
            workers = min(workers, whole // step.gpus)
            whole -= workers * step.gpus
        else:
            whole, workers = _share(shared, whole, step.gpu_milli, workers)
        cpu_milli -= workers * step.cpu_milli
        memory_mib -= workers * step.memory_mib
        if not whole and not shared:
            break
    return whole * GPU + sum(shared)


def _share(shared: list[int], whole: int, milli: int, workers: int) -> tuple[int, int]:
    """Place fractions on the fullest GPUs with room, then on whole ones; return both counts.

    The counts are of whole GPUs left and of workers placed.
    """
    for placed in range(workers):
        best = min((free for free in shared if free >= milli), default=0)
        if best:
            shared.remove(best)
        elif whole:
            whole, best = whole - 1, GPU
        else:
            return whole, placed
        if best > milli:
            shared.append(best - milli)
    return whole, workers
