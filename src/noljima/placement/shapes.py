"""What a group of workers needs, with a memory of what that means on every state of a node.

How many workers fit on a node, what placing one there costs, and what becomes of the node: each
depends on the node's state and the worker's need only. A shape works it out once for each state;
after that an answer for ten thousand nodes is one numpy look-up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from noljima.model import bounds
from noljima.model.node import GPUS_PER_NODE_MAX
from noljima.model.resources import GPU, Resources, TaskGroup
from noljima.placement.demand import Demand
from noljima.placement.roster import Roster
from noljima.placement.states import FloatArray, IntArray, Load, States, load_of

CELLS_MAX: Final = 1 << 23
"""Shapes times states that are remembered: 12 bytes each, so about 100 MB at most."""
MOVES_MAX: Final = 1 << 19
"""Remembered changes of state, about 200 bytes each."""

CountArray = npt.NDArray[np.int32]


class Field(NamedTuple):
    """The nodes that a group is placed on; the column changes as its workers are placed."""

    column: IntArray
    roster: Roster


class Strategy(Protocol):
    """Where a worker goes. A strategy has no memory: what is free decides, and node order."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate placing one worker on nodes in these states, all with room for it."""
        ...

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the GPUs that one worker gets on a node in this state."""
        ...

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give nodes for the workers, by row, and how many of them go there.

        The caller makes sure that there are nodes and that several workers fit; for a single one
        it looks at what it was given. It places those of one row before it asks for the next.
        """
        ...


