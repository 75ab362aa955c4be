"""What nodes can look like, each look known by a small number.

Ten thousand nodes are in a few hundred different states at a time: so many GPUs free, so much
memory beside them. Whatever placement has to know of a node depends on its state alone, so it is
worked out once for each state and looked up for each node. A `Grid` is then hardly more than one
number for each node, which is what makes copying it cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from noljima.model import bounds
from noljima.model.node import Node
from noljima.model.resources import GPU, Resources

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Columns are int64 and cannot overflow: `model.bounds` caps a gang at 10^6 workers and each of a
# worker's amounts at 10^9, so what is free of a node stays within 10^15, below 2^52 either way
# (`test_grid_caps`), and no column is ever multiplied by more than 2^10.
UNLIMITED: Final = 1 << 52


class Kind(NamedTuple):
    """What a machine has, whatever runs on it."""

    gpus: int
    gpu_type: str
    gpu_memory_mib: int
    cpu_milli: int
    memory_mib: int
    drained: bool
    gpus_out: tuple[int, ...] = ()

    def whole_milli(self, gpu: int) -> int:
        """Return what there is of a GPU when nothing holds it: nothing of one that is out."""
        return GPU if gpu < self.gpus and gpu not in self.gpus_out else 0

    def empty(self, number: int) -> State:
        """Return the state of a machine of this kind on which nothing runs."""
        return State(
            kind=number,
            gpu_milli=tuple(self.whole_milli(gpu) for gpu in range(self.gpus)),
            gpu_memory_mib=(self.gpu_memory_mib,) * self.gpus,
            cpu_milli=self.cpu_milli,
            memory_mib=self.memory_mib,
        )


class State(NamedTuple):
    """What is free of a machine; below zero where it shrank under what it holds.

    GPUs beyond those that the machine has are listed up to the last one that something holds.
    """

    kind: int
    gpu_milli: tuple[int, ...]
    gpu_memory_mib: tuple[int, ...]
    cpu_milli: int
    memory_mib: int


class Load(NamedTuple):
    """What one worker holds of its node: of each of its GPUs, and of the rest."""

    gpus: int
    gpu_milli: int
    gpu_memory_mib: int
    cpu_milli: int
    memory_mib: int


def kind_of(node: Node) -> Kind:
    """Return what counts for placement of a node."""
    return Kind(
        gpus=node.gpus,
        gpu_type=node.gpu_type,
        gpu_memory_mib=node.gpu_memory_mib,
        cpu_milli=node.cpu_milli,
        memory_mib=node.memory_mib,
        drained=node.drained,
        gpus_out=node.gpus_out,
    )


def load_of(each: Resources) -> Load:
    """Return what a worker with this need holds; without a GPU it holds no GPU memory either."""
    fraction = each.gpu_milli % GPU
    gpus = 1 if fraction else each.gpu_milli // GPU
    return Load(
        gpus=gpus,
        gpu_milli=fraction or (GPU if gpus else 0),
        gpu_memory_mib=each.gpu_memory_mib if gpus else 0,
        cpu_milli=each.cpu_milli,
        memory_mib=each.memory_mib,
    )


class States:
    """The states seen so far, as tuples for exact books and as columns for numpy.

    The columns say what new work can have: nothing below zero, nothing of a drained machine's
    GPUs, and no end of what nobody gave a size (a node that says nothing of its memory never
    keeps a worker out for it).
    """

    __slots__ = (
        "_ids",
        "_kind_ids",
        "cpu_milli",
        "gpu_memory_mib",
        "gpu_milli",
        "gpu_milli_free",
        "gpu_milli_sum",
        "kind",
        "kinds",
        "memory_mib",
        "rows",
    )

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.rows: list[State] = []
        self.gpu_milli_free: list[int] = []
        self._kind_ids: dict[Kind, int] = {}
        self._ids: dict[State, int] = {}
        self.kind: IntArray = np.zeros(64, np.int64)
        self.gpu_milli_sum: IntArray = np.zeros(64, np.int64)
        self.cpu_milli: IntArray = np.zeros(64, np.int64)
        self.memory_mib: IntArray = np.zeros(64, np.int64)
        self.gpu_milli: IntArray = np.zeros((64, 8), np.int64)
        self.gpu_memory_mib: IntArray = np.zeros((64, 8), np.int64)

    def __len__(self) -> int:
        """Count the states seen so far; the columns may be longer."""
        return len(self.rows)

    def kind_id(self, kind: Kind) -> int:
        """Return the number of a kind of machine."""
        number = self._kind_ids.setdefault(kind, len(self.kinds))
        if number == len(self.kinds):
            self.kinds.append(kind)
        return number

    def empty_id(self, kind: Kind) -> int:
        """Return the number of the state of such a machine on which nothing runs."""
        return self.id_of(kind.empty(self.kind_id(kind)))

    def id_of(self, state: State) -> int:
        """Return the number of a state, a new one where it was never seen."""
        number = self._ids.get(state)
        if number is None:
            number = self._ids[state] = len(self.rows)
            self.rows.append(state)
            self._write(number, state)
        return number

    def adopt(self, state: State, kind: Kind) -> int:
        """Return the number here of a state that another table knows."""
        return self.id_of(state._replace(kind=self.kind_id(kind)))

    def _write(self, row: int, state: State) -> None:
        self._make_room(row, len(state.gpu_milli))
        kind = self.kinds[state.kind]
        self.kind[row] = state.kind
        self.cpu_milli[row] = _open(state.cpu_milli, kind.cpu_milli, bounds.CPU_MILLI_MAX)
        self.memory_mib[row] = _open(state.memory_mib, kind.memory_mib, bounds.MEMORY_MIB_MAX)
        milli = [0] * self.gpu_milli.shape[1]
        memory = milli.copy()
        for gpu in range(0 if kind.drained else kind.gpus):
            milli[gpu] = max(state.gpu_milli[gpu], 0)
            memory[gpu] = _open(
                state.gpu_memory_mib[gpu], kind.gpu_memory_mib, bounds.GPU_MEMORY_MIB_MAX
            )
        self.gpu_milli[row] = milli
        self.gpu_memory_mib[row] = memory
        # Twice: one number is faster from a list, many are faster from a column.
        self.gpu_milli_free.append(sum(milli))
        self.gpu_milli_sum[row] = sum(milli)

    def _make_room(self, row: int, gpus: int) -> None:
        rows, width = self.gpu_milli.shape
        if row < rows and gpus <= width:
            return
        rows = rows * 2 if row >= rows else rows
        width = max(width, gpus)
        self.kind = _grown(self.kind, (rows,))
        self.gpu_milli_sum = _grown(self.gpu_milli_sum, (rows,))
        self.cpu_milli = _grown(self.cpu_milli, (rows,))
        self.memory_mib = _grown(self.memory_mib, (rows,))
        self.gpu_milli = _grown(self.gpu_milli, (rows, width))
        self.gpu_memory_mib = _grown(self.gpu_memory_mib, (rows, width))

    def held(self, state: State, load: Load, gpus: Sequence[int]) -> State:
        """Return the state once a worker holds these GPUs and the rest of its load."""
        milli, memory = _lists(state, gpus)
        for gpu in gpus:
            milli[gpu] -= load.gpu_milli
            memory[gpu] -= load.gpu_memory_mib
        return self._built(
            state.kind,
            milli,
            memory,
            state.cpu_milli - load.cpu_milli,
            state.memory_mib - load.memory_mib,
        )

    def freed(self, state: State, load: Load, gpus: Sequence[int]) -> State:
        """Return the state once that worker is gone: the inverse of `held`.

        Nothing becomes freer than the machine is large: what a worker held on a node that was
        lost and came back is not there to be freed.
        """
        kind = self.kinds[state.kind]
        milli, memory = _lists(state, gpus)
        for gpu in gpus:
            here = gpu < kind.gpus
            milli[gpu] = min(milli[gpu] + load.gpu_milli, kind.whole_milli(gpu))
            memory[gpu] = min(memory[gpu] + load.gpu_memory_mib, kind.gpu_memory_mib if here else 0)
        return self._built(
            state.kind,
            milli,
            memory,
            min(state.cpu_milli + load.cpu_milli, kind.cpu_milli),
            min(state.memory_mib + load.memory_mib, kind.memory_mib),
        )

    def changed(self, state: State, kind: Kind) -> State:
        """Return the state of a machine that became another kind and keeps what it holds."""
        old = self.kinds[state.kind]
        number = self.kind_id(kind)
        length = max(len(state.gpu_milli), kind.gpus)
        milli, memory = _lists(state, (length - 1,) if length else ())
        for gpu in range(length):
            milli[gpu] += kind.whole_milli(gpu) - old.whole_milli(gpu)
            memory[gpu] += kind.gpu_memory_mib * (gpu < kind.gpus)
            memory[gpu] -= old.gpu_memory_mib * (gpu < old.gpus)
        return self._built(
            number,
            milli,
            memory,
            state.cpu_milli + kind.cpu_milli - old.cpu_milli,
            state.memory_mib + kind.memory_mib - old.memory_mib,
        )

    def least(self, mine: State, theirs: State, kind: Kind) -> State:
        """Return the state in which what is free is free in both."""
        number = self.kind_id(kind)
        length = max(len(mine.gpu_milli), len(theirs.gpu_milli))
        last = (length - 1,) if length else ()
        mine_milli, mine_memory = _lists(mine, last)
        their_milli, their_memory = _lists(theirs, last)
        return self._built(
            number,
            list(map(min, mine_milli, their_milli)),
            list(map(min, mine_memory, their_memory)),
            min(mine.cpu_milli, theirs.cpu_milli),
            min(mine.memory_mib, theirs.memory_mib),
        )

    def _built(
        self, kind: int, milli: list[int], memory: list[int], cpu_milli: int, memory_mib: int
    ) -> State:
        # One state has one spelling: no untouched GPU is listed beyond those of the machine.
        while len(milli) > self.kinds[kind].gpus and not milli[-1] and not memory[-1]:
            milli.pop()
            memory.pop()
        return State(kind, tuple(milli), tuple(memory), cpu_milli, memory_mib)


def _lists(state: State, gpus: Sequence[int]) -> tuple[list[int], list[int]]:
    missing = [0] * (max(gpus, default=-1) + 1 - len(state.gpu_milli))
    return [*state.gpu_milli, *missing], [*state.gpu_memory_mib, *missing]


def _open(free: int, total: int, unsaid: int) -> int:
    return UNLIMITED if total == unsaid else max(free, 0)


def _grown(column: IntArray, shape: tuple[int, ...]) -> IntArray:
    wider = np.zeros(shape, np.int64)
    wider[tuple(slice(length) for length in column.shape)] = column
    return wider
