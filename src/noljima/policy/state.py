"""What a policy may read, and the plan that it returns.

`SchedulerState` is owned and changed by the engine alone. It keeps each fact once: free capacity
lives in the space, waiting jobs in the line, and running jobs in `running`, with `ends` as their
order by expected end and `residents` as their index by node.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from noljima.model.placements import Placement
from noljima.model.resources import JobId, NodeId
from noljima.placement.space import Space
from noljima.policy.line import Line
from noljima.policy.shadow import Shadow
from noljima.policy.ticket import NEVER_S, Ticket

Release = tuple[float, int, Ticket, Placement]
"""When capacity is expected back: time, number of arrival, whose it is, and where."""


class Ends:
    """Running jobs by expected end, as a sorted list of releases."""

    __slots__ = ("_releases",)

    def __init__(self) -> None:
        self._releases: list[Release] = []

    def __iter__(self) -> Iterator[Release]:
        """Go through the releases, soonest first."""
        return iter(self._releases)

    def __len__(self) -> int:
        """Count the running jobs."""
        return len(self._releases)

    @property
    def soonest_s(self) -> float:
        """The first expected end."""
        return self._releases[0][0] if self._releases else NEVER_S

    def passed(self, now_s: float) -> list[Ticket]:
        """Return the jobs whose expected end is now or was before."""
        tickets: list[Ticket] = []
        for end_s, _, ticket, _ in self._releases:
            if end_s > now_s:
                break
            tickets.append(ticket)
        return tickets

    def with_starts(self, now_s: float, starts: list[Planned]) -> list[Release]:
        """Return the releases as they are once `starts` have started."""
        if not starts:
            return self._releases
        return sorted([*self._releases, *(release_of(planned, now_s) for planned in starts)])

    def add(self, ticket: Ticket) -> None:
        """Take in a job that has just started or whose expected end has changed."""
        # Numbers of arrival differ, so that the comparison never reaches the ticket.
        release = (ticket.expected_end_s, ticket.number, ticket, ticket.placement)
        insort(self._releases, release)

    def remove(self, ticket: Ticket) -> None:
        """Take out a job; to be called before its expected end changes."""
        when = (ticket.expected_end_s, ticket.number)
        index = bisect_left(self._releases, when)
        assert self._releases[index][:2] == when, ticket.job.id
        del self._releases[index]


class Residents:
    """Running jobs by the nodes that their workers are on; in a pool nobody is anywhere."""

    __slots__ = ("_on",)

    def __init__(self) -> None:
        self._on: dict[NodeId, dict[JobId, Ticket]] = {}

    def add(self, ticket: Ticket) -> None:
        """Take in a job that was just placed."""
        for worker in ticket.placement.workers:
            self._on.setdefault(worker.node, {})[ticket.job.id] = ticket

    def remove(self, ticket: Ticket) -> None:
        """Take out a job; to be called before its placement changes."""
        for worker in ticket.placement.workers:
            self._on[worker.node].pop(ticket.job.id, None)  # an earlier worker may have been there

    def on(self, nodes: Iterable[NodeId]) -> Iterable[Ticket]:
        """Return the jobs with a worker on any of these nodes, each once."""
        found: dict[JobId, Ticket] = {}
        for node in nodes:
            found |= self._on.get(node, {})
        return found.values()


class Planned:
    """A job to start: where, and whether as a guest."""

    __slots__ = ("guest", "placement", "ticket")

    def __init__(self, ticket: Ticket, placement: Placement, *, guest: bool = False) -> None:
        self.ticket = ticket
        self.placement = placement
        self.guest = guest


def release_of(planned: Planned, now_s: float) -> Release:
    """Say when and what a planned start is expected to give back."""
    ticket = planned.ticket
    return (now_s + ticket.remaining_s(), ticket.number, ticket, planned.placement)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capacity kept for a waiting job from a time on."""

    ticket: Ticket
    start_s: float


@dataclass(slots=True)
class Plan:
    """What to do now. Nothing has happened yet when a policy returns it."""

    starts: list[Planned] = field(default_factory=list)
    evictions: list[tuple[Ticket, Ticket]] = field(default_factory=list)
    """Whom to evict, and for whom."""
    reservation: Reservation | None = None
    wake_s: float = NEVER_S
    """When the policy wants to plan again although nothing happens."""


@dataclass(slots=True)
class SchedulerState:
    """The scheduler's books."""

    space: Space
    line: Line
    shadow: Shadow | None
    now_s: float = 0.0
    running: dict[JobId, Ticket] = field(default_factory=dict)
    """Every job that holds capacity: starting, running or stopping."""
    ends: Ends = field(default_factory=Ends)
    residents: Residents = field(default_factory=Residents)
    stopping: dict[JobId, Ticket] = field(default_factory=dict)
    """Jobs that were told to go and still hold their capacity."""
    due: dict[JobId, Ticket] = field(default_factory=dict)
    """Waiting jobs that the strict queue has started, in its order."""
    strays: dict[JobId, Ticket] = field(default_factory=dict)
    """Running jobs that are due and do not run where the strict queue has them."""
    firm: Space | None = None
    """What would be free if everybody had gone who can be told to go for a job that is not due: an
    upper bound that tells at once where evictions are no use. Kept beside the shadow only."""
    lost_milli_s: float = 0.0
    """GPU time that evictions have thrown away, in thousandths of GPU-seconds."""
    held_milli_s: float = 0.0
    """GPU time of all runs that have ended."""


class Policy(Protocol):
    """Decides who goes next."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    @property
    def each_event(self) -> bool:
        """Whether it plans after each event of a moment, as published, or once for all."""
        ...

    @property
    def keeps_shadow(self) -> bool:
        """Whether it wants the strict queue simulated beside the real one."""
        ...

    @property
    def fill_tau(self) -> float:
        """Which quantile of a run time decides whether a job ends before a reservation."""
        ...

    def new_line(self) -> Line:
        """Return an empty line in this policy's order."""
        ...

    def enrol(self, ticket: Ticket) -> None:
        """Give a job that was just submitted its place in the order."""
        ...

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:
        """Say what to do now.

        `arrived` is given where nothing but one submission has happened since the last plan.
        """
        ...