class Shape:
    """One worker's need on a table of states.

    `ratings` is room for a strategy to note what it worked out at length for a state.
    """

    __slots__ = (
        "_capacity",
        "_cost",
        "_known",
        "_strategy",
        "each",
        "freed",
        "gpu_types",
        "held",
        "load",
        "moves",
        "ratings",
        "states",
    )

    def __init__(
        self, each: Resources, gpu_types: tuple[str, ...], states: States, strategy: Strategy
    ) -> None:
        self.each = each
        self.gpu_types = gpu_types
        self.load: Load = load_of(each)
        self.states = states
        self.moves: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.held: dict[tuple[int, tuple[int, ...], int], int] = {}
        self.freed: dict[tuple[int, tuple[int, ...], int], int] = {}
        self.ratings: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._strategy = strategy
        self._known = 0
        self._capacity: CountArray = np.zeros(64, np.int32)
        self._cost: FloatArray = np.zeros(64, np.float64)

    @property
    def capacity(self) -> CountArray:
        """How many workers fit on a node, by state."""
        if self._known != len(self.states.rows):
            self._extend()
        return self._capacity

    @property
    def cost(self) -> FloatArray:
        """What placing a worker costs, by state: infinite where none fits, NaN until rated."""
        if self._known != len(self.states.rows):
            self._extend()
        return self._cost

    def costs_of(self, column: IntArray) -> FloatArray:
        """Return the cost for each node of a column of states; nodes without room cost infinity."""
        return self.cheapest(column)[0] if len(column) else np.zeros(0)

    def cheapest(self, column: IntArray) -> tuple[FloatArray, int]:
        """Return the cost for each node, and the first node that costs least."""
        costs: FloatArray = self.cost.take(column)
        least = int(costs.argmin())
        # The least of numbers with a NaN among them is the NaN.
        if math.isnan(costs[least]):
            unrated = np.unique(column[np.isnan(costs)])
            self._cost[unrated] = self._strategy.costs(self, unrated)
            costs = self._cost.take(column)
            least = int(costs.argmin())
        return costs, least

    def _extend(self) -> None:
        known, total = self._known, len(self.states)
        room = len(self.states.kind)
        if len(self._capacity) < room:
            self._capacity = np.concatenate(
                [self._capacity, np.zeros(room - len(self._capacity), np.int32)]
            )
            self._cost = np.concatenate([self._cost, np.zeros(room - len(self._cost))])
        capacity = self.capacity_of(slice(known, total))
        self._capacity[known:total] = capacity
        self._cost[known:total] = np.where(capacity > 0, np.nan, np.inf)
        self._known = total

    def capacity_of(self, rows: slice | IntArray) -> IntArray:
        """Work out how many workers fit on nodes in these states."""
        states, load = self.states, self.load
        capacity = self.gpu_capacity_of(rows)
        if load.cpu_milli:
            np.minimum(capacity, states.cpu_milli[rows] // load.cpu_milli, out=capacity)
        if load.memory_mib:
            np.minimum(capacity, states.memory_mib[rows] // load.memory_mib, out=capacity)
        return capacity

    def gpu_capacity_of(self, rows: slice | IntArray) -> IntArray:
        """Work out how many workers the GPUs of nodes in these states would take."""
        milli = self.states.gpu_milli[rows]
        memory = self.states.gpu_memory_mib[rows]
        load = self.load
        capacity: IntArray
        if not load.gpus:
            capacity = np.full(len(milli), bounds.WORKERS_MAX, np.int64)
        elif load.gpu_milli == GPU:
            whole = (milli == GPU) & (memory >= load.gpu_memory_mib)
            capacity = whole.sum(axis=1) // load.gpus
        else:
            each = milli // load.gpu_milli
            if load.gpu_memory_mib:
                each = np.minimum(each, memory // load.gpu_memory_mib)
            capacity = each.sum(axis=1)
        kinds = [self.suits(number) for number in range(len(self.states.kinds))]
        return np.where(np.array(kinds, np.bool_)[self.states.kind[rows]], capacity, 0)

    def suits(self, kind: int) -> bool:
        """Say whether a machine of this kind takes such workers at all: its type, not drained."""
        what = self.states.kinds[kind]
        return not what.drained and (not self.gpu_types or what.gpu_type in self.gpu_types)

    def move(self, state: int) -> tuple[int, tuple[int, ...]]:
        """Place one worker on a node in this state: the state after, and the GPUs it gets."""
        move = self.moves.get(state)
        if move is None:
            gpus = self._strategy.gpus(self, state)
            move = self.moves[state] = self.hold(state, gpus), gpus
        return move

    def hold(self, state: int, gpus: tuple[int, ...], workers: int = 1) -> int:
        """Return the state of a node once a worker holds these of its GPUs, or many hold none."""
        after = self.held.get((state, gpus, workers))
        if after is None:
            load, states = self._load(gpus, workers), self.states
            after = states.id_of(states.held(states.rows[state], load, gpus))
            self.held[state, gpus, workers] = after
        return after

    def free(self, state: int, gpus: tuple[int, ...], workers: int = 1) -> int:
        """Return the state of a node once what `hold` holds is given back."""
        after = self.freed.get((state, gpus, workers))
        if after is None:
            load, states = self._load(gpus, workers), self.states
            after = states.id_of(states.freed(states.rows[state], load, gpus))
            self.freed[state, gpus, workers] = after
        return after

    @property
    def noted(self) -> int:
        """How many changes of state and ratings are remembered."""
        return len(self.held) + len(self.freed) + len(self.moves) + len(self.ratings)

    def _load(self, gpus: tuple[int, ...], workers: int) -> Load:
        """Return what workers hold together: one with these GPUs, or any number without."""
        load = self.load
        if len(gpus) != load.gpus or not all(0 <= gpu < GPUS_PER_NODE_MAX for gpu in gpus):
            raise ValueError(f"a worker of {load.gpus} GPUs cannot hold GPUs {gpus}")
        if workers == 1:
            return load
        assert not gpus
        return load._replace(
            cpu_milli=load.cpu_milli * workers, memory_mib=load.memory_mib * workers
        )


Groups = Sequence[tuple[Shape, int]]
"""The shape and the number of workers of each group of a gang."""


class Shapes:
    """The shapes in use on a table of states; forgets them all before they take too much room."""

    __slots__ = ("_of_demand", "_of_need", "states", "strategy")

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.states = States()
        self._of_need: dict[tuple[Resources, tuple[str, ...]], Shape] = {}
        self._of_demand: dict[Demand, Groups] = {}

    def of(self, demand: Demand) -> Groups:
        """Return the shape and the number of workers of each group of a demand."""
        groups = self._of_demand.get(demand)
        if groups is None:
            self._make_room()
            groups = tuple((self._shape(group), group.workers) for group in demand.gang.groups)
            self._of_demand[demand] = groups
        return groups

    def _shape(self, group: TaskGroup) -> Shape:
        key = group.each, tuple(sorted(set(group.gpu_types)))
        shape = self._of_need.get(key)
        if shape is None:
            shape = self._of_need[key] = Shape(*key, self.states, self.strategy)
        return shape

    def _make_room(self) -> None:
        shapes = self._of_need.values()
        cells = (len(shapes) + 1) * len(self.states.kind)
        # Sums over all shapes, so only where a new demand shows up, which is rare.
        moves = sum(shape.noted for shape in shapes)
        if cells > CELLS_MAX or moves > MOVES_MAX or len(self._of_demand) > 65_536:
            self._of_need.clear()
            self._of_demand.clear()
