"""`Engine.handle(*events) -> commands`: the one way in.

The engine has no clock, draws no chance and does no I/O. What it knows it has learned from events,
so that the same events give the same commands on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from noljima.config import Settings
from noljima.engine.defaults import Defaults
from noljima.engine.door import Doubts, check_times
from noljima.engine.explain import explain, explain_all
from noljima.engine.validate import validate
from noljima.model.bounds import SECONDS_MAX
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.estimate import Estimate
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    OfRun,
    Outcome,
    Progressed,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.lifecycle import State, change
from noljima.model.reasons import Reason
from noljima.model.resources import JobId
from noljima.placement.demand import Demand, Demands
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.shadow import Shadow
from noljima.policy.state import Planned, Policy, Reservation, SchedulerState
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.source import Guarded, Source

if TYPE_CHECKING:
    from noljima.engine.promises import Promises  # numpy: loaded only where promises are made

_ENDED_MAX: Final = 1 << 17
"""How many ended jobs are remembered by name: far more than any driver tells of twice, late."""

_MOVED: Final = 0.2
_MOVED_S: Final = 60.0
"""An expected end that moves by more than this share of what is left, at least this time, is worth
a new plan at once; smaller moves wait for the next one."""

_ENDS = {
    Outcome.SUCCEEDED: State.SUCCEEDED,
    Outcome.FAILED: State.FAILED,
    Outcome.LIMIT: State.FAILED,
    Outcome.CANCELLED: State.CANCELLED,
}


class Engine:
    """All that the scheduler knows, changed by `handle` alone."""

    def __init__(
        self, policy: Policy, source: Source, space: Space, settings: Settings | None = None
    ) -> None:
        self.policy = policy
        self.estimates = Guarded(source)
        shadow = Shadow(space.copy()) if policy.keeps_shadow else None
        firm = space.copy() if policy.keeps_shadow else None
        self.state = SchedulerState(space=space, line=policy.new_line(), shadow=shadow, firm=firm)
        self.tickets: dict[JobId, Ticket] = {}
        """Every job that has not ended."""
        # The names of the last jobs that have ended, oldest first.
        self._ended: dict[JobId, None] = {}
        self.infeasible: dict[JobId, str] = {}
        """Jobs that cannot run on the cluster as it is, and why."""
        self.reservation: Reservation | None = None
        self.doubts = Doubts()
        """What drivers have said and was not believed."""
        self.promises: Promises | None = None
        """What waiting jobs were told of their start, where somebody wants them told. They look on
        only, and are here so that they are kept and replayed with the engine."""
        self._defaults = Defaults(settings or Settings())
        self._demands = Demands()
        # What `ever_fits` has said; only a change of the nodes changes it.
        self._refusals: dict[Demand, Refusal | None] = {}
        self._arrivals = 0
        self._commands: list[Command] = []
        # What has happened since the last plan: nothing, one submission, or more than that.
        self._arrived: Ticket | None = None
        self._stale = False
        self._corrected = False
        # Freed before their own Finished, which is in the batch that is being handled.
        self._released_early: set[JobId] = set()
        self._plan_wake_s = NEVER_S
        self._takers: dict[type[Event], Callable[[Any], None]] = {
            Submitted: self._submitted,
            Cancelled: self._cancelled,
            Held: self._held,
            Released: self._released,
            Started: self._started,
            StartFailed: self._start_failed,
            Evicted: self._evicted,
            Finished: self._finished,
            Progressed: self._progressed,
            NodeSeen: self._node_seen,
            NodeLost: self._node_lost,
            Ticked: self._ticked,
        }

    @property
    def wake_s(self) -> float:
        """When the engine wants to be told the time although nothing happens; infinite: never."""
        shadow = self.state.shadow
        return self._plan_wake_s if shadow is None else min(self._plan_wake_s, shadow.next_s)

    def handle(self, *events: Event) -> list[Command]:
        """Take in what happened in one moment, then say what to do about it."""
        self._commands = []
        now_s = events[-1].at_s
        if len(events) > 1 or not self.state.now_s <= now_s <= SECONDS_MAX:
            check_times(events, self.state.now_s)
        self.state.now_s = now_s
        self.estimates.advance(now_s)
        # 1. The strict queue reaches this moment.
        if self.state.shadow is not None:
            self._become_due(self.state.shadow.catch_up(now_s))
        # 2. What outlived its estimate is believed to run longer; what ends as expected is free.
        if self.state.ends.soonest_s <= now_s:
            self._settle_ends(events)
        # 3. Take in what happened; as published, or all at once.
        for event in events:
            self._takers[type(event)](event)
            if self.policy.each_event:
                self._plan()
        # 4. Decide.
        if not self.policy.each_event:
            self._plan()
        # 5. Tell who waits when they start.
        if self.promises is not None:
            self.promises.follow(self, events, self._commands)
        return self._commands

    def explain(self, job: JobId) -> Reason:
        """Say why a job does not run, or how it runs; worked out anew, and nothing is changed."""
        return explain(self, job)

    def explain_all(self, limit: int | None = None) -> list[Reason]:
        """Explain the waiting jobs, the line in its order first."""
        return explain_all(self, limit)

    def validate(self) -> None:
        """Raise `BrokenInvariantError` where two of the engine's books disagree."""
        validate(self)

    def take_over(self, ticket: Ticket, before: Ticket, why: str = "") -> None:
        """Take in a job that another engine had, as it stood there; see `succession`."""
        job = ticket.job.id
        ticket.number = self._arrivals
        self._arrivals += 1
        self.tickets[job] = ticket
        self.policy.enrol(ticket)
        self._stale = True
        if before.state in (State.HELD, State.INFEASIBLE):
            ticket.state = before.state
            if before.state is State.INFEASIBLE:
                self.infeasible[job] = why
            return
        self._queue(ticket)
        if before.state is State.QUEUED:
            return
        self._start(Planned(ticket, before.placement, guest=before.guest))
        self.state.ends.remove(ticket)
        ticket.attempt, ticket.start_s = before.attempt, before.start_s
        ticket.restart_s, ticket.expected_end_s = before.restart_s, before.expected_end_s
        self.state.ends.add(ticket)
        if before.state is not State.STARTING:
            ticket.state = change(job, ticket.state, State.RUNNING)
        if before.state is State.STOPPING:
            self._stop(ticket)

    # --- What happened ---

    def _submitted(self, event: Submitted) -> None:
        job = event.job
        if job.id in self.tickets or job.id in self._ended:
            return  # A driver may tell twice; the first time counts.
        demand = self._demands.of(job.gang)
        estimate = self.estimates.predict(job, event.oracle_s)
        ticket = Ticket(job, self._arrivals, event.at_s, demand, estimate)
        ticket.fill_s = estimate.at(self.policy.fill_tau)
        self._arrivals += 1
        ticket.evictable = self._defaults.evictable(job)
        self.tickets[job.id] = ticket
        self.policy.enrol(ticket)
        if event.held:
            # Whether it can run at all is asked when it is released.
            ticket.state = change(job.id, ticket.state, State.HELD)
            return
        refusal = self._ever_refused(demand)
        if refusal is not None:
            self._set_aside(ticket, refusal.words)
            return
        self._queue(ticket)
        self._stale = self._stale or self._arrived is not None
        self._arrived = ticket

    def _ticket_of(self, event: OfRun) -> Ticket | None:
        """Return whose present run an event tells of; None where that run is over."""
        ticket = self.tickets.get(event.job)
        if ticket is not None and event.attempt and event.attempt != ticket.attempt:
            return None
        return ticket

    def _started(self, event: Started) -> None:
        ticket = self._ticket_of(event)
        if ticket is None or ticket.state is not State.STARTING:
            return
        ticket.state = change(event.job, ticket.state, State.RUNNING)
        if ticket.start_s != event.at_s and event.job in self.state.running:
            self.state.ends.remove(ticket)
            ticket.start_s = event.at_s
            ticket.expected_end_s = event.at_s + ticket.remaining_s()
            self.state.ends.add(ticket)
            self._stale = True

    def _finished(self, event: Finished) -> None:
        ticket = self._ticket_of(event)
        if ticket is None:
            return
        if event.job in self.state.running:
            self._release(ticket)
        elif event.job in self._released_early:
            self._released_early.remove(event.job)
        else:
            return  # It does not run: an old event, told twice.
        worked_s = ticket.worked_s(event.at_s)
        self.state.held_milli_s += ticket.gpu_milli * (event.at_s - ticket.start_s)
        ticket.run_s = worked_s
        wanted = State.CANCELLED if ticket.cancelled else _ENDS[event.outcome]
        if ticket.state is State.STARTING:
            ticket.state = change(event.job, ticket.state, State.RUNNING)
        if wanted is State.CANCELLED and ticket.state is State.RUNNING:
            ticket.state = change(event.job, ticket.state, State.STOPPING)
        ticket.state = change(event.job, ticket.state, wanted)
        self._close(event.job)
        if self.state.shadow is not None:
            self.state.shadow.finish(ticket, event.at_s)
        if ticket.cancelled:
            self.estimates.forget(ticket.job)
        else:
            self.estimates.learn(ticket.job, worked_s)

    def _progressed(self, event: Progressed) -> None:
        ticket = self._ticket_of(event)
        if ticket is None or ticket.state not in (State.STARTING, State.RUNNING):
            return
        if event.job not in self.state.running:
            return  # It ends by itself in this very batch.
        now_s, before_s = self.state.now_s, ticket.expected_end_s
        estimate = self.estimates.progressed(
            ticket.job, event.step, event.total, event.phase, ticket.worked_s(now_s)
        )
        if estimate is None:
            return
        self._believe(ticket, estimate)
        moved_s = abs(ticket.expected_end_s - before_s)
        if moved_s > _MOVED * max(ticket.expected_end_s - now_s, _MOVED_S):
            self._stale = True

    def _evicted(self, event: Evicted) -> None:
        ticket = self._ticket_of(event)
        if ticket is None or event.job not in self.state.running:
            return
        self._release(ticket)
        saved_s = self.doubts.saved_s(event, ticket)
        held_s = event.at_s - ticket.start_s
        lost_s = held_s - (saved_s - ticket.saved_s)
        self.state.held_milli_s += ticket.gpu_milli * held_s
        self.state.lost_milli_s += ticket.gpu_milli * lost_s
        ticket.saved_s = saved_s
        ticket.evictions += 1
        self._back_in_line(ticket)

    def _start_failed(self, event: StartFailed) -> None:
        ticket = self._ticket_of(event)
        if ticket is None or event.job not in self.state.running:
            return
        self._release(ticket)
        self._back_in_line(ticket)

    def _cancelled(self, event: Cancelled) -> None:
        ticket = self.tickets.get(event.job)
        if ticket is None or ticket.cancelled or event.job in self._released_early:
            return  # Of the last: it ends by itself in this very batch.
        ticket.cancelled = True
        if event.job in self.state.running:
            if event.job not in self.state.stopping:
                self._stop(ticket)
            self._commands.append(Stop(event.job))
            return
        self._leave_queue(ticket)
        self.estimates.forget(ticket.job)
        ticket.state = change(event.job, ticket.state, State.CANCELLED)
        self._close(event.job)

    def _held(self, event: Held) -> None:
        ticket = self.tickets.get(event.job)
        if ticket is None or ticket.state is not State.QUEUED:
            return
        self._leave_queue(ticket)
        ticket.state = change(event.job, ticket.state, State.HELD)

    def _released(self, event: Released) -> None:
        ticket = self.tickets.get(event.job)
        if ticket is None or ticket.state is not State.HELD:
            return
        ticket.state = change(event.job, ticket.state, State.QUEUED)
        refusal = self._ever_refused(ticket.demand)
        if refusal is not None:
            self._set_aside(ticket, refusal.words)
        else:
            self._queue(ticket)
            self._stale = True

    def _node_seen(self, event: NodeSeen) -> None:
        self.state.space.set_node(event.node)
        if self.state.shadow is not None:
            self.state.shadow.set_node(event.node)
        if self.state.firm is not None:
            self.state.firm.set_node(event.node)
        self._cluster_changed()

    def _node_lost(self, event: NodeLost) -> None:
        self.state.space.remove_node(event.node)
        if self.state.shadow is not None:
            self.state.shadow.remove_node(event.node)
        if self.state.firm is not None:
            self.state.firm.remove_node(event.node)
        self._cluster_changed()

    def _ticked(self, event: Ticked) -> None:  # noqa: ARG002 - the time has been taken in already
        self._stale = True

    # --- Books ---

    def _queue(self, ticket: Ticket) -> None:
        self.state.line.add(ticket)
        if self.state.shadow is not None:
            self.state.shadow.submit(ticket)

    def _leave_queue(self, ticket: Ticket) -> None:
        if self.infeasible.pop(ticket.job.id, None) is not None or ticket.state is State.HELD:
            return
        self.state.line.remove(ticket)
        self.state.due.pop(ticket.job.id, None)
        if self.state.shadow is not None:
            self.state.shadow.withdraw(ticket)
        self._stale = True

    def _ever_refused(self, demand: Demand) -> Refusal | None:
        """Say why a gang would not fit even if nothing ran; None where it would."""
        if demand not in self._refusals:
            self._refusals[demand] = self.state.space.ever_fits(demand)
        return self._refusals[demand]

    def _set_aside(self, ticket: Ticket, why: str) -> None:
        ticket.state = change(ticket.job.id, ticket.state, State.INFEASIBLE)
        self.infeasible[ticket.job.id] = why
        self._commands.append(Refuse(ticket.job.id, why))

    def _cluster_changed(self) -> None:
        """Take jobs out of the line that cannot run any more, and put back those that now can."""
        self._stale = True
        self._refusals.clear()
        for ticket in list(self.state.line):
            refusal = self._ever_refused(ticket.demand)
            if refusal is not None:
                self._leave_queue(ticket)
                self._set_aside(ticket, refusal.words)
        for job in list(self.infeasible):
            ticket = self.tickets[job]
            refusal = self._ever_refused(ticket.demand)
            if refusal is None:
                del self.infeasible[job]
                ticket.state = change(job, ticket.state, State.QUEUED)
                self._queue(ticket)
        if self.state.shadow is not None:
            self.state.shadow.sweep()

    def _become_due(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            if ticket.state is State.QUEUED:
                self.state.due[ticket.job.id] = ticket
                self._stale = True
            elif ticket.job.id in self.state.running:
                self._anchor(ticket)

    def _anchor(self, ticket: Ticket) -> None:
        """Settle a due job where it runs, or note that the strict queue has it elsewhere."""
        shadow = self.state.shadow
        assert shadow is not None
        self._make_firm(ticket)
        if shadow.adopt(ticket):
            ticket.anchored = True
        else:
            self.state.strays[ticket.job.id] = ticket
            self._stale = True

    def _make_firm(self, ticket: Ticket) -> None:
        """Note that only a due job can have this job's place from now on."""
        firm = self.state.firm
        if firm is None or ticket.firm or ticket.job.id in self.state.stopping:
            return
        firm.hold(ticket.demand, ticket.placement)
        ticket.firm = True

    def _loosen(self, ticket: Ticket) -> None:
        """Note that a job is on its way out, or gone."""
        if ticket.firm:
            assert self.state.firm is not None
            self.state.firm.give_back(ticket.demand, ticket.placement)
            ticket.firm = False

    def _close(self, job: JobId) -> None:
        """Forget a job that has ended, but for its name, so that it cannot be told of again."""
        del self.tickets[job]
        self._ended[job] = None
        if len(self._ended) > _ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    def _back_in_line(self, ticket: Ticket) -> None:
        """Return a job to its old place, or let it end if its owner has given it up."""
        job = ticket.job.id
        if ticket.cancelled:
            ticket.state = change(job, ticket.state, State.CANCELLED)
            self._close(job)
            self.estimates.forget(ticket.job)
            if self.state.shadow is not None:
                self.state.shadow.withdraw(ticket)
            return
        ticket.state = change(job, ticket.state, State.QUEUED)
        ticket.end_run(self.state.now_s)
        refusal = self._ever_refused(ticket.demand)
        if refusal is not None:
            # What it ran on is gone: it would block the line for good.
            if self.state.shadow is not None:
                self.state.shadow.withdraw(ticket)
            self._set_aside(ticket, refusal.words)
            return
        self.state.line.add(ticket)
        if ticket.due_s < NEVER_S:
            self.state.due[job] = ticket
        elif self.state.shadow is not None:
            # It waits there already, unless it was swept out when a node was lost.
            self.state.shadow.submit(ticket)

    def _release(self, ticket: Ticket) -> None:
        """Give back what a job held. Its run is over, whatever comes next."""
        state = self.state
        del state.running[ticket.job.id]
        state.stopping.pop(ticket.job.id, None)
        state.ends.remove(ticket)
        state.residents.remove(ticket)
        state.space.give_back(ticket.demand, ticket.placement)
        self._loosen(ticket)
        if ticket.anchored:
            assert state.shadow is not None
            state.shadow.raise_anchor(ticket)
            ticket.anchored = False
        state.strays.pop(ticket.job.id, None)
        self.estimates.stopped(ticket.job)
        self._stale = True

    def _stop(self, ticket: Ticket) -> None:
        ticket.state = change(ticket.job.id, ticket.state, State.STOPPING)
        self.state.stopping[ticket.job.id] = ticket
        self._loosen(ticket)
        self._stale = True

    def _settle_ends(self, events: tuple[Event, ...]) -> None:
        """Correct expected ends that have passed, and free at once what ends just as expected.

        The published backfilling results see capacity as free from the expected end on, before the
        submissions of the same second; the jobs' own events follow in the same batch.
        """
        ending = {e.job for e in events if type(e) is Finished and self._ticket_of(e) is not None}
        now_s = self.state.now_s
        for ticket in self.state.ends.passed(now_s):
            worked_s = ticket.worked_s(now_s)
            if ticket.job.id in ending:
                # Just short of now: an end that a correction expects now is as expected.
                worked_s = math.nextafter(worked_s, 0.0)
            if ticket.expected_end_s < now_s or ticket.job.id not in ending:
                self._correct(ticket, worked_s)
            if ticket.expected_end_s == now_s and ticket.job.id in ending:
                self._release(ticket)
                self._released_early.add(ticket.job.id)

    def _believe(self, ticket: Ticket, estimate: Estimate) -> None:
        """Put another estimate in the place of a running job's."""
        self.state.ends.remove(ticket)
        ticket.estimate = estimate
        ticket.fill_s = estimate.at(self.policy.fill_tau)
        ticket.corrections = 0
        ticket.expected_end_s = ticket.start_s + ticket.remaining_s()
        self.state.ends.add(ticket)
        self._corrected = True

    def _correct(self, ticket: Ticket, worked_s: float) -> None:
        estimate = self.estimates.reconsidered(ticket.job, worked_s)
        if estimate is not None:
            self._believe(ticket, estimate)
            return
        self.state.ends.remove(ticket)
        ticket.fill_s, ticket.corrections = self.estimates.correct(
            ticket.job, ticket.estimate, self.policy.fill_tau, ticket.corrections, worked_s
        )
        ticket.expected_end_s = ticket.start_s + ticket.remaining_s()
        self.state.ends.add(ticket)
        # A plan that was made with the old end does not stand; it is made anew with the next event.
        self._corrected = True

    # --- Decisions ---

    def _plan(self) -> None:
        state = self.state
        if state.shadow is not None:
            self._become_due(state.shadow.advance(state.now_s))
        arrived, self._arrived = self._arrived, None
        if self._stale or self._corrected:
            if not self._stale and arrived is None:
                return
            arrived = None
        elif arrived is None:
            return
        plan = self.policy.plan(state, arrived)
        for planned in plan.starts:
            self._start(planned)
        for victim, to_start in plan.evictions:
            self._stop(victim)
            self._commands.append(Evict(victim.job.id, to_start.job.id))
        self.reservation = plan.reservation
        self._plan_wake_s = plan.wake_s
        self._stale = self._corrected = False

    def _start(self, planned: Planned) -> None:
        state, ticket = self.state, planned.ticket
        job = ticket.job.id
        state.line.remove(ticket)
        state.due.pop(job, None)
        state.space.hold(ticket.demand, planned.placement)
        ticket.state = change(job, ticket.state, State.STARTING)
        ticket.placement = planned.placement
        ticket.guest = planned.guest
        ticket.attempt += 1
        ticket.start_s = state.now_s
        ticket.restart_s = ticket.job.checkpoint.restart_s if ticket.saved_s > 0.0 else 0.0
        ticket.expected_end_s = state.now_s + ticket.remaining_s()
        state.running[job] = ticket
        state.residents.add(ticket)
        state.ends.add(ticket)
        self.estimates.started(ticket.job)
        if ticket.due_s < NEVER_S:
            self._anchor(ticket)
        elif not ticket.evictable:
            self._make_firm(ticket)
        self._commands.append(Start(job, planned.placement, planned.guest, ticket.attempt))
