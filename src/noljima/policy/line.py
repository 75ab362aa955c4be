"""The waiting jobs in an order that is fixed by their keys."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from noljima.policy.ticket import Key, Ticket

LONG: Final = 300
"""From so many jobs on a line keeps columns: below, going through the jobs costs less."""


class Line(Protocol):
    """Waiting jobs in the order in which they want to start."""

    def __iter__(self) -> Iterator[Ticket]:
        """Go through them, first to last."""
        ...

    def __len__(self) -> int:
        """Count them."""
        ...

    @property
    def head(self) -> Ticket | None:
        """The first of them."""
        ...

    def add(self, ticket: Ticket) -> None:
        """Put a job into its place, new or back from an eviction."""
        ...

    def remove(self, ticket: Ticket) -> None:
        """Take a job out."""
        ...


class Columns(Protocol):
    """What a long line keeps of its jobs side by side: see `columns`."""

    def insert(self, index: int, ticket: Ticket) -> None:
        """Put a job into its place."""
        ...

    def delete(self, index: int) -> None:
        """Take the job of this place out."""
        ...

    def fitting(
        self, begin: int, free_milli: int, hole_s: float, beside_milli: int
    ) -> Iterable[int]:
        """Give the places, from `begin` on, of those that may start in a hole."""
        ...


class KeyedLine:
    """A line sorted by the tickets' keys: a sorted list, searched by halves."""

    __slots__ = ("_columns", "_keys", "_tickets")

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._tickets: list[Ticket] = []
        # Made where somebody asks for those that fit and the line is long.
        self._columns: Columns | None = None

    def __iter__(self) -> Iterator[Ticket]:
        """Go through the waiting jobs, first to last."""
        return iter(self._tickets)

    def __len__(self) -> int:
        """Count the waiting jobs."""
        return len(self._keys)

    def __getitem__(self, place: int) -> Ticket:
        """Return the job of a place, from 0."""
        return self._tickets[place]

    @property
    def head(self) -> Ticket | None:
        """The first waiting job."""
        return self._tickets[0] if self._tickets else None

    def add(self, ticket: Ticket) -> None:
        """Put a job into its place."""
        key = ticket.key
        last = not self._keys or key > self._keys[-1]
        index = len(self._keys) if last else bisect_left(self._keys, key)
        self._keys.insert(index, key)
        self._tickets.insert(index, ticket)
        if self._columns is not None:
            self._columns.insert(index, ticket)

    def remove(self, ticket: Ticket) -> None:
        """Take a job out."""
        index = bisect_left(self._keys, ticket.key)
        assert self._tickets[index] is ticket, ticket.job.id
        del self._keys[index]
        del self._tickets[index]
        if len(self._keys) < LONG // 2:
            self._columns = None
        elif self._columns is not None:
            self._columns.delete(index)

    def fitting(
        self, begin: int, free_milli: int, hole_s: float, beside_milli: int
    ) -> Iterable[int]:
        """Give the places, from `begin` on, of those that may start in a hole: nobody else can.

        They need no more than is free, and either end within `hole_s` or need no more than is free
        beside what comes after the hole.
        """
        if self._columns is None and len(self._keys) >= LONG:
            from noljima.policy.columns import Arrays  # noqa: PLC0415 - numpy, for long lines only

            self._columns = Arrays(self._tickets)
        if self._columns is not None:
            return self._columns.fitting(begin, free_milli, hole_s, beside_milli)
        beside_milli = max(beside_milli, 0)
        return [
            place
            for place, ticket in enumerate(self._tickets[begin:], begin)
            if ticket.gpu_milli <= free_milli
            and (ticket.gpu_milli <= beside_milli or ticket.remaining_s() <= hole_s)
        ]
