"""Queues in a tree: what each has used lately, what it holds now, and what it may hold.

Usage decays with a half-life, as in Slurm's and Maui's fair share: a GPU-second counts half after
one half-life. Between siblings the one with the least usage for its weight goes first, level by
level down to the users (the order of Slurm's "fair tree").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import log
from typing import Final

from noljima.config import QueueSettings
from noljima.model.amounts import gpus, thousandths
from noljima.model.resources import GPU
from noljima.policy.line import KeyedLine
from noljima.policy.ticket import Ticket

ROOT: Final = ""


class Branch:
    """A queue, or at the leaves a user in a queue."""

    __slots__ = (
        "borrow_milli",
        "children",
        "held_milli",
        "line",
        "name",
        "parent",
        "quota_milli",
        "usage_milli_s",
        "weight",
    )

    def __init__(self, name: str, parent: Branch | None, settings: QueueSettings | None) -> None:
        self.name = name
        self.parent = parent
        self.weight = 1.0 if settings is None else float(settings.weight)
        quota = None if settings is None else settings.quota_gpus
        self.quota_milli = None if quota is None else quota * GPU
        self.borrow_milli = 0 if settings is None else settings.borrow_gpus * GPU
        self.children: dict[str, Branch] = {}
        self.line = KeyedLine()
        self.usage_milli_s = 0.0
        self.held_milli = 0

    def up(self) -> Iterator[Branch]:
        """Go through this branch and those above it, up to the root."""
        branch: Branch | None = self
        while branch is not None:
            yield branch
            branch = branch.parent

    def waiting(self) -> Iterator[Ticket]:
        """Go through the waiting jobs below, the least served branches first."""
        yield from self.line
        if not self.children:
            return
        for child in sorted(
            self.children.values(), key=lambda c: (c.usage_milli_s / c.weight, c.name)
        ):
            yield from child.waiting()


class Shares:
    """The tree with its books; also the `Line` of the `share` policy."""

    def __init__(self, queues: Sequence[QueueSettings], half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._root = Branch(ROOT, None, None)
        self._queues = {ROOT: self._root}
        self._count = 0
        self._settled_s = 0.0
        self._leaves: dict[tuple[str, str], Branch] = {}
        by_name = {queue.name: queue for queue in queues}
        for queue in queues:
            self._plant(queue, by_name)
        self._frozen: dict[Ticket, None] = {}
        # Who does not run yet and is counted as holding GPUs, until shares are counted anew.
        self._ahead: set[Ticket] = set()

    def __iter__(self) -> Iterator[Ticket]:
        """Go through the waiting jobs, the frozen ones and then the least served first."""
        frozen = self._frozen
        yield from tuple(frozen)
        for ticket in self._root.waiting():
            if ticket not in frozen:
                yield ticket

    def __len__(self) -> int:
        """Count the waiting jobs."""
        return self._count

    @property
    def head(self) -> Ticket | None:
        """The job that goes next."""
        return next(iter(self), None)

    def add(self, ticket: Ticket) -> None:
        """Let a job wait in its user's line."""
        self._leaf(ticket).line.add(ticket)
        self._count += 1

    def remove(self, ticket: Ticket) -> None:
        """Take a job out of its user's line."""
        self._leaf(ticket).line.remove(ticket)
        self._count -= 1
        self._frozen.pop(ticket, None)

    def freeze(self, tickets: Iterable[Ticket]) -> None:
        """Let these go first, in this order, until they start or leave, whoever is served less."""
        self._frozen = dict.fromkeys(tickets)

    def settle(self, now_s: float, running: Sequence[Ticket]) -> None:
        """Bring usage up to now, then count anew who holds what.

        To be called in every plan: between two plans nobody starts or ends.
        """
        passed_s = now_s - self._settled_s
        if passed_s > 0.0:
            kept = 0.5 ** (passed_s / self._half_life_s)
            # The integral of the decay over the time that passed.
            gained_s = (1.0 - kept) * self._half_life_s / log(2.0)
            for branch in self._all():
                branch.usage_milli_s = branch.usage_milli_s * kept + branch.held_milli * gained_s
            self._settled_s = now_s
        for branch in self._all():
            branch.held_milli = 0
        self._ahead.clear()
        for ticket in running:
            self._hold(ticket)

    def charge(self, ticket: Ticket) -> None:
        """Count a job that starts, or whose place is being cleared, as holding its GPUs."""
        self._ahead.add(ticket)
        self._hold(ticket)

    def admits(self, ticket: Ticket) -> bool:
        """Say whether the job stays within what its queues may hold, borrowing included."""
        more_milli = self._more_milli(ticket)
        return all(
            branch.quota_milli is None
            or branch.held_milli + more_milli <= branch.quota_milli + branch.borrow_milli
            for branch in self._leaf(ticket).up()
        )

    def has_right(self, ticket: Ticket) -> bool:
        """Say whether some queue of the job has a quota, and the job stays within all of them."""
        quotas = [b for b in self._leaf(ticket).up() if b.quota_milli is not None]
        more_milli = self._more_milli(ticket)
        return bool(quotas) and all(
            branch.held_milli + more_milli <= (branch.quota_milli or 0) for branch in quotas
        )

    def borrows(self, ticket: Ticket) -> bool:
        """Say whether a running job's queues hold more than their quota."""
        return any(
            branch.quota_milli is not None and branch.held_milli > branch.quota_milli
            for branch in self._leaf(ticket).up()
        )

    def quota_words(self, ticket: Ticket) -> str | None:
        """Say which queue's quota keeps the job out; None where none does."""
        more_milli = self._more_milli(ticket)
        for branch in self._leaf(ticket).up():
            if branch.quota_milli is None:
                continue
            limit = branch.quota_milli + branch.borrow_milli
            if branch.held_milli + more_milli > limit:
                held = thousandths(branch.held_milli)
                return f"queue {branch.name} holds {held} of the {gpus(limit)} that it may"
        return None

    def _hold(self, ticket: Ticket) -> None:
        for branch in self._leaf(ticket).up():
            branch.held_milli += ticket.gpu_milli

    def _more_milli(self, ticket: Ticket) -> int:
        """Say how much more its queues would hold if a waiting job started."""
        return 0 if ticket in self._ahead else ticket.gpu_milli

    def _leaf(self, ticket: Ticket) -> Branch:
        key = (ticket.job.queue, ticket.job.user)
        leaf = self._leaves.get(key)
        if leaf is None:
            queue = self._queues.get(ticket.job.queue)
            if queue is None:
                queue = self._queues[ticket.job.queue] = Branch(ticket.job.queue, self._root, None)
                self._root.children[queue.name] = queue
            # A user's name may be that of a queue: the slash keeps them apart.
            name = f"/{ticket.job.user}"
            leaf = self._leaves[key] = Branch(name, queue, None)
            queue.children[name] = leaf
        return leaf

    def _plant(self, queue: QueueSettings, by_name: dict[str, QueueSettings]) -> Branch:
        if queue.name in self._queues:
            return self._queues[queue.name]
        parent = self._plant(by_name[queue.parent], by_name) if queue.parent else self._root
        branch = self._queues[queue.name] = Branch(queue.name, parent, queue)
        parent.children[queue.name] = branch
        return branch

    def _all(self) -> Iterator[Branch]:
        yield from self._queues.values()
        yield from self._leaves.values()
