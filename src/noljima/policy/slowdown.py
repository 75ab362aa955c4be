"""For jobs that cannot be evicted: whoever's slowdown is expected to grow most goes next.

Two lines in one. A job that can fill holes goes by what waiting costs it: the expected growth of
its bounded slowdown, so that short jobs and those that may end early go first and nobody is passed
over for ever. A wide job never finds a hole; it can only be kept room for. So the wider a job is,
the sooner it joins the first-come lane, which goes ahead of all others and whose first jobs have
reservations. A narrow job joins it after many times the usual wait, and after days at the latest:
that bounds everybody's wait.

The index is a cousin of the largest expansion factor first (Jackson, Snell and Clement, "Core
Algorithms of the Maui Scheduler", JSSPP 2001), read off the whole distribution of the run time. The
lane and its widths are ours; `docs/policies.md` tells what each part is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from noljima.placement.demand import Demand
from noljima.placement.refusal import Refusal
from noljima.placement.space import Space
from noljima.policy.line import Line
from noljima.policy.profile import Profile
from noljima.policy.queueing import start_in_order
from noljima.policy.reservation import earliest
from noljima.policy.state import Plan, Planned, Reservation, SchedulerState
from noljima.policy.ticket import Ticket
from noljima.prediction.expectation import mean_rate, mean_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowdownTerms:
    """What the policy weighs; one setting for all clusters."""

    rate_floor_s: float = 10.0
    """Runs shorter than this count as this long: the floor of the bounded slowdown."""
    wait_s: float = 1800.0
    wait_power: float = 0.6
    width_power: float = 0.35
    """A job's index is (wait + wait_s)^wait_power / width^width_power times its expected rate."""
    fill_wait_s: float = 3600.0
    fill_wait_power: float = 0.8
    fill_length_power: float = 0.65
    """In a hole the wait counts more, and so does how long the job will stand there."""
    lane_s: float = 54 * 3600.0
    lane_waits: float = 25.0
    lane_power: float = 2.5
    """A job joins the first-come lane once it has waited lane_s, or lane_waits times what jobs have
    waited lately, times (1 - share of the cluster)^lane_power."""
    recent_jobs: float = 1000.0
    """Over how many starts, give or take, the mean wait is taken."""
    reservations: int = 6
    """How many jobs of the lane have room kept for them; the first of any kind always has."""


@dataclass(frozen=True, slots=True)
class _Weights:
    """What of a job's index does not change while it waits."""

    main: float
    fill: float
    lane: float


