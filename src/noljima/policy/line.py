"""The waiting jobs in an order that is fixed by their keys."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

from noljima.policy.ticket import Key, Ticket


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


class KeyedLine:
    """A line sorted by the tickets' keys: a sorted list, searched by halves."""

    __slots__ = ("_keys", "_tickets")

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._tickets: list[Ticket] = []

    def __iter__(self) -> Iterator[Ticket]:
        """Go through the waiting jobs, first to last."""
        return iter(self._tickets)

    def __len__(self) -> int:
        """Count the waiting jobs."""
        return len(self._keys)

    @property
    def head(self) -> Ticket | None:
        """The first waiting job."""
        return self._tickets[0] if self._tickets else None

    def add(self, ticket: Ticket) -> None:
        """Put a job into its place."""
        key = ticket.key
        if not self._keys or key > self._keys[-1]:
            self._keys.append(key)
            self._tickets.append(ticket)
            return
        index = bisect_left(self._keys, key)
        self._keys.insert(index, key)
        self._tickets.insert(index, ticket)

    def remove(self, ticket: Ticket) -> None:
        """Take a job out."""
        index = bisect_left(self._keys, ticket.key)
        assert self._tickets[index] is ticket, ticket.job.id
        del self._keys[index]
        del self._tickets[index]
