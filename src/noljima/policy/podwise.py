"""The baseline without gangs: each pod is started by itself, as Kubernetes' own scheduler does.

A job's pods hold their GPUs from the moment each is placed, and the job runs once all of them are
there. Two jobs can hold half of what each needs and wait for each other: a deadlock, which ends
when the pods that wait for their peers give up, and can begin anew when they are started again.
"""

from __future__ import annotations

from typing import Final

from noljima.model.placements import Assignment, Placement
from noljima.model.resources import Gang, TaskGroup
from noljima.placement.demand import Demand, Demands
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order, key_of
from noljima.policy.state import Plan, Planned, SchedulerState
from noljima.policy.ticket import FILL_TAU, Ticket

RENDEZVOUS_S: Final = 600.0
"""How long a pod waits for its peers: the default of torchrun's rendezvous."""
BACKOFF_S: Final = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 360.0)
"""How long a failed pod stays away before it is started again, by how often it has failed: the
back-off of a Kubernetes Job."""


class _HalfStarted:
    """The pods of one job that are up and wait for the others."""

    __slots__ = ("placed", "pods", "since_s")

    def __init__(self, since_s: float, groups: int) -> None:
        self.since_s = since_s
        self.placed = [0] * groups
        self.pods: list[tuple[int, Demand, Placement]] = []


class PodByPod:
    """Starts single pods in order of arrival wherever they fit; nobody holds up anybody."""

    each_event = False
    keeps_shadow = False
    fill_tau = FILL_TAU
    name = "pod-by-pod"

    def __init__(self, rendezvous_s: float = RENDEZVOUS_S) -> None:
        self._rendezvous_s = rendezvous_s
        self._half: dict[Ticket, _HalfStarted] = {}
        self._failures: dict[Ticket, int] = {}
        self._back_s: dict[Ticket, float] = {}
        self._demands = Demands()
        self.gave_up = 0
        """How many times a half-started job has given up."""
        self.half_started_milli_s = 0.0
        """GPU time that half-started jobs have held without running, in thousandths."""

    def new_line(self) -> Line:
        """Return an empty line in order of arrival."""
        return KeyedLine()

    def enrol(self, ticket: Ticket) -> None:
        """Give a job its place by arrival."""
        ticket.key = key_of(Order.SUBMIT, ticket)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:  # noqa: ARG002 - plans anew
        """Let those give up that have waited too long, then place every pod that fits."""
        plan = Plan()
        trial = state.space.copy()
        self._give_up(state)
        for half in self._half.values():
            for _, demand, placement in half.pods:
                trial.hold(demand, placement)
        for ticket in state.line:
            if self._back_s.get(ticket, 0.0) > state.now_s:
                plan.wake_s = min(plan.wake_s, self._back_s[ticket])
                continue
            self._place_pods(state, plan, trial, ticket)
        for half in self._half.values():
            plan.wake_s = min(plan.wake_s, half.since_s + self._rendezvous_s)
        return plan

    def _give_up(self, state: SchedulerState) -> None:
        waiting = set(state.line)
        for ticket, half in list(self._half.items()):
            if ticket not in waiting:  # cancelled, or held
                del self._half[ticket]
            elif half.since_s + self._rendezvous_s <= state.now_s:
                del self._half[ticket]
                self.gave_up += 1
                self._book(half, state.now_s)
                failures = self._failures.get(ticket, 0)
                self._failures[ticket] = failures + 1
                self._back_s[ticket] = state.now_s + BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]

    def _place_pods(self, state: SchedulerState, plan: Plan, trial: Space, ticket: Ticket) -> None:
        groups = ticket.demand.gang.groups
        half = self._half.get(ticket) or _HalfStarted(state.now_s, len(groups))
        for index, group in enumerate(groups):
            missing = group.workers - half.placed[index]
            if missing and not self._place_some(trial, half, index, group, missing):
                break
        if half.placed == [group.workers for group in groups]:
            self._half.pop(ticket, None)
            self._book(half, state.now_s)
            self._failures.pop(ticket, None)
            self._back_s.pop(ticket, None)
            plan.starts.append(Planned(ticket, _joined(half)))
        elif half.pods:
            self._half[ticket] = half

    def _place_some(
        self, trial: Space, half: _HalfStarted, index: int, group: TaskGroup, missing: int
    ) -> bool:
        """Place as many of the group's missing pods as fit; return whether that was all."""
        if group.each.gpu_milli > trial.gpu_milli_free:
            return False  # Most pods most of the time: not one of them fits.
        wanted = self._demands.of(_pods(group, missing))
        placement = trial.take(wanted)
        if isinstance(placement, Refusal):
            if not placement.fitting:
                return False
            wanted = self._demands.of(_pods(group, placement.fitting))
            placement = trial.take(wanted)
            assert not isinstance(placement, Refusal)
        half.placed[index] += wanted.workers
        half.pods.append((index, wanted, placement))
        return wanted.workers == missing

    def _book(self, half: _HalfStarted, now_s: float) -> None:
        held_milli = sum(demand.gpu_milli for _, demand, _ in half.pods)
        self.half_started_milli_s += held_milli * (now_s - half.since_s)


def _pods(group: TaskGroup, count: int) -> Gang:
    some = TaskGroup(workers=count, each=group.each, gpu_types=group.gpu_types, name=group.name)
    return Gang((some,))


def _joined(half: _HalfStarted) -> Placement:
    workers: list[Assignment] = []
    for _, _, placement in sorted(half.pods, key=lambda pods: pods[0]):
        workers += placement.workers
    return Placement(tuple(workers))
