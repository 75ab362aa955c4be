"""The promises as onlookers: each sees what the engine does and raises once a promise is broken.

They keep their own books from events and commands, and read the engine's state only for what is
not said there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from noljima.engine import Engine
from noljima.engine.validate import BrokenInvariantError
from noljima.model.commands import Command, Evict, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    NodeLost,
    NodeSeen,
    OfRun,
    StartFailed,
    Submitted,
)
from noljima.model.lifecycle import State
from noljima.model.resources import GPU, JobId, NodeId
from noljima.policy.ticket import NEVER_S, Ticket

# What float sums of times may differ by at today's epoch.
_TIME_SLACK_S: Final = 1e-5

_ENDING: Final = Cancelled | Evicted | Finished | StartFailed
"""What a job can end with; the second and fourth where it was cancelled before."""


class Attempts:
    """Which run of each job is the present one, so that news of an old run can be passed over."""

    def __init__(self) -> None:
        self._present: dict[JobId, int] = {}

    def count(self, commands: Sequence[Command]) -> None:
        """Take note of the starts of a batch."""
        for command in commands:
            if isinstance(command, Start):
                self._present[command.job] = command.attempt

    def is_old(self, event: Event) -> bool:
        """Say whether an event tells of a run before the present one."""
        return isinstance(event, OfRun) and event.attempt not in (0, self._present.get(event.job))


class Ledger:
    """T8: who holds how much, recounted; no start may take what is not there, or start twice.

    Counts GPUs only. Free capacity may be below zero after GPUs were lost under running jobs;
    then nothing may start. A policy that plans after each event may have started jobs before the
    loss in the same batch, so that such batches of such policies are passed over.
    """

    def __init__(self, *, each_event: bool = False) -> None:
        self._each_event = each_event
        self._nodes: dict[NodeId, int] = {}
        self._gpu_milli: dict[JobId, int] = {}
        self._holding: set[JobId] = set()
        self._attempts = Attempts()

    @property
    def gpu_milli_free(self) -> int:
        """What nobody holds."""
        return sum(self._nodes.values()) - sum(self._gpu_milli[job] for job in self._holding)

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take in a batch, and check each start."""
        for event in events:
            if not self._attempts.is_old(event):
                self._take_in(event)
        self._attempts.count(commands)
        starts = [command for command in commands if isinstance(command, Start)]
        for start in starts:
            if start.job in self._holding:
                raise BrokenInvariantError("T8 nothing starts twice", "it runs", start.job)
            self._holding.add(start.job)
        unclear = self._each_event and any(isinstance(e, NodeLost | NodeSeen) for e in events)
        took = any(self._gpu_milli[start.job] for start in starts)
        if took and self.gpu_milli_free < 0 and not unclear:
            words = f"{-self.gpu_milli_free} milli-GPUs too many are given out"
            raise BrokenInvariantError("T8 never over capacity", words, starts[-1].job)

    def _take_in(self, event: Event) -> None:
        match event:
            case Submitted():
                self._gpu_milli.setdefault(event.job.id, event.job.gang.gpu_milli)
            case NodeSeen():
                self._nodes[event.node.id] = 0 if event.node.drained else event.node.gpus * GPU
            case NodeLost():
                self._nodes.pop(event.node, None)
            case Evicted() | Finished() | StartFailed():
                self._holding.discard(event.job)
            case _:
                pass


class NoIdleGpu:
    """T7: where nobody is about to stop, no job that may run as a guest fits and waits."""

    def __init__(self, engine: Engine, evictions_max: int = 3) -> None:
        self._engine = engine
        self._evictions_max = evictions_max

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        """Look for a job that waits beside the room that it needs."""
        state = self._engine.state
        if state.stopping:
            return  # What is free may be kept for whoever the stopping jobs make room for.
        for ticket in state.line:
            if self._may_be_guest(ticket) and state.space.fits(ticket.demand):
                words = f"waits for {ticket.gpu_milli} of {state.space.gpu_milli_free} free"
                raise BrokenInvariantError("T7 no idle GPU", words, ticket.job.id)

    def _may_be_guest(self, ticket: Ticket) -> bool:
        # A job without a GPU leaves none idle.
        return ticket.evictable and ticket.evictions < self._evictions_max and ticket.gpu_milli > 0


