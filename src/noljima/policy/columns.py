"""What a backfill asks of every waiting job, side by side: how much it needs, and for how long.

A long line is gone through for each hole, and hardly anybody in it can use the hole. Columns say
who may, at the cost of one look over two arrays; whoever may is then looked at as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from noljima.policy.ticket import Ticket

_AT_ONCE: Final = 16


class Arrays:
    """GPUs and remaining run times of the jobs of a line, in its order.

    Neither changes while a job waits: what is believed of its run time changes when it has run.
    """

    __slots__ = ("_count", "_gpu_milli", "_remaining_s")

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        room = 2 * len(tickets)
        self._count = len(tickets)
        self._gpu_milli: npt.NDArray[np.int64] = np.zeros(room, np.int64)
        self._remaining_s: npt.NDArray[np.float64] = np.zeros(room)
        self._gpu_milli[: self._count] = [ticket.gpu_milli for ticket in tickets]
        self._remaining_s[: self._count] = [ticket.remaining_s() for ticket in tickets]

    def insert(self, index: int, ticket: Ticket) -> None:
        """Put a job into its place."""
        count = self._count
        if count == len(self._gpu_milli):
            self._gpu_milli = np.concatenate([self._gpu_milli, np.zeros(count, np.int64)])
            self._remaining_s = np.concatenate([self._remaining_s, np.zeros(count)])
        for column in (self._gpu_milli, self._remaining_s):
            column[index + 1 : count + 1] = column[index:count]
        self._gpu_milli[index] = ticket.gpu_milli
        self._remaining_s[index] = ticket.remaining_s()
        self._count = count + 1

    def delete(self, index: int) -> None:
        """Take the job of this place out."""
        count = self._count
        for column in (self._gpu_milli, self._remaining_s):
            column[index : count - 1] = column[index + 1 : count]
        self._count = count - 1

    def fitting(
        self, begin: int, free_milli: int, hole_s: float, beside_milli: int
    ) -> Iterator[int]:
        """Give the places, from `begin` on, of those that need no more than is free and end soon.

        Soon is within the hole, or whenever where there is room beside what comes after it.
        """
        gpu_milli = self._gpu_milli[begin : self._count]
        beside = gpu_milli <= max(beside_milli, 0)
        soon = self._remaining_s[begin : self._count] <= hole_s
        (found,) = ((gpu_milli <= free_milli) & (soon | beside)).nonzero()
        # Mostly somebody among the first starts, and nobody asks on.
        for first in range(0, len(found), _AT_ONCE):
            yield from (found[first : first + _AT_ONCE] + begin).tolist()