class RankedLine:
    """Waiting jobs, put in order anew for every plan."""

    __slots__ = ("_tickets",)

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []

    def __iter__(self) -> Iterator[Ticket]:
        """Go through them, first to last."""
        return iter(self._tickets)

    def __len__(self) -> int:
        """Count them."""
        return len(self._tickets)

    @property
    def head(self) -> Ticket | None:
        """The first of them."""
        return self._tickets[0] if self._tickets else None

    def add(self, ticket: Ticket) -> None:
        """Take a job in; the next plan gives it its place."""
        self._tickets.append(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Take a job out."""
        self._tickets.remove(ticket)

    def sort(self) -> None:
        """Put all in the order of their keys."""
        self._tickets.sort(key=lambda ticket: ticket.key)


class SlowdownPolicy:
    """Expected slowdown first, wide jobs first come, nobody evicted."""

    each_event = False
    keeps_shadow = False
    fill_tau = 0.95
    """It is seldom wrong about the holes that it fills: a late filler delays the lane for good."""

    def __init__(self, name: str, terms: SlowdownTerms | None = None) -> None:
        self.name = name
        self._terms = terms or SlowdownTerms()
        self._line = RankedLine()
        self._weights: dict[Ticket, _Weights] = {}
        self._total_milli = 0
        self._recent_wait_s = 0.0

    def new_line(self) -> Line:
        """Return the line, which this policy sorts."""
        return self._line

    def enrol(self, ticket: Ticket) -> None:
        """Give a job the place of one that came last, until the next plan."""
        ticket.key = (int(ticket.job.priority), 1, 0.0, ticket.number)

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:  # noqa: ARG002 - plans anew
        """Start in order while it fits, keep room for the first who wait, fill what is left."""
        self._rank(state)
        plan, trial = Plan(), state.space.copy()
        head = start_in_order(state, plan, trial)
        if head is not None:
            kept = self._reserve(state, plan, trial, head)
            settled = {planned.ticket for planned in plan.starts} | {r.ticket for r, _ in kept}
            self._fill(state, plan, trial, kept, settled)
        for planned in plan.starts:
            waited_s = state.now_s - planned.ticket.submit_s
            self._recent_wait_s += (waited_s - self._recent_wait_s) / self._terms.recent_jobs
        return plan

    def _rank(self, state: SchedulerState) -> None:
        """Give every waiting job the key that it has now, and sort the line."""
        if state.space.gpu_milli_total != self._total_milli:
            # What share of the cluster a job takes has changed.
            self._total_milli = state.space.gpu_milli_total
            self._weights.clear()
        weights, terms = self._weights, self._terms
        self._weights = {}
        lane_s = min(terms.lane_s, terms.lane_waits * self._recent_wait_s)
        for ticket in self._line:
            known = self._weights[ticket] = weights.get(ticket) or self._weighed(ticket)
            waited_s = state.now_s - ticket.submit_s
            lane = 0 if waited_s >= lane_s * known.lane else 1
            value = -known.main * (waited_s + terms.wait_s) ** terms.wait_power if lane else 0.0
            ticket.key = (int(ticket.job.priority), lane, value, ticket.number)
        self._line.sort()

    def _weighed(self, ticket: Ticket) -> _Weights:
        terms = self._terms
        rate = mean_rate(ticket.estimate, terms.rate_floor_s)
        width = max(ticket.gpu_milli, 1) ** terms.width_power
        length = max(mean_s(ticket.estimate), terms.rate_floor_s) ** terms.fill_length_power
        share = min(ticket.gpu_milli / max(self._total_milli, 1), 1.0)
        lane = (1.0 - share) ** terms.lane_power
        return _Weights(rate / width, rate / (width * length), lane)

    def _reserve(
        self, state: SchedulerState, plan: Plan, trial: Space, head: Ticket
    ) -> list[tuple[Reservation, Space]]:
        """Keep room for the first that waits and for the next of the lane.

        Returns the reservations by time, each with what is free beside all of them when it begins.
        Between two of them capacity only grows, so that nothing else can stand in their way.
        """
        releases = state.ends.with_starts(state.now_s, plan.starts)
        lane = self._lane_behind(head)
        if not lane:
            start_s, beside = earliest(trial, releases, head.demand)
            beside.take(head.demand)
            plan.reservation = Reservation(head, start_s)
            return [(plan.reservation, beside)]
        profile = Profile(state.now_s, trial, releases)
        kept: list[Reservation] = []
        for ticket in [head, *lane]:
            slot = profile.reserve(ticket.demand, ticket.remaining_s())
            if slot is None:
                continue
            if slot[0] <= state.now_s:
                trial.hold(ticket.demand, slot[1])
                plan.starts.append(Planned(ticket, slot[1]))
            else:
                kept.append(Reservation(ticket, slot[0]))
        kept.sort(key=lambda reservation: (reservation.start_s, reservation.ticket.number))
        plan.reservation = next((r for r in kept if r.ticket is head), None)
        return [(reservation, profile.at(reservation.start_s)) for reservation in kept]

    def _lane_behind(self, head: Ticket) -> Sequence[Ticket]:
        """Return the jobs of the first-come lane behind the head that room is kept for."""
        lane = (t for t in self._line if t.key[1] == 0 and t.key > head.key)
        return list(islice(lane, self._terms.reservations - 1))

    def _fill(
        self,
        state: SchedulerState,
        plan: Plan,
        trial: Space,
        kept: Sequence[tuple[Reservation, Space]],
        settled: set[Ticket],
    ) -> None:
        """Plan the start of whoever stands in no reservation's way."""
        refused: set[tuple[Demand, int]] = set()
        for ticket in self._candidates(state, trial, settled):
            demand = ticket.demand
            end_s = state.now_s + ticket.remaining_s()
            crossed = [space for reservation, space in kept if reservation.start_s < end_s]
            # What does not fit does not fit later in this plan either: starts only take.
            if (demand, 0) in refused or (demand, len(crossed)) in refused:
                continue
            if not trial.fits(demand):
                refused.add((demand, 0))
                continue
            room = trial
            for space in crossed:
                room = room.overlap(space)
            if crossed and not room.fits(demand):
                refused.add((demand, len(crossed)))
                continue
            placement = room.take(demand)
            assert not isinstance(placement, Refusal)
            for space in (trial, *crossed) if crossed else ():
                space.hold(demand, placement)
            plan.starts.append(Planned(ticket, placement))

    def _candidates(
        self, state: SchedulerState, trial: Space, settled: set[Ticket]
    ) -> Iterable[Ticket]:
        terms, free = self._terms, trial.gpu_milli_free

        def value(ticket: Ticket) -> tuple[int, float, int]:
            waited_s = state.now_s - ticket.submit_s
            index = self._weights[ticket].fill * (waited_s + terms.fill_wait_s) ** (
                terms.fill_wait_power
            )
            return (int(ticket.job.priority), -index, ticket.number)

        fitting = [t for t in self._line if t.gpu_milli <= free and t not in settled]
        fitting.sort(key=value)
        return fitting
