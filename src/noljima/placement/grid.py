"""A cluster node by node: what is free, and where a gang goes.

A grid holds one number for each node, its state (see `states`), and shares with its copies all
that can be known of a state. So a copy costs microseconds, and asking whether a gang fits is one
look-up and one sum over all nodes.
"""
# ruff: noqa: SLF001 - a grid fills in and reads its own copies

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Final, Self

import numpy as np

from noljima.model import bounds
from noljima.model.node import GPUS_PER_NODE_MAX, Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, NodeId
from noljima.placement import reasons
from noljima.placement.demand import Demand
from noljima.placement.free_node import FreeNode, free_node
from noljima.placement.refusal import Refusal
from noljima.placement.roster import Roster
from noljima.placement.shapes import Field, Groups, Shape, Shapes, Strategy
from noljima.placement.states import IntArray, State, kind_of
from noljima.placement.strategies.pack import Pack

STATES_MAX: Final = 1 << 14
"""The states that are remembered before those that no node is in any more are forgotten; with more
nodes than that, four times as many as there are in use."""

PACK: Final = Pack()


class Grid:
    """All nodes with what is free on them; implements `Space`.

    Whether a gang of one group fits is answered exactly. Of several groups the hardest is placed
    first, by two measures of hardness one after the other (`_orders`); a gang that only a cleverer
    division of the nodes would hold is refused. `fits` and `take` do the same thing, so that they
    always agree.
    """

    __slots__ = ("_column", "_counts", "_free", "_roster", "_roster_shared", "_shapes", "_total")

    def __init__(self, strategy: Strategy = PACK) -> None:
        self._shapes = Shapes(strategy)
        self._roster = Roster()
        self._roster_shared = False
        self._column: IntArray = np.zeros(0, np.int64)
        # How many nodes are in each state, where somebody has asked: states are fewer than nodes.
        self._counts: IntArray | None = None
        self._free: int | None = 0
        self._total: int | None = 0

    def __eq__(self, other: object) -> bool:
        """Compare the nodes and what is free on each."""
        if not isinstance(other, Grid) or self._roster.nodes != other._roster.nodes:
            return False
        return all(
            mine[1:] == theirs[1:]
            for mine, theirs in zip(self._states(), other._states(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def gpu_milli_total(self) -> int:
        """GPUs of all nodes that are not drained, in thousandths."""
        if self._total is None:
            nodes = (node for node in self._roster.nodes if not node.drained)
            gpus = sum(node.gpus - len(node.gpus_out) for node in nodes)
            self._total = gpus * GPU
        return self._total

    @property
    def gpu_milli_free(self) -> int:
        """GPUs that nobody holds on nodes that are not drained, in thousandths."""
        if self._free is None:
            free = self._shapes.states.gpu_milli_free
            self._free = sum(free[state] for state in self._column.tolist())
        return self._free

    def set_node(self, node: Node) -> None:
        """Add a node, or change one and keep what is held on it.

        A node that became too small for what it holds has less than nothing free: nothing new
        comes to it until enough was given back.
        """
        bounds.whole("gpus", node.gpus, low=0, high=GPUS_PER_NODE_MAX)
        states, kind = self._shapes.states, kind_of(node)
        self._own_roster()
        row = self._roster.row(node.id)
        if row is None:
            row = self._roster.insert(node)
            self._column = np.insert(self._column, row, states.empty_id(kind))
        else:
            self._roster.replace(row, node)
            state = states.rows[self._column[row]]
            self._column[row] = states.id_of(states.changed(state, kind))
        self._counts = self._free = self._total = None

    def remove_node(self, node: NodeId) -> None:
        """Take a node away, with all that was held on it; pass over one that is not there."""
        row = self._roster.row(node)
        if row is None:
            return
        self._own_roster()
        self._roster.remove(row)
        self._column = np.delete(self._column, row)
        self._counts = self._free = self._total = None

    def fits(self, demand: Demand) -> bool:
        """Say whether the whole gang fits now."""
        if demand.gpu_milli > self.gpu_milli_free:
            return False
        groups = self._shapes.of(demand)
        if len(groups) == 1:
            shape, workers = groups[0]
            return self._room(shape) >= workers
        return self._tried(groups)[0] is not None

    def take(self, demand: Demand) -> Placement | Refusal:
        """Choose places for the whole gang and hold them, or say why not and hold nothing."""
        self._forget()
        groups = self._shapes.of(demand)
        if len(groups) == 1:
            shape, workers = groups[0]
            if workers == 1:
                alone = self._place_one(shape)
                return self._refusal(demand, 0) if alone is None else Placement((alone,))
            room = self._room(shape)
            if room < workers:
                return self._refusal(demand, room)
            return Placement(tuple(self._place(shape, workers)))
        trial, placed = self._tried(groups)
        if trial is None:
            return self._refusal(demand, len(placed))
        self._column, self._counts, self._free = trial._column, trial._counts, trial._free
        return Placement(tuple(placed))

    def take_at(self, demand: Demand, nodes: Sequence[NodeId]) -> Placement | None:
        """Hold places on these nodes, one for each worker in order; None where one is too full."""
        self._forget()
        assert len(nodes) == demand.workers
        before: list[tuple[int, int]] = []
        chosen: list[Assignment] = []
        for shape, node in zip(self._shapes_of(demand), nodes, strict=True):
            row = self._roster.row(node)
            state = -1 if row is None else int(self._column[row])
            if row is None or not shape.capacity[state]:
                for changed, old in reversed(before):
                    self._set(changed, old)
                return None
            before.append((row, state))
            after, gpus = shape.move(state)
            self._set(row, after)
            chosen.append(Assignment(node, gpus))
        return Placement(tuple(chosen))

    def hold(self, demand: Demand, placement: Placement) -> None:
        """Hold a placement that another copy of this grid has chosen; pass over lost nodes."""
        self._forget()
        for shape, node, gpus, workers in self._held(demand, placement):
            row = self._roster.row(node)
            if row is not None:
                self._set(row, shape.hold(int(self._column[row]), gpus, workers))

    def give_back(self, demand: Demand, placement: Placement) -> None:
        """Free what a placement holds; what stood on a lost node is gone and is passed over."""
        self._forget()
        for shape, node, gpus, workers in self._held(demand, placement):
            row = self._roster.row(node)
            if row is not None:
                self._set(row, shape.free(int(self._column[row]), gpus, workers))

    def ever_fits(self, demand: Demand) -> Refusal | None:
        """Say why the gang would not fit even if nothing ran; None where it would."""
        empty = self.copy()
        states = empty._shapes.states
        kinds = [states.empty_id(kind) for kind in states.kinds]
        empty._column = np.array(kinds, np.int64)[states.kind[empty._column]]
        empty._counts = empty._free = None
        if empty.fits(demand):
            return None
        refusal = empty.take(demand)
        assert isinstance(refusal, Refusal)
        return refusal

    def copy(self) -> Self:
        """Return an independent copy."""
        self._forget()
        return self._twin()

    def _twin(self) -> Self:
        twin = type(self).__new__(type(self))
        twin._shapes = self._shapes
        twin._roster = self._roster
        twin._roster_shared = self._roster_shared = True
        twin._column = self._column.copy()
        twin._counts = None if self._counts is None else self._counts.copy()
        twin._free = self._free
        twin._total = self._total
        return twin

    def overlap(self, other: Self) -> Self:
        """Return a new grid of the nodes that both have, with what is free in both."""
        twin = self.copy()
        mine, theirs = self._shapes.states, other._shapes.states
        if self._roster is other._roster and mine is theirs:
            rows = np.flatnonzero(self._column != other._column)
        else:
            rows = np.arange(len(self._column))
        lost: list[NodeId] = []
        for row in rows.tolist():
            node = self._roster.ids[row]
            at = other._roster.row(node)
            if at is None:
                lost.append(node)
                continue
            state, their_state = mine.rows[self._column[row]], theirs.rows[other._column[at]]
            kind = mine.kinds[state.kind]
            if theirs.kinds[their_state.kind] != kind:
                kind = kind._replace(drained=True)  # the machine changed between the two
            twin._set(row, mine.id_of(mine.least(state, their_state, kind)))
        for node in lost:
            twin.remove_node(node)
        return twin

    def free_of(self, node: NodeId) -> FreeNode | None:
        """Return what is free of a node; None where there is no such node."""
        row = self._roster.row(node)
        return None if row is None else self._free_node(row)

    def nodes(self) -> list[FreeNode]:
        """Return what is free of every node, in node order."""
        return [self._free_node(row) for row in range(len(self._roster))]

    def _free_node(self, row: int) -> FreeNode:
        return free_node(self._roster.nodes[row], self._shapes.states.rows[self._column[row]])

    def _states(self) -> Iterator[State]:
        rows = self._shapes.states.rows
        return (rows[state] for state in self._column.tolist())

    def _shapes_of(self, demand: Demand) -> Iterator[Shape]:
        """Give the shape of each worker, groups in order."""
        groups = self._shapes.of(demand)
        return chain.from_iterable(repeat(shape, workers) for shape, workers in groups)

    def _held(
        self, demand: Demand, placement: Placement
    ) -> Iterator[tuple[Shape, NodeId, tuple[int, ...], int]]:
        """Give what a placement holds: of which shape, where, which GPUs, and how many workers.

        Workers that have no GPUs to tell them apart are held together.
        """
        assert len(placement.workers) == demand.workers
        begin = 0
        for shape, workers in self._shapes.of(demand):
            places = placement.workers[begin : begin + workers]
            begin += workers
            if shape.load.gpus or workers == 1:
                for place in places:
                    yield shape, place.node, place.gpus, 1
            else:
                for node, count in Counter(place.node for place in places).items():
                    yield shape, node, (), count

    def _room(self, shape: Shape) -> int:
        """Count the workers of this shape that fit now."""
        capacity, states = shape.capacity, len(self._shapes.states)
        if states > len(self._column):
            return int(capacity.take(self._column).sum())
        if self._counts is None:
            self._counts = np.bincount(self._column, minlength=2 * states)
        # No node is in a state that came after they were counted: `_set` would have seen it.
        counted = min(states, len(self._counts))
        return int(np.dot(self._counts[:counted], capacity[:counted]))

    def _place_one(self, shape: Shape) -> Assignment | None:
        """Place a single worker where one fits: as `_place` does, without counting the room."""
        if not len(self._column):
            return None
        field = Field(self._column, self._roster)
        row, _ = next(self._shapes.strategy.rows(shape, field, 1))
        state = int(self._column[row])
        if not shape.capacity[state]:
            return None
        after, gpus = shape.move(state)
        self._set(row, after)
        return Assignment(self._roster.ids[row], gpus)

    def _place(self, shape: Shape, workers: int) -> list[Assignment]:
        """Place workers that all fit."""
        column, ids = self._column, self._roster.ids
        chosen: list[Assignment] = []
        strategy = self._shapes.strategy
        for row, count in strategy.rows(shape, Field(column, self._roster), workers):
            state, node = int(column[row]), ids[row]
            if not shape.load.gpus:
                self._set(row, shape.hold(state, (), count))
                chosen += [Assignment(node)] * count
                continue
            for _ in range(count):
                state, gpus = shape.move(state)
                chosen.append(Assignment(node, gpus))
            self._set(row, state)
        assert len(chosen) == workers
        return chosen

    def _tried(self, groups: Groups) -> tuple[Self | None, list[Assignment]]:
        """Place several groups on a copy; None and the longest attempt where they do not fit."""
        longest: list[Assignment] = []
        for order in self._orders(groups):
            # Not `copy`, which may forget the states that the shapes of these groups count on.
            trial = self._twin()
            placed: list[list[Assignment]] = [[] for _ in groups]
            for index in order:
                shape, workers = groups[index]
                room = trial._room(shape)
                if room:
                    placed[index] = trial._place(shape, min(workers, room))
                if room < workers:
                    break
            done = list(chain.from_iterable(placed))
            if len(done) == sum(workers for _, workers in groups):
                return trial, done
            longest = max(longest, done, key=len)
        return None, longest

    def _orders(self, groups: Groups) -> list[list[int]]:
        """Say in which orders to place groups: the largest workers first, then the least room."""

        def size(index: int) -> tuple[int, ...]:
            load = groups[index][0].load
            return -load.gpus * load.gpu_milli, -load.cpu_milli, -load.memory_mib, index

        def slack(index: int) -> tuple[float, int]:
            shape, workers = groups[index]
            return self._room(shape) / workers, index

        indices = range(len(groups))
        largest, tightest = sorted(indices, key=size), sorted(indices, key=slack)
        return [largest] if largest == tightest else [largest, tightest]

    def _set(self, row: int, state: int) -> None:
        if self._free is not None:
            free = self._shapes.states.gpu_milli_free
            self._free += free[state] - free[self._column[row]]
        if self._counts is not None:
            if state < len(self._counts):
                self._counts[self._column[row]] -= 1
                self._counts[state] += 1
            else:
                self._counts = None
        self._column[row] = state

    def _refusal(self, demand: Demand, fitting: int) -> Refusal:
        groups = self._shapes.of(demand)
        return reasons.refusal(demand, groups, Field(self._column, self._roster), fitting)

    def _own_roster(self) -> None:
        if self._roster_shared:
            self._roster, self._roster_shared = self._roster.copy(), False

    def _forget(self) -> None:
        """Forget the states that no node is in, once there are too many of them."""
        old = self._shapes.states
        if len(old) <= max(STATES_MAX, 4 * len(self._column)):
            return
        self._shapes = Shapes(self._shapes.strategy)
        states = self._shapes.states
        used, column = np.unique(self._column, return_inverse=True)
        rows = [old.rows[state] for state in used.tolist()]
        kept = [states.adopt(row, old.kinds[row.kind]) for row in rows]
        self._column = np.array(kept, np.int64)[column]
        self._counts = None
