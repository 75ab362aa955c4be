"""Every book of the engine, checked against every other.

Tests call `validate` after every batch of events, and so may a simulation. It costs about as much
as going through all jobs once, changes nothing, and recounts from the running jobs what the engine
keeps. The T-numbers are those of the invariants in `docs/guarantees.md`.

One thing is not here because the present state does not tell it: free capacity below zero is right
after GPUs were lost under running jobs, and wrong otherwise. `noljima.testing.watches.Ledger`
keeps the history that it takes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from noljima.model.lifecycle import State
from noljima.model.node import Node
from noljima.model.placements import IN_POOL
from noljima.model.resources import GPU, JobId, NodeId
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy.line import KeyedLine
from noljima.policy.preemptive import PreemptivePolicy
from noljima.policy.shadow import Shadow
from noljima.policy.state import Policy, SchedulerState
from noljima.policy.ticket import NEVER_S, Ticket

HOLDING: Final = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
"""The states in which a job holds capacity."""

# What float sums may differ by: of times about a microsecond at today's epoch, of work a share.
_TIME_SLACK_S: Final = 1e-5
_WORK_SLACK: Final = 1e-9


class Books(Protocol):
    """What is read of an engine; a protocol because the engine imports this module."""

    @property
    def policy(self) -> Policy:
        """Who decides."""
        ...

    @property
    def state(self) -> SchedulerState:
        """What policies read."""
        ...

    @property
    def tickets(self) -> Mapping[JobId, Ticket]:
        """Every job that has not ended."""
        ...

    @property
    def infeasible(self) -> Mapping[JobId, str]:
        """Jobs that cannot run on the cluster as it is."""
        ...


class FreeAmounts(Protocol):
    """What is free of a node, as a grid says it."""

    @property
    def node(self) -> Node:
        """What it has."""
        ...

    @property
    def gpu_memory_mib(self) -> tuple[int, ...]:
        """Free of each GPU."""
        ...

    @property
    def cpu_milli(self) -> int:
        """Free."""
        ...

    @property
    def memory_mib(self) -> int:
        """Free."""
        ...


@runtime_checkable
class HasNodes(Protocol):
    """A space with nodes; the grid itself is not imported here because it brings numpy along."""

    def nodes(self) -> Sequence[FreeAmounts]:
        """Say what is free of every node."""
        ...


class BrokenInvariantError(AssertionError):
    """The engine's books contradict each other; names the invariant, the job and the numbers."""

    def __init__(self, invariant: str, words: str, job: JobId | None = None) -> None:
        of_whom = "" if job is None else f"job {job}: "
        super().__init__(f"{invariant}: {of_whom}{words}")
        self.invariant = invariant
        self.job = job


def validate(engine: Books) -> None:
    """Raise `BrokenInvariantError` where two books of the engine disagree."""
    for check in _CHECKS:
        check(engine)


# --- Who holds what ---


def _check_running(engine: Books) -> None:
    state = engine.state
    for job, ticket in state.running.items():
        if ticket.job.id != job or engine.tickets.get(job) is not ticket:
            raise BrokenInvariantError("running jobs are accepted jobs", "it has no ticket", job)
        if ticket.state not in HOLDING:
            words = f"it holds capacity and is {ticket.state}"
            raise BrokenInvariantError("T8 no capacity lost", words, job)
        if not 0.0 <= ticket.start_s <= state.now_s:
            words = f"it started at {ticket.start_s} and it is {state.now_s}"
            raise BrokenInvariantError("nobody starts in the future", words, job)
        _check_gang(state, ticket)


