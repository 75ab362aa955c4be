"""The nodes of a grid in node order, and where they stand.

Node order is the order of names as people read them (`gpu-2` before `gpu-10`), never the order in
which nodes were seen: ties between equal nodes must break alike after every restart.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final

import numpy as np

from noljima.model.node import Node
from noljima.model.resources import NodeId
from noljima.placement.states import IntArray

_NUMBERS: Final = re.compile("([0-9]+)")


def order_key(node: NodeId) -> tuple[tuple[str | int, ...], str]:
    """Return what nodes are sorted by: text as text, numbers as numbers; then the bare name."""
    parts = _NUMBERS.split(node)
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), node


class Roster:
    """Nodes by row; shared by the copies of a grid until one of them changes it."""

    __slots__ = ("_keys", "_racks", "_rows", "ids", "nodes")

    def __init__(self) -> None:
        self.ids: list[NodeId] = []
        self.nodes: list[Node] = []
        self._keys: list[tuple[tuple[str | int, ...], str]] = []
        self._rows: dict[NodeId, int] | None = {}
        self._racks: IntArray | None = None

    def __len__(self) -> int:
        """Count the nodes."""
        return len(self.ids)

    def copy(self) -> Roster:
        """Return an independent copy."""
        twin = Roster()
        twin.ids = self.ids.copy()
        twin.nodes = self.nodes.copy()
        twin._keys = self._keys.copy()
        twin._rows = None
        return twin

    def row(self, node: NodeId) -> int | None:
        """Return the row of a node, None where there is no such node."""
        if self._rows is None:
            self._rows = {name: row for row, name in enumerate(self.ids)}
        return self._rows.get(node)

    def insert(self, node: Node) -> int:
        """Add a node that is not there yet, and return its row."""
        key = order_key(node.id)
        row = bisect_left(self._keys, key)
        self.ids.insert(row, node.id)
        self.nodes.insert(row, node)
        self._keys.insert(row, key)
        if self._rows is not None and row == len(self.ids) - 1:
            self._rows[node.id] = row
        else:
            self._rows = None
        self._racks = None
        return row

    def replace(self, row: int, node: Node) -> None:
        """Put what is newly known of a node in the place of what was known."""
        self.nodes[row] = node
        self._racks = None

    def remove(self, row: int) -> None:
        """Take the node of this row away."""
        del self.ids[row], self.nodes[row], self._keys[row]
        self._rows = None
        self._racks = None

    @property
    def racks(self) -> IntArray:
        """The rack of each row as a number, in order of the racks' first nodes."""
        if self._racks is None:
            numbers: dict[str, int] = {}
            self._racks = np.array(
                [numbers.setdefault(node.rack, len(numbers)) for node in self.nodes], np.int64
            )
        return self._racks