class EvictionTerms:
    """T6: guests are within their budget, and nobody stops who may stay.

    `by_key` says that the policy's order is that of the keys, so that evictions have to follow it.
    """

    def __init__(self, engine: Engine, evictions_max: int = 3, *, by_key: bool = True) -> None:
        self._engine = engine
        self._evictions_max = evictions_max
        self._by_key = by_key
        self._evictions: Counter[JobId] = Counter()
        self._attempts = Attempts()

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Check each start of a guest and each eviction."""
        news = [event for event in events if not self._attempts.is_old(event)]
        self._evictions.update(event.job for event in news if isinstance(event, Evicted))
        self._attempts.count(commands)
        for command in commands:
            if isinstance(command, Start) and command.guest:
                self._check_guest(self._engine.tickets[command.job])
            elif isinstance(command, Evict):
                self._check_victim(self._engine.tickets[command.job], command.to_start)

    def _check_guest(self, ticket: Ticket) -> None:
        count = self._evictions[ticket.job.id]
        if count >= self._evictions_max or not ticket.evictable:
            words = f"guest after {count} evictions; evictable: {ticket.evictable}"
            raise BrokenInvariantError("T6 evictions are bounded", words, ticket.job.id)

    def _check_victim(self, victim: Ticket, to_start: JobId) -> None:
        job = victim.job.id
        if not victim.evictable:
            raise BrokenInvariantError("T6 only evictable jobs are evicted", "it is not", job)
        if to_start == job:
            if victim.job.id not in self._engine.state.strays:
                words = "sent to its own place while it is there"
                raise BrokenInvariantError("T3 only strays are recalled", words, job)
            return
        if victim.anchored:
            words = f"due at {victim.due_s} and evicted for {to_start}"
            raise BrokenInvariantError("T3 nobody evicts a due job from its place", words, job)
        other = self._engine.tickets[to_start]
        if self._by_key and other.due_s == NEVER_S and not victim.key > other.key:
            words = f"evicted for {to_start}, which stands behind it and is not due"
            raise BrokenInvariantError("T3 evictions follow the order", words, job)


class NotInVain:
    """Whoever others were told to go for starts once they have gone, unless somebody withdraws it.

    For policies that promise it; where nodes come and go, nobody can.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gone_for: dict[JobId, JobId] = {}

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Note who is told to go for whom, and look at them once nobody is stopping."""
        if any(isinstance(event, NodeLost | NodeSeen) for event in events):
            self._gone_for.clear()
        for command in commands:
            if isinstance(command, Start):
                self._gone_for.pop(command.job, None)
            elif isinstance(command, Evict):
                self._gone_for[command.to_start] = command.job
        for job in list(self._gone_for):
            ticket = self._engine.tickets.get(job)
            if ticket is None or ticket.state is not State.QUEUED:
                del self._gone_for[job]
        if self._gone_for and not self._engine.state.stopping:
            job, victim = next(iter(self._gone_for.items()))
            raise BrokenInvariantError("nobody is evicted in vain", f"{victim} went for it", job)


class HeadReservation:
    """T1: with enforced limits as estimates, the head's reservation never moves to a later time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._head: JobId | None = None
        self._start_s = NEVER_S

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        """Compare the reservation with the last one that the same head had."""
        head = self._engine.state.line.head
        kept = self._engine.reservation
        if head is None or kept is None or kept.ticket is not head:
            self._head = None
            return
        job = head.job.id
        if job == self._head and kept.start_s > self._start_s:
            words = f"from {self._start_s} to {kept.start_s}"
            raise BrokenInvariantError("T1 a reservation never moves later", words, job)
        self._head, self._start_s = job, kept.start_s


class SavedWork:
    """A driver saves no work that was not done: no more than the run had time for."""

    def __init__(self) -> None:
        self._restart_s: dict[JobId, float] = {}
        self._saved_s: dict[JobId, float] = {}
        self._start_s: dict[JobId, float] = {}
        self._attempts = Attempts()

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Recount what each evicted run could have reached."""
        for event in events:
            if isinstance(event, Submitted):
                self._restart_s[event.job.id] = event.job.checkpoint.restart_s
            elif isinstance(event, Evicted) and not self._attempts.is_old(event):
                self._check(event)
        self._attempts.count(commands)
        for command in commands:
            if isinstance(command, Start):
                self._start_s[command.job] = events[-1].at_s

    def _check(self, event: Evicted) -> None:
        before_s = self._saved_s.get(event.job, 0.0)
        restart_s = self._restart_s[event.job] if before_s else 0.0
        done_s = max(event.at_s - self._start_s.get(event.job, event.at_s) - restart_s, 0.0)
        if event.saved_s > before_s + done_s + _TIME_SLACK_S:
            words = f"{event.saved_s} s saved, {before_s} s before, {done_s} s worked since"
            raise BrokenInvariantError("nothing is saved that was not done", words, event.job)
        self._saved_s[event.job] = event.saved_s


class Lifecycle:
    """Nothing is lost or run twice: each accepted job is waiting, held, running or told its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: set[JobId] = set()
        self._ended: set[JobId] = set()

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Compare who should be known to the engine with who is."""
        for event in events:
            if isinstance(event, Submitted) and event.job.id not in self._ended:
                self._open.add(event.job.id)
        gone = self._open - self._engine.tickets.keys()
        ending = {event.job for event in events if isinstance(event, _ENDING)}
        if gone - ending:
            raise BrokenInvariantError("nothing is lost", f"no event has ended {gone - ending}")
        self._open -= gone
        self._ended |= gone
        for command in commands:
            if isinstance(command, Start) and command.job in self._ended:
                raise BrokenInvariantError("nothing runs twice", "it has ended", command.job)