def _check_gang(state: SchedulerState, ticket: Ticket) -> None:
    placement, job = ticket.placement, ticket.job.id
    if isinstance(state.space, Pool):
        if placement != IN_POOL:
            raise BrokenInvariantError("T8 whole gangs", "it has places in a pool", job)
        return
    if len(placement.workers) != ticket.demand.workers:
        words = f"{len(placement.workers)} of {ticket.demand.workers} workers have a place"
        raise BrokenInvariantError("T8 whole gangs", words, job)
    each = [group.each for group in ticket.job.gang.groups for _ in range(group.workers)]
    for need, place in zip(each, placement.workers, strict=True):
        gpus = -(-need.gpu_milli // GPU)
        if len(place.gpus) != gpus or len(set(place.gpus)) != gpus:
            words = f"a worker of {need.gpu_milli} milli-GPUs has GPUs {place.gpus} of {place.node}"
            raise BrokenInvariantError("T8 whole gangs", words, job)


def _check_gpus(engine: Books) -> None:
    """No GPU of a node is promised beyond its whole; counted without asking the space."""
    held: dict[tuple[NodeId, int], int] = {}
    for job, ticket in engine.state.running.items():
        each = [group.each for group in ticket.job.gang.groups for _ in range(group.workers)]
        for need, place in zip(each, ticket.placement.workers, strict=False):
            for gpu in place.gpus:
                milli = held.get((place.node, gpu), 0) + min(need.gpu_milli, GPU)
                held[place.node, gpu] = milli
                if milli > GPU:
                    words = f"GPU {gpu} of {place.node} is given out to {milli} of {GPU} milli"
                    raise BrokenInvariantError("T8 never over capacity", words, job)


def _check_space(engine: Books) -> None:
    """Give everything back to a copy: all must be free then; and held again, all as it is."""
    state = engine.state
    holders = state.running.values()
    twin = state.space.copy()
    for ticket in holders:
        twin.give_back(ticket.demand, ticket.placement)
    if twin.gpu_milli_free != twin.gpu_milli_total:
        words = (
            f"{state.space.gpu_milli_free} milli-GPUs are free, the running jobs hold"
            f" {sum(ticket.gpu_milli for ticket in holders)} of {twin.gpu_milli_total}"
        )
        raise BrokenInvariantError("T8 no capacity lost or given twice", words)
    _check_empty(twin)
    for ticket in holders:
        twin.hold(ticket.demand, ticket.placement)
    same = isinstance(state.space, Pool) or twin == state.space
    if twin.gpu_milli_free != state.space.gpu_milli_free or not same:
        words = f"{state.space.gpu_milli_free} milli-GPUs are free, {twin.gpu_milli_free} recounted"
        raise BrokenInvariantError("T8 every running job holds its whole placement", words)


def _check_empty(space: Space) -> None:
    """Check that nothing but GPUs, which were counted before, is held either."""
    for free in space.nodes() if isinstance(space, HasNodes) else ():
        node = free.node
        has = (node.cpu_milli, node.memory_mib, (node.gpu_memory_mib,) * node.gpus)
        left = (free.cpu_milli, free.memory_mib, free.gpu_memory_mib)
        if left != has:
            words = f"{node.id} has {left} free of {has} once all jobs have given back"
            raise BrokenInvariantError("T8 no capacity lost or given twice", words)


def _check_ends(engine: Books) -> None:
    state = engine.state
    releases = list(state.ends)
    if any(one[:2] >= next_[:2] for one, next_ in itertools.pairwise(releases)):
        raise BrokenInvariantError("expected ends are sorted", f"{[r[:2] for r in releases]}")
    if {ticket for _, _, ticket, _ in releases} != set(state.running.values()):
        words = f"{len(releases)} ends of {len(state.running)} running jobs"
        raise BrokenInvariantError("every running job has one expected end", words)
    for end_s, number, ticket, placement in releases:
        job = ticket.job.id
        if (end_s, number) != (ticket.expected_end_s, ticket.number):
            words = f"{end_s} is listed, {ticket.expected_end_s} believed"
            raise BrokenInvariantError("every running job has one expected end", words, job)
        if placement is not ticket.placement:
            raise BrokenInvariantError("ends free what is held", "it stands elsewhere", job)
        _check_end(ticket, state.now_s)


def _check_end(ticket: Ticket, now_s: float) -> None:
    """Check that a job that runs ends later than now; one that has just started may end at once."""
    at_once = ticket.expected_end_s >= now_s and ticket.start_s == now_s
    if not (ticket.expected_end_s > now_s - _TIME_SLACK_S or at_once):
        words = f"it runs at {now_s} and was to end at {ticket.expected_end_s}"
        raise BrokenInvariantError("running jobs end later than now", words, ticket.job.id)


def _check_stopping(engine: Books) -> None:
    state = engine.state
    told = {job for job, ticket in state.running.items() if ticket.state is State.STOPPING}
    if told != set(state.stopping):
        words = f"{sorted(told)} are stopping, {sorted(state.stopping)} are listed"
        raise BrokenInvariantError("jobs that were told to go still run", words)
    for job, ticket in state.running.items():
        if ticket.guest and not ticket.evictable:
            raise BrokenInvariantError("guests can be evicted", "it cannot", job)
        kept = not (ticket.evictable or ticket.cancelled)
        if job in state.stopping and kept and not isinstance(engine.policy, PreemptivePolicy):
            words = "it was told to go and is not evictable"
            raise BrokenInvariantError("T6 only evictable jobs are evicted", words, job)


# --- Who waits ---


def _check_line(engine: Books) -> None:
    line = engine.state.line
    waiting = list(line)
    queued = {t for t in engine.tickets.values() if t.state is State.QUEUED}
    if len(waiting) != len(line) or len(waiting) != len(queued) or set(waiting) != queued:
        words = f"{_names(waiting)} stand in line, {_names(queued)} are queued"
        raise BrokenInvariantError("nothing lost: the line is who is queued", words)
    if line.head is not (waiting[0] if waiting else None):
        raise BrokenInvariantError("the head is the first in line", "it is another")
    if not isinstance(line, KeyedLine):
        return
    for one, next_ in itertools.pairwise(waiting):
        if one.key >= next_.key:
            words = f"its key {one.key} is not before {next_.key} of {next_.job.id}"
            raise BrokenInvariantError("the line is in order", words, one.job.id)


def _check_tickets(engine: Books) -> None:
    for job, ticket in engine.tickets.items():
        where = ticket.state
        if (where in HOLDING) != (job in engine.state.running):
            words = f"it is {where} and {'holds' if job in engine.state.running else 'has'} nothing"
            raise BrokenInvariantError("states say where jobs are", words, job)
        if (where is State.INFEASIBLE) != (job in engine.infeasible):
            words = f"it is {where}; listed as infeasible: {job in engine.infeasible}"
            raise BrokenInvariantError("states say where jobs are", words, job)
        if where in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
            raise BrokenInvariantError("ended jobs are gone", f"it is {where}", job)
        if ticket.cancelled and where is not State.STOPPING:
            raise BrokenInvariantError("cancelled jobs stop", f"it is {where}", job)
        _check_numbers(ticket)
    for job in engine.infeasible:
        if job not in engine.tickets:
            raise BrokenInvariantError("infeasible jobs are accepted jobs", "it is unknown", job)


def _check_numbers(ticket: Ticket) -> None:
    if not (0.0 <= ticket.saved_s < math.inf and 0.0 <= ticket.fill_s < math.inf):
        words = f"saved {ticket.saved_s} s, believed to run {ticket.fill_s} s"
        raise BrokenInvariantError("T10 times are finite and not negative", words, ticket.job.id)
    rank, _, _, number = ticket.key
    if (rank, number) != (ticket.job.priority, ticket.number):
        words = f"its key is {ticket.key}, it came as number {ticket.number}"
        raise BrokenInvariantError("T3 jobs keep their place", words, ticket.job.id)


def _check_work(engine: Books) -> None:
    lost, held = engine.state.lost_milli_s, engine.state.held_milli_s
    if not -_WORK_SLACK <= lost <= held * (1.0 + _WORK_SLACK):
        words = f"{lost} milli-GPU-seconds lost of {held} held"
        raise BrokenInvariantError("T6 no more work is lost than was done", words)


# --- The strict queue ---


def _check_due(engine: Books) -> None:
    state = engine.state
    for job, ticket in state.due.items():
        if engine.tickets.get(job) is not ticket or ticket.state is not State.QUEUED:
            raise BrokenInvariantError("T3 due jobs wait", f"it is {ticket.state}", job)
    for job, ticket in engine.tickets.items():
        if ticket.due_s < NEVER_S and not 0.0 <= ticket.due_s <= state.now_s:
            words = f"due at {ticket.due_s}, and it is {state.now_s}"
            raise BrokenInvariantError("T3 jobs become due by the clock", words, job)
        is_due = ticket.state is State.QUEUED and ticket.due_s < NEVER_S
        if is_due != (job in state.due):
            words = f"due at {ticket.due_s}, {ticket.state}; listed as due: {job in state.due}"
            raise BrokenInvariantError("T3 whom the strict queue started is due", words, job)


def _check_anchors(engine: Books) -> None:
    """Check that a due job that runs is at its place or known not to be, and nobody else is."""
    state = engine.state
    for job, ticket in engine.tickets.items():
        runs_due = ticket.due_s < NEVER_S and job in state.running
        if runs_due != ticket.anchored + (job in state.strays):
            words = (
                f"due at {ticket.due_s} and {ticket.state}; anchored: {ticket.anchored},"
                f" astray: {job in state.strays}"
            )
            raise BrokenInvariantError("T3 due jobs that run are anchored or astray", words, job)
    for job in state.strays:
        if job not in state.running:
            raise BrokenInvariantError("T3 due jobs that run are anchored or astray", "gone", job)


def _check_shadow(engine: Books) -> None:
    shadow = engine.state.shadow
    if shadow is None:
        return
    if shadow.space.gpu_milli_total != engine.state.space.gpu_milli_total:
        words = f"{shadow.space.gpu_milli_total} of {engine.state.space.gpu_milli_total} milli-GPUs"
        raise BrokenInvariantError("T3 the strict queue has the same cluster", words)
    _check_shadow_room(shadow, engine.tickets)
    _check_shadow_line(shadow, engine.tickets)
    if shadow.next_s <= engine.state.now_s:
        words = f"a job ends there at {shadow.next_s}, and it is {engine.state.now_s}"
        raise BrokenInvariantError("T3 the strict queue has reached the present", words)


def _check_shadow_line(shadow: Shadow, tickets: Mapping[JobId, Ticket]) -> None:
    """Whoever waits in reality waits in the strict queue too, unless it has started there."""
    there = {ticket.number for ticket in shadow.waiting()}
    for job, ticket in tickets.items():
        waits = ticket.state is State.QUEUED and ticket.due_s == NEVER_S
        if waits and ticket.number not in there:
            words = "it waits, is not due, and does not wait there"
            raise BrokenInvariantError("T3 the strict queue has whoever waits", words, job)


def _check_shadow_room(shadow: Shadow, tickets: Mapping[JobId, Ticket]) -> None:
    """Give back all that is held there: the whole cluster must be free then."""
    placements = shadow.held
    holders = {ticket.job.id: ticket for _, ticket in shadow.ends()}
    holders |= {job: ticket for job, ticket in tickets.items() if ticket.due_s < NEVER_S}
    if placements.keys() != holders.keys():
        words = f"{sorted(placements)} hold capacity there, {sorted(holders)} are started"
        raise BrokenInvariantError("T3 whom the strict queue started is due", words)
    twin = shadow.space.copy()
    for job, placement in placements.items():
        twin.give_back(holders[job].demand, placement)
    if twin.gpu_milli_free != twin.gpu_milli_total:
        words = (
            f"{shadow.space.gpu_milli_free} of {twin.gpu_milli_total} milli-GPUs are free there,"
            f" {twin.gpu_milli_free} once {sorted(placements)} gave back what they hold"
        )
        raise BrokenInvariantError("T3 the strict queue loses no capacity", words)


def _names(tickets: Iterable[Ticket]) -> Sequence[str]:
    return sorted(ticket.job.id for ticket in tickets)


_CHECKS: Final[Sequence[Callable[[Books], None]]] = (
    _check_tickets,
    _check_line,
    _check_running,
    _check_gpus,
    _check_space,
    _check_ends,
    _check_stopping,
    _check_work,
    _check_due,
    _check_anchors,
    _check_shadow,
)
