"""Where each stretch of running is drawn: rectangles on lanes, a lane a GPU.

On nodes a lane is a GPU and the placement says which. A pool has no GPUs with names, so that each
job gets the lowest free lanes. Heights are in thousandths of a lane, so that jobs with a fraction
of a GPU share its lane.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU
from noljima.report.record import Integers, RunRecord

Piece = tuple[int, int]
"""A first thousandth and a number of thousandths."""


@dataclass(frozen=True, slots=True)
class NodeLanes:
    """The lanes of one node, in whole GPUs."""

    name: str
    first: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Rectangles, a row each; `segment` is the row in the run's segments."""

    segment: Integers
    top_milli: Integers
    height_milli: Integers
    unplaced: int
    """Segments that no lane shows: they hold no GPU, or nobody knows which."""


class Shelf:
    """Lanes that are handed out lowest first."""

    def __init__(self, first: int, size: int) -> None:
        self.free = [(first, size)]

    def take(self, amount: int) -> list[Piece]:
        """Take the lowest gap that is large enough, or else the lowest gaps piece by piece.

        Where there is less than was asked for, that is taken: the drawing is then as full as it
        can be, and a report about a run with a fault in it still appears.
        """
        for place, (first, size) in enumerate(self.free):
            if size >= amount:
                self.free[place : place + 1] = [(first + amount, size - amount)][: size > amount]
                return [(first, amount)]
        taken: list[Piece] = []
        while amount > 0 and self.free:
            first, size = self.free.pop(0)
            part = min(size, amount)
            taken.append((first, part))
            amount -= part
            if part < size:
                self.free.insert(0, (first + part, size - part))
        return taken

    def give_back(self, pieces: Sequence[Piece]) -> None:
        """Make pieces free again, and join gaps that touch or overlap."""
        joined: list[Piece] = []
        for first, size in sorted([*self.free, *pieces]):
            if joined and first <= joined[-1][0] + joined[-1][1]:
                end = max(joined[-1][0] + joined[-1][1], first + size)
                joined[-1] = (joined[-1][0], end - joined[-1][0])
            else:
                joined.append((first, size))
        self.free = joined


def on_nodes(run: RunRecord) -> bool:
    """Say whether any stretch of the run has a place on a node."""
    return any(placement is not None for placement in run.segments.placement)


def node_lanes(nodes: Iterable[Node], placements: Iterable[Placement | None]) -> list[NodeLanes]:
    """Give each node its lanes, in order of appearance; a placement may name one unheard of."""
    gpus: dict[str, int] = {}
    for node in nodes:
        gpus[node.id] = max(gpus.get(node.id, 0), node.gpus)
    for placement in placements:
        for worker in placement.workers if placement else ():
            known = gpus.get(worker.node, 0)
            gpus[worker.node] = max(known, *(gpu + 1 for gpu in worker.gpus), 0)
    lanes: list[NodeLanes] = []
    for name, count in gpus.items():
        first = lanes[-1].first + lanes[-1].gpus if lanes else 0
        lanes.append(NodeLanes(name, first, count))
    return lanes


def chart_of_nodes(run: RunRecord, rows: Integers, nodes: Sequence[NodeLanes]) -> Chart:
    """Draw the given segments on the GPUs that their placements name."""
    by_name = {node.name: node for node in nodes}
    shelves: dict[int, Shelf] = {}
    rectangles: list[tuple[int, int, int]] = []
    unplaced = 0
    held: dict[int, list[tuple[Shelf, Piece]]] = {}
    for row, over in _in_order(run, rows):
        for ended in over:
            for shelf, piece in held.pop(ended, ()):
                shelf.give_back([piece])
        placement = run.segments.placement[row]
        pieces = _gpu_pieces(placement, by_name, int(run.jobs.gpu_milli[run.segments.job[row]]))
        unplaced += not pieces
        for first, size in pieces:
            if size < GPU:
                shelf = shelves.setdefault(first, Shelf(first, GPU))
                shared = shelf.take(size)
                held.setdefault(row, []).extend((shelf, piece) for piece in shared)
                rectangles += ((row, *piece) for piece in shared)
            else:
                rectangles.append((row, first, size))
    return _chart(rectangles, unplaced)


def chart_of_pool(run: RunRecord, rows: Integers, capacity_milli: int) -> Chart:
    """Draw the given segments on the lowest lanes that are free when they begin."""
    shelf = Shelf(0, max(capacity_milli, GPU))
    held: dict[int, list[Piece]] = {}
    rectangles: list[tuple[int, int, int]] = []
    unplaced = 0
    for row, over in _in_order(run, rows):
        for ended in over:
            shelf.give_back(held.pop(ended, ()))
        amount = int(run.jobs.gpu_milli[run.segments.job[row]])
        if amount == 0:
            unplaced += 1
            continue
        held[row] = shelf.take(amount)
        rectangles += ((row, *piece) for piece in held[row])
    return _chart(rectangles, unplaced)


def _in_order(run: RunRecord, rows: Integers) -> Iterator[tuple[int, list[int]]]:
    """Yield each row at its beginning, with the rows that have ended since the one before."""
    segments = run.segments
    running: list[tuple[float, int]] = []
    for row in rows[np.argsort(segments.start_s[rows], kind="stable")].tolist():
        over = []
        while running and running[0][0] <= segments.start_s[row]:
            over.append(heapq.heappop(running)[1])
        heapq.heappush(running, (float(segments.end_s[row]), row))
        yield row, over


def _gpu_pieces(
    placement: Placement | None, nodes: Mapping[str, NodeLanes], gpu_milli: int
) -> list[Piece]:
    """Return the lanes of a placement: neighbours in one piece, fractions each on its GPU."""
    if placement is None or gpu_milli == 0:
        return []
    workers = [(nodes[worker.node].first, worker.gpus) for worker in placement.workers]
    count = sum(len(gpus) for _, gpus in workers)
    if gpu_milli < count * GPU:  # fractions: shared alike, as a gang of equal workers has it
        each = gpu_milli // count
        return [((first + gpu) * GPU, each) for first, gpus in workers for gpu in gpus]
    lanes = sorted({first + gpu for first, gpus in workers for gpu in gpus})
    pieces: list[Piece] = []
    for lane in lanes:
        if pieces and sum(pieces[-1]) == lane * GPU:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + GPU)
        else:
            pieces.append((lane * GPU, GPU))
    return pieces


def _chart(rectangles: Sequence[tuple[int, int, int]], unplaced: int) -> Chart:
    table = np.array(rectangles, dtype=np.int64).reshape(-1, 3)
    return Chart(table[:, 0], table[:, 1], table[:, 2], unplaced)
