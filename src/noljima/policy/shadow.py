"""The strict first-come-first-served queue, simulated online beside the real one.

No job may start later in reality than here (DESIGN.md section 4, T3). The shadow needs run times
only once they are known: a job that started in reality no later than in the shadow has also ended
in reality before the shadow needs to know when. Where it has not, the shadow waits for it and the
promise made is no longer exact; `docs/guarantees.md` says when that can happen.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import JobId, NodeId
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.claims import Claims
from noljima.policy.ticket import NEVER_S, Ticket


class Shadow:
    """The queue without backfill, guests or evictions, fed with real run times."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._waiting: list[tuple[int, int, Ticket]] = []
        # Whose entry is in there, and whose entry there counts no more.
        self._entered: set[int] = set()
        self._gone: set[int] = set()
        self._placements: dict[JobId, Placement] = {}
        self._ends: list[tuple[float, int, Ticket]] = []
        self._claims = Claims()
        self._anchors: dict[JobId, Sequence[NodeId]] = {}

    def set_node(self, node: Node) -> None:
        """Add or change a node, as in reality."""
        self.space.set_node(node)
        self._claims.set_node(node)

    def remove_node(self, node: NodeId) -> None:
        """Lose a node, as in reality; the jobs on it go on here, holding nothing."""
        self.space.remove_node(node)
        self._claims.remove_node(node)

    def sweep(self) -> None:
        """Take out who waits here and fits the cluster no more, so that nobody waits behind them.

        To be called when the cluster has changed. Who waits in reality too is taken out by the
        engine; the others run there, and return here if they have to wait there again.
        """
        for _, _, ticket in self._waiting:
            if ticket.number not in self._gone and self.space.ever_fits(ticket.demand):
                self._gone.add(ticket.number)

    @property
    def next_s(self) -> float:
        """When the next job ends here, as far as it is known."""
        return self._ends[0][0] if self._ends else NEVER_S

    @property
    def held(self) -> Mapping[JobId, Placement]:
        """Where everybody stands who has started here and not ended here."""
        return self._placements

    def ends(self) -> Iterator[tuple[float, Ticket]]:
        """Go through the ends that are known, in no order; whoever was withdrawn holds nothing."""
        for end_s, _, ticket in self._ends:
            yield end_s, ticket

    def waiting(self) -> Iterator[Ticket]:
        """Go through those who have not started here, in this queue's order."""
        for _, number, ticket in sorted(self._waiting):
            if number not in self._gone:
                yield ticket

    def submit(self, ticket: Ticket) -> None:
        """Let a job queue up, or return: urgent ones first, then in order of arrival."""
        if ticket.number in self._entered:
            # Whether or not it was taken out meanwhile: its entry counts, once.
            self._gone.discard(ticket.number)
            return
        self._entered.add(ticket.number)
        heapq.heappush(self._waiting, (ticket.job.priority, ticket.number, ticket))

    def withdraw(self, ticket: Ticket) -> None:
        """Take a job out that never ran in reality: cancelled, held, or found not to fit."""
        placement = self._placements.pop(ticket.job.id, None)
        if placement is not None:
            self.space.give_back(ticket.demand, placement)
        elif ticket.number in self._entered:
            self._gone.add(ticket.number)
        ticket.due_s = NEVER_S

    def finish(self, ticket: Ticket, now_s: float) -> None:
        """Learn how long a job has run, now that it has ended in reality."""
        if ticket.job.id in self._placements:
            self._will_end(ticket, now_s)

    def catch_up(self, now_s: float) -> list[Ticket]:
        """Let the time before `now_s` pass; return the jobs that have started in it, in order.

        To be called before the submissions of a moment, which were not there to start earlier.
        """
        started: list[Ticket] = []
        while self._ends and self._ends[0][0] < now_s:
            end_s = self._ends[0][0]
            self._end_all(end_s)
            started += self._start_in_order(end_s)
        return started

    def advance(self, now_s: float) -> list[Ticket]:
        """Let the moment `now_s` happen; return the jobs that start in it, in order."""
        started: list[Ticket] = []
        while True:
            self._end_all(now_s)
            started += self._start_in_order(now_s)
            # A job of no length ends in the moment in which it starts.
            if self.next_s > now_s:
                return started

    def claim(self, ticket: Ticket) -> list[NodeId]:
        """Return the real nodes of a due job, one for each worker; none in a pool."""
        return self._claims.real(_nodes(self._placements[ticket.job.id]))

    def adopt(self, ticket: Ticket) -> bool:
        """Let a due job stay where it runs in reality, if nodes can be renamed so that it may."""
        placement = self._placements.get(ticket.job.id)
        if placement is None:
            return False
        nodes = _nodes(placement)
        groups = [
            index
            for index, group in enumerate(ticket.demand.gang.groups)
            for _ in range(group.workers)
        ]
        if not self._claims.adopt(nodes, _nodes(ticket.placement), groups[: len(nodes)]):
            return False
        self._claims.anchor(nodes)
        self._anchors[ticket.job.id] = nodes
        return True

    def raise_anchor(self, ticket: Ticket) -> None:
        """Note that a job no longer runs in reality."""
        self._claims.raise_anchor(self._anchors.pop(ticket.job.id, ()))

    def _end_all(self, now_s: float) -> None:
        while self._ends and self._ends[0][0] <= now_s:
            _, _, ticket = heapq.heappop(self._ends)
            placement = self._placements.pop(ticket.job.id, None)
            if placement is not None:
                self.space.give_back(ticket.demand, placement)

    def _start_in_order(self, at_s: float) -> list[Ticket]:
        started: list[Ticket] = []
        while self._waiting:
            ticket = self._waiting[0][2]
            if ticket.number in self._gone:
                self._gone.discard(ticket.number)
                self._leave()
                continue
            if not self.space.fits(ticket.demand):
                break
            placement = self.space.take(ticket.demand)
            assert not isinstance(placement, Refusal)
            self._leave()
            self._placements[ticket.job.id] = placement
            ticket.due_s = at_s
            if ticket.run_s < NEVER_S:
                self._will_end(ticket, at_s)
            started.append(ticket)
        return started

    def _leave(self) -> None:
        _, number, _ = heapq.heappop(self._waiting)
        self._entered.remove(number)

    def _will_end(self, ticket: Ticket, now_s: float) -> None:
        end_s = max(ticket.due_s + ticket.run_s, now_s)
        heapq.heappush(self._ends, (end_s, ticket.number, ticket))


def _nodes(placement: Placement) -> list[NodeId]:
    return [worker.node for worker in placement.workers]
